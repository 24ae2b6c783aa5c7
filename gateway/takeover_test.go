// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill writes every file that a store can have.
func fill(t *testing.T, s *Store) map[string]string {
	t.Helper()
	if err := os.Mkdir(s.path(recordingsDir), 0o700); err != nil {
		t.Fatal(err)
	}
	content := map[string]string{filepath.Join(recordingsDir, "acme-loop.pcapng"): "frames"}
	for _, name := range storeFiles {
		content[name] = "content of " + name
	}
	for name, text := range content {
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return content
}

// files are the contents of all files below a directory.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// elsewhere is a directory on another file system than the tests' own: in memory, or beside the sources.
func elsewhere(t *testing.T) string {
	t.Helper()
	for _, parent := range []string{"/dev/shm", "."} {
		dir, err := os.MkdirTemp(parent, "drawbridge-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		var here, there syscall.Stat_t
		if err := errors.Join(syscall.Stat(t.TempDir(), &here), syscall.Stat(dir, &there)); err != nil {
			t.Fatal(err)
		}
		if here.Dev != there.Dev {
			return dir
		}
	}
	t.Fatal("temporary files, /dev/shm and the sources are all on one file system")
	return ""
}

func TestTheStateDirectoryIsTakenOver(t *testing.T) {
	for name, dir := range map[string]func(*testing.T) string{
		"same file system": func(t *testing.T) string { return t.TempDir() }, "another one": elsewhere,
	} {
		t.Run(name, func(t *testing.T) {
			former, now := openStore(t, dir(t)), openStore(t, t.TempDir())
			want := fill(t, former)
			if taken, err := now.TakeOver(former); err != nil || !taken {
				t.Fatalf("taken over: %v, %v", taken, err)
			}
			if diff := cmp.Diff(want, files(t, now.dir)); diff != "" {
				t.Error(diff)
			}
			if err := os.Remove(former.dir); err != nil {
				t.Errorf("it is not empty: %v", err)
			}
			if taken, err := now.TakeOver(openStore(t, t.TempDir())); err != nil || taken {
				t.Errorf("nothing was taken over: %v, %v", taken, err)
			}
		})
	}
}

func TestAStateDirectoryWithANoteOfItsOwnKeepsIt(t *testing.T) {
	former, now := openStore(t, t.TempDir()), openStore(t, t.TempDir())
	want := fill(t, former)
	if err := now.write(nicsFile, []byte("own")); err != nil {
		t.Fatal(err)
	}
	if taken, err := now.TakeOver(former); err == nil || taken {
		t.Errorf("taken over: %v, %v; want an error", taken, err)
	}
	if diff := cmp.Diff(want, files(t, former.dir)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{nicsFile: "own"}, files(t, now.dir)); diff != "" {
		t.Error(diff)
	}
}

// What cannot be moved keeps nothing else from it, least of all the note of NICs.
func TestATakeOverGoesOnAfterAnError(t *testing.T) {
	former, now := openStore(t, t.TempDir()), openStore(t, t.TempDir())
	want := fill(t, former)
	if err := os.MkdirAll(now.path(eventsFile), 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	if taken, err := now.TakeOver(former); err == nil || !taken {
		t.Errorf("taken over: %v, %v; want an error", taken, err)
	}
	if diff := cmp.Diff(map[string]string{eventsFile: want[eventsFile]}, files(t, former.dir)); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
	delete(want, eventsFile)
	if diff := cmp.Diff(want, files(t, now.dir)); diff != "" {
		t.Error(diff)
	}
}

// NICs whose former settings nobody knows any more are told of, once.
func TestALostNoteOfNICsIsTold(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.dir = t.TempDir()
	r.start()
	r.start()
	r.wantBridge("acme", state.Lowered, "")
	hints := r.records(0, event.Hint)
	if len(hints) != 1 || hints[0].Severity != event.Warning {
		t.Fatalf("hints: %+v, want one warning", hints)
	}
	if diff := cmp.Diff([]any{"eth2"}, hints[0].Detail["interfaces"]); diff != "" {
		t.Error(diff)
	}
}
