// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2"
)

func parseName(t *testing.T, s string) l2.Name {
	t.Helper()
	name, err := l2.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// notesIn has the gateways' notes in a directory of the test.
func notesIn(t *testing.T) {
	t.Helper()
	formerRun, formerKept := runDir, keptDir
	runDir, keptDir = filepath.Join(t.TempDir(), "drawbridge"), filepath.Join(t.TempDir(), "elsewhere")
	t.Cleanup(func() { runDir, keptDir = formerRun, formerKept })
}

func TestAGatewayIsFoundByItsName(t *testing.T) {
	notesIn(t)
	want := installed{name: "gw-a", dir: defaultState, guessed: true}
	find := func(o uninstallOptions) installed {
		t.Helper()
		got, err := o.find()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := find(uninstallOptions{name: "gw-a"}); got != want {
		t.Errorf("without a note: %+v, want %+v", got, want)
	}
	noted := whereabouts{Gateway: "gw-a", State: "/srv/state", Socket: "/srv/s", Namespace: "net:[7]"}
	if err := noted.write(); err != nil {
		t.Fatal(err)
	}
	want = installed{name: "gw-a", dir: "/srv/state", namespace: "net:[7]"}
	if got := find(uninstallOptions{name: "gw-a"}); got != want {
		t.Errorf("with a note: %+v, want %+v", got, want)
	}
	want.dir, want.force = "/elsewhere", true
	if got := find(uninstallOptions{name: "gw-a", dir: "/elsewhere", force: true}); got != want {
		t.Errorf("with --state: %+v, want %+v", got, want)
	}
	want = installed{name: "gw-a", dir: "/configured", namespace: "net:[7]"}
	if got, err := (uninstallOptions{}).found("gw-a", "/configured"); err != nil || got != want {
		t.Errorf("with a configuration, and a note of a directory that is gone: %+v, %v; want %+v", got, err, want)
	}
	noted.State = t.TempDir()
	if err := noted.write(); err != nil {
		t.Fatal(err)
	}
	want.dir = noted.State
	if got, err := (uninstallOptions{}).found("gw-a", "/configured"); err != nil || got != want {
		t.Errorf("with a configuration that no daemon has read yet: %+v, %v; want %+v", got, err, want)
	}
	if err := forgetWhereabouts("gw-a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(runDir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", runDir, err)
	}
	if err := forgetWhereabouts("gw-a"); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestANoteThatCannotBeRead(t *testing.T) {
	notesIn(t)
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, whereaboutsFile("gw-a"), "{")
	if _, err := (uninstallOptions{name: "gw-a"}).find(); err == nil || !strings.Contains(err.Error(), "--state") {
		t.Errorf("error %v, want one that names --state", err)
	}
	if got, err := (uninstallOptions{name: "gw-a", dir: "/srv"}).find(); err != nil || got.dir != "/srv" {
		t.Errorf("with --state: %+v, %v", got, err)
	}
}
