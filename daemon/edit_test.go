// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// content is a file's text; empty when there is no such file.
func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("the directory holds %q, want %q", names, want)
	}
}

func TestAConfigurationReplacesTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gw.yaml")
	writeFile(t, file, "old\n")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	s := fileSource(file)
	if err := s.Stage([]byte("new\n")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, file); got != "old\n" {
		t.Errorf("staging changed the file to %q", got)
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	if now, was := content(t, file), content(t, file+".previous"); now != "new\n" || was != "old\n" {
		t.Errorf("the file holds %q, and held %q", now, was)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	wantNames(t, dir, "gw.yaml", "gw.yaml.previous")
	if found, err := s.Discard(); found || err != nil {
		t.Errorf("discard: %v, %v", found, err)
	}
}

func TestAStagedConfigurationIsDiscarded(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gw.yaml")
	writeFile(t, file, "old\n")
	s := fileSource(file)
	if err := s.Stage([]byte("new\n")); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Discard(); !found || err != nil {
		t.Errorf("discard: %v, %v", found, err)
	}
	wantNames(t, dir, "gw.yaml")
}

// A symbolic link stays one, and what it leads to is replaced. A file that somebody removed comes back.
func TestWhereTheFileIs(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	link, file := filepath.Join(dir, "gw.yaml"), filepath.Join(elsewhere, "real.yaml")
	writeFile(t, file, "old\n")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, s := range []fileSource{fileSource(link), fileSource(filepath.Join(dir, "gone.yaml"))} {
		if err := errors.Join(s.Stage([]byte("new\n")), s.Commit()); err != nil {
			t.Fatal(err)
		}
	}
	wantNames(t, dir, "gone.yaml", "gw.yaml")
	wantNames(t, elsewhere, "real.yaml", "real.yaml.previous")
	if target, err := os.Readlink(link); err != nil || target != file || content(t, file) != "new\n" {
		t.Errorf("the link leads to %s, %v, which holds %q", target, err, content(t, file))
	}
}

func TestADirectoryThatTakesNoFile(t *testing.T) {
	s := fileSource(filepath.Join(t.TempDir(), "none", "gw.yaml"))
	if err := s.Stage([]byte("new\n")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stage: %v", err)
	}
}

func TestFaultsOfAConfigurationNameThePlace(t *testing.T) {
	_, err := fileSource("gw.yaml").Parse([]byte("gateway: {bogus: 1}\n"))
	if err == nil || !strings.Contains(err.Error(), "configuration:1:11: ") {
		t.Errorf("faults: %v", err)
	}
}
