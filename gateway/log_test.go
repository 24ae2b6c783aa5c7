// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
)

func openTestLog(t *testing.T, dir string) (*Store, *Log) {
	t.Helper()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(s, slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s, l
}

func hint(i int) event.Record {
	return event.Record{Kind: event.Hint, Severity: event.Info, Message: fmt.Sprint("number ", i)}
}

func TestLogNumbersSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	_, l := openTestLog(t, dir)
	l.Append(hint(1))
	l.Append(hint(2))
	// A daemon that is killed while it writes leaves half a line and closes nothing.
	f, err := os.OpenFile(filepath.Join(dir, eventsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"seq":3,"mess`); err != nil {
		t.Fatal(err)
	}
	_, l = openTestLog(t, dir)
	l.Append(hint(3))
	_, l = openTestLog(t, dir)
	got := l.Since(1)
	if len(got) != 2 || got[0].Seq != 2 || got[1].Seq != 3 || got[1].Message != "number 3" {
		t.Errorf("records %+v, want numbers 2 and 3", got)
	}
}

func TestLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	_, l := openTestLog(t, dir)
	l.file.limit = 100_000
	for i := range keptRecords + 500 {
		l.Append(hint(i))
	}
	got := l.Since(0)
	if len(got) != keptRecords || got[0].Seq != 501 || got[len(got)-1].Seq != keptRecords+500 {
		t.Errorf("%d records from %d to %d", len(got), got[0].Seq, got[len(got)-1].Seq)
	}
	for _, name := range []string{eventsFile, eventsOld} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() > 101_000 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	_, again := openTestLog(t, dir)
	if last := again.Since(keptRecords + 499); len(last) != 1 {
		t.Errorf("after a rotation and a restart the newest records are %v", last)
	}
}

func TestSlowSubscribersAreDropped(t *testing.T) {
	_, l := openTestLog(t, t.TempDir())
	slow, cancelSlow := l.Subscribe()
	for i := range subscriberQueue {
		l.Append(hint(i))
	}
	quick, cancel := l.Subscribe()
	l.Append(hint(subscriberQueue))
	if r := <-quick; r.Seq != subscriberQueue+1 {
		t.Errorf("the quick one got %d", r.Seq)
	}
	n := 0
	for range slow { // ends, since the channel was closed
		n++
	}
	if n != subscriberQueue {
		t.Errorf("the slow one got %d records, want %d and the end", n, subscriberQueue)
	}
	cancelSlow()
	cancel()
	cancel()
	if _, open := <-quick; open {
		t.Error("a cancelled subscription goes on")
	}
}

func TestAStateDirectoryThatTakesNothing(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	// The directory goes away under the daemon: every replacing write fails, as on a full disk.
	if err := os.RemoveAll(r.dir); err != nil {
		t.Fatal(err)
	}
	if err := r.onLoop(func() error { return r.gw.Raise(t.Context(), "acme", "") }); err != nil {
		t.Fatalf("a raise failed for want of disk: %v", err)
	}
	if !r.plane.now.Extensions[0].Raised {
		t.Error("the kernel was not told")
	}
	if r.gw.opts.Store.Failed() == 0 {
		t.Error("the failed write was not counted")
	}
	logged := false
	for _, rec := range r.gw.Log().Since(0) {
		logged = logged || strings.Contains(rec.Message, "forwarding goes on")
	}
	if !logged {
		t.Error("the failed write was not logged")
	}
}

func TestStoreIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	s, _ := openTestLog(t, dir)
	if err := s.write(LastGoodFile, []byte("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v %v, want mode 0700", info.Mode(), err)
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
