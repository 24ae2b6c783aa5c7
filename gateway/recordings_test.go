// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

func openTestRecordings(t *testing.T, dir string, room int64) *recordings {
	t.Helper()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRecordings(s)
	if err != nil {
		t.Fatal(err)
	}
	r.limit = s.others() + room
	return r
}

func listed(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, recordingsDir))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestTheOldestRecordingsMakeRoom(t *testing.T) {
	dir := t.TempDir()
	r := openTestRecordings(t, dir, 1000)
	at := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	for n := range 25 {
		if n == 12 { // a later daemon goes on with what is there
			for i, name := range listed(t, dir) {
				stamp := at.Add(time.Duration(i) * time.Second)
				if err := os.Chtimes(r.path(name), stamp, stamp); err != nil {
					t.Fatal(err)
				}
			}
			r = openTestRecordings(t, dir, 1000)
		}
		if _, err := r.save(fmt.Sprintf("acme-%02d.pcapng", n), make([]byte, 150), at); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"acme-19.pcapng", "acme-20.pcapng", "acme-21.pcapng", "acme-22.pcapng", "acme-23.pcapng", "acme-24.pcapng"}
	if got := listed(t, dir); !slices.Equal(got, want) {
		t.Errorf("kept %q, want the six newest", got)
	}
	if _, err := r.save("acme-24.pcapng", make([]byte, 100), at); err != nil || r.size != 850 {
		t.Errorf("written twice: %v, %d bytes are counted of 850", err, r.size)
	}
	if _, err := r.save("big.pcapng", make([]byte, 1001), at); err == nil {
		t.Error("a recording was kept that has no room")
	}
}

func TestOtherFilesCountToo(t *testing.T) {
	dir := t.TempDir()
	r := openTestRecordings(t, dir, 1000)
	if err := r.store.write(LastGoodFile, make([]byte, 900)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.save("a.pcapng", make([]byte, 101), time.Time{}); err == nil {
		t.Error("a recording took the room of the configuration")
	}
	if _, err := r.save("a.pcapng", make([]byte, 100), time.Time{}); err != nil {
		t.Error(err)
	}
}

func TestHalfARecordingIsRemoved(t *testing.T) {
	dir := t.TempDir()
	openTestRecordings(t, dir, 1000)
	for _, name := range []string{"a.pcapng" + newSuffix, "b.pcapng"} {
		if err := os.WriteFile(filepath.Join(dir, recordingsDir, name), make([]byte, 10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := openTestRecordings(t, dir, 1000)
	if got := listed(t, dir); !slices.Equal(got, []string{"b.pcapng"}) || r.size != 10 {
		t.Errorf("there are %q, %d bytes", got, r.size)
	}
	if err := r.store.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, recordingsDir)); !os.IsNotExist(err) {
		t.Error("the recordings outlived their gateway")
	}
}

// A disk that takes nothing is told once, trips are told all the same, and its recovery is told too.
func TestADiskThatTakesNoRecordings(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	r.plane.recorded = []state.RecordedFrame{{At: r.clock.t, Size: 60, Bytes: make([]byte, 60)}}
	path := filepath.Join(r.dir, recordingsDir)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil { // no directory: nothing can be written into it
		t.Fatal(err)
	}
	since := r.lastSeq()
	trip := func() {
		r.loop(2 * time.Second)
		r.pass(5 * time.Second)
	}
	trip()
	trip()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	trip()
	trips, hints := r.records(since, event.Trip), r.records(since, event.Hint)
	if len(trips) != 3 || trips[1].Detail["recording"] != nil || trips[2].Detail["recording"] == nil {
		t.Errorf("trips %+v", trips)
	}
	if len(hints) != 2 || !strings.Contains(hints[0].Message, "not a directory") || !strings.HasPrefix(hints[1].Message, "no longer") {
		t.Errorf("hints %+v", hints)
	}
	if r.gw.opts.Store.Failed() != 2 {
		t.Errorf("%d failed writes", r.gw.opts.Store.Failed())
	}
}
