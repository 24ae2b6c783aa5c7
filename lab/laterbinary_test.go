// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// laterBinary is a version whose maps have another layout: built from this one's sources with another bpf/abi.h.
func laterBinary(t *testing.T) string {
	t.Helper()
	path, err := binaries.later()
	must(t, err)
	return path
}

// laterChanges are what the later version does otherwise, by file: fields in front of others, longer lists, a table with
// less room, and one with another name.
var laterChanges = []struct{ file, from, to string }{
	{"abi.h", "struct extension {\n", "struct extension {\n\t__u64 later;\n"},
	{"abi.h", "\tstruct bpf_timer timer;", "\t__u64 later;\n\tstruct bpf_timer timer;"},
	{"abi.h", "struct nic_tally {\n", "struct nic_tally {\n\t__u64 later;\n"},
	{"abi.h", "#define MAX_REASONS 40", "#define MAX_REASONS 48"},
	{"abi.h", "#define FLOOD_PREFIXES 32", "#define FLOOD_PREFIXES 40"},
	{"abi.h", "#define MAX_FDB (1 << 20)", "#define MAX_FDB (1 << 19)"},
	{"maps.h", "} recent_flows SEC", "} recent SEC"},
	{"flow_cache.h", "(&recent_flows,", "(&recent,"},
}

// grown are structures whose size the header states.
var grown = map[string]int{"extension": 8, "fdb_entry": 8, "limits": 8 * 16}

func buildLater() (string, error) {
	dir, err := binaryDir()
	if err != nil {
		return "", err
	}
	tree := filepath.Join(dir, "later")
	if err := os.CopyFS(filepath.Join(tree, "bpf"), os.DirFS("../bpf")); err != nil {
		return "", err
	}
	for _, c := range laterChanges {
		if err := edit(filepath.Join(tree, "bpf", c.file), func(text string) string { return strings.ReplaceAll(text, c.from, c.to) }); err != nil {
			return "", err
		}
	}
	if err := edit(filepath.Join(tree, "bpf/abi.h"), growSizes); err != nil {
		return "", err
	}
	abi := filepath.Join(tree, "abi")
	if err := os.MkdirAll(abi, 0o755); err != nil {
		return "", err
	}
	if err := generate(tree, abi); err != nil {
		return "", err
	}
	overlay, err := writeOverlay(tree, abi)
	if err != nil {
		return "", err
	}
	return goBuild("drawbridge-later", "-overlay", overlay, "-ldflags", "-s -w -X github.com/drawbridge-l2/drawbridge/daemon.Version=v0.0.0-later")
}

func edit(file string, change func(string) string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed := change(string(text))
	if changed == string(text) {
		return fmt.Errorf("%s: nothing was changed", file)
	}
	return os.WriteFile(file, []byte(changed), 0o644)
}

var stated = regexp.MustCompile(`sizeof\(struct (\w+)\) == (\d+),`)

func growSizes(text string) string {
	return stated.ReplaceAllStringFunc(text, func(s string) string {
		m := stated.FindStringSubmatch(s)
		size, _ := strconv.Atoi(m[2])
		return fmt.Sprintf("sizeof(struct %s) == %d,", m[1], size+grown[m[1]])
	})
}

// generate does what `go generate ./dataplane/abi` does, with the sources of the tree.
func generate(tree, to string) error {
	text, err := os.ReadFile("../dataplane/abi/abi.go")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(line, "//go:generate ")
		if !ok {
			continue
		}
		command = strings.ReplaceAll(command, "../../bpf", tree+"/bpf")
		command = strings.Replace(command, "cmd/bpf2go ", "cmd/bpf2go -output-dir "+to+" ", 1)
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = "../dataplane/abi"
		cmd.Env = append(os.Environ(), "GOPACKAGE=abi")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("generate programs of a later version (clang 14 is needed, as for make check-generated): %w\n%s", err, out)
		}
	}
	return nil
}

// writeOverlay has the build take generated files from elsewhere.
func writeOverlay(tree, abi string) (string, error) {
	replace := map[string]string{}
	files, err := os.ReadDir(abi)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		at, err := filepath.Abs(filepath.Join("../dataplane/abi", f.Name()))
		if err != nil {
			return "", err
		}
		replace[at] = filepath.Join(abi, f.Name())
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(tree, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}
