// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/gateway"
)

// notedNICs is the file of a state directory that says how NICs were.
const notedNICs = "nics.json"

// formerState is a state directory of gateway gw-a, as its note has it.
func formerState(t *testing.T) string {
	t.Helper()
	notesIn(t)
	dir := filepath.Join(t.TempDir(), "former")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, notedNICs), `{"gateway": "gw-a"}`)
	if err := (whereabouts{Gateway: "gw-a", State: dir}).write(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// moveTo does what a daemon of gw-a does that starts with a state directory.
func moveTo(t *testing.T, dir string) *event.Record {
	t.Helper()
	store, err := gateway.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return takeOver(store, "gw-a", dir)
}

func wantMoved(t *testing.T, r *event.Record, severity event.Severity, part string) {
	t.Helper()
	if r == nil || r.Severity != severity || !strings.Contains(r.Message, part) {
		t.Errorf("told: %+v, want %s and %q", r, severity, part)
	}
}

func TestTheNotedStateIsTakenOver(t *testing.T) {
	former, dir := formerState(t), t.TempDir()
	wantMoved(t, moveTo(t, dir), event.Info, former)
	if _, err := os.Stat(filepath.Join(dir, notedNICs)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(former); !os.IsNotExist(err) {
		t.Errorf("the former directory is left: %v", err)
	}
	if noted, err := findWhereabouts("gw-a"); err != nil || noted.State != dir {
		t.Errorf("noted: %+v, %v; want %s", noted, err, dir)
	}
	if r := moveTo(t, dir); r != nil {
		t.Errorf("a second time: %+v", r)
	}
}

func TestNothingIsTakenOver(t *testing.T) {
	former := formerState(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(former, link); err != nil {
		t.Fatal(err)
	}
	if r := moveTo(t, link); r != nil {
		t.Errorf("to itself: %+v", r)
	}
	held, err := lockState(former)
	if err != nil {
		t.Fatal(err)
	}
	wantMoved(t, moveTo(t, t.TempDir()), event.Warning, "in use")
	if err := held.release(); err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	writeFile(t, filepath.Join(own, notedNICs), `{"gateway": "gw-a"}`)
	wantMoved(t, moveTo(t, own), event.Warning, "uninstall-state --state "+former)
	writeFile(t, filepath.Join(former, notedNICs), `{"gateway": "gw-b"}`)
	wantMoved(t, moveTo(t, t.TempDir()), event.Warning, "gw-b")
	if err := os.RemoveAll(former); err != nil {
		t.Fatal(err)
	}
	if r := moveTo(t, t.TempDir()); r != nil {
		t.Errorf("from a directory that is gone: %+v", r)
	}
}
