// SPDX-License-Identifier: Apache-2.0

package drawbridge_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unfinished finds words that promise later work, and machinePath the home of one machine. Both are put
// together here so that this file does not find itself.
var (
	unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	// Under bpf and in scripts too. A path counts when a name follows the directory.
	machinePath = regexp.MustCompile(`(^|[\s"'=:(\x60])/(ho` + `me|ro` + `ot|Us` + `ers|wo` + `rk)/[A-Za-z0-9_.]`)
	// What a compiler writes into an object.
	objectPath = regexp.MustCompile(`/(ho` + `me|ro` + `ot|Us` + `ers|wo` + `rk|t` + `mp)/[A-Za-z0-9_.]`)
	generated  = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
)

// spdxByName says which license line a file begins with; files of other names need none.
func spdxByName(name string) (license string, comment string) {
	switch {
	case strings.HasSuffix(name, ".go"):
		return "Apache-2.0", "// "
	case strings.HasSuffix(name, ".sh"), strings.HasPrefix(name, ".ci/"), name == "Makefile":
		return "Apache-2.0", "# "
	case strings.HasSuffix(name, ".h"):
		return "GPL-2.0 OR BSD-2-Clause", "/* "
	case strings.HasSuffix(name, ".c"):
		return "GPL-2.0 OR BSD-2-Clause", "// "
	}
	return "", ""
}

// isText reports whether people write the file.
func isText(name string) bool {
	switch filepath.Ext(name) {
	case ".go", ".c", ".h", ".sh", ".md", ".yaml", ".yml", ".json", ".service", ".conf", ".mod", ".awk", ".txt", ".txtar":
		return !strings.HasPrefix(name, "LICENSES/")
	}
	return strings.HasPrefix(name, ".ci/") || name == "Makefile"
}

// eachFile calls check with every file of the repository, by its slash-separated name.
func eachFile(t *testing.T, check func(name string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || name == "drawbridge" {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		check(filepath.ToSlash(name), content)
		return nil
	})
	if err != nil {
		t.Fatalf("read the repository: %v", err)
	}
}

func TestFilesBeginWithTheirLicense(t *testing.T) {
	eachFile(t, func(name string, content []byte) {
		license, comment := spdxByName(name)
		if license == "" || generated.Match(content) {
			return
		}
		want := "SPDX-License-Identifier: " + license
		if !beginsWithLicense(content, comment+want) && !beginsWithLicense(content, "/* "+want) {
			t.Errorf("%s does not begin with the license line %s", name, license)
		}
	})
}

// beginsWithLicense looks at the first line, or at the second after a #! line.
func beginsWithLicense(content []byte, want string) bool {
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	if bytes.HasPrefix(first, []byte("#!")) {
		first, _, _ = bytes.Cut(rest, []byte("\n"))
	}
	return bytes.HasPrefix(first, []byte(want))
}

func TestNothingIsLeftForLater(t *testing.T) {
	eachFile(t, func(name string, content []byte) {
		if !isText(name) {
			return
		}
		if found := unfinished.Find(content); found != nil {
			t.Errorf("%s holds the word %s", name, found)
		}
	})
}

func TestNoFileNamesAMachine(t *testing.T) {
	eachFile(t, func(name string, content []byte) {
		pattern := machinePath
		if strings.HasSuffix(name, ".o") {
			pattern = objectPath
		} else if !isText(name) {
			return
		}
		if found := pattern.Find(content); found != nil {
			t.Errorf("%s names the path %q", name, found)
		}
	})
}

// TestFileChecksRefuse makes sure that the checks above can fail.
func TestFileChecksRefuse(t *testing.T) {
	if !unfinished.MatchString("// TO" + "DO: later") {
		t.Error("unfinished work is not found")
	}
	if !machinePath.MatchString("open /ho" + "me/someone/file") {
		t.Error("a machine's path is not found")
	}
	if machinePath.MatchString("see docs/wo" + "rk/x and https://example.org/ho" + "me/x") {
		t.Error("a relative path or an address is taken for a machine's path")
	}
	if beginsWithLicense([]byte("package x\n"), "// SPDX") {
		t.Error("a file without a license passes")
	}
}
