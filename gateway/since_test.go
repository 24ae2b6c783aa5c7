// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
)

// work runs the loop and ends it, as SIGTERM does.
func (r *rig) work() {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	stop()
	if err := r.gw.Run(ctx); err != nil {
		r.t.Fatal(err)
	}
}

func TestSinceOutlivesTheDaemon(t *testing.T) {
	r := newRig(t, gatewayConfig(acme(), ext("beta1", "eth9", "10", 10200, "192.0.2.20")))
	began := r.clock.t
	r.start()
	r.work()
	for name, again := range map[string]func(){
		"after its end": func() {},
		"after a crash": func() { r.gw = nil },
	} {
		r.clock.t = r.clock.t.Add(time.Hour)
		again()
		r.start()
		for _, e := range []string{"acme", "beta1"} {
			if got := r.bridge(e).Since; !got.Equal(began) {
				t.Errorf("%s: %s is as it is since %s, want %s", name, e, got, began)
			}
		}
	}
	if n := len(r.kinds(0)); n != 4 { // three starts, and once that beta1 is down
		t.Errorf("%d records: %q, want 4", n, r.kinds(0))
	}
}

func TestSinceOfWhatChangedMeanwhile(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.work()
	r.clock.t = r.clock.t.Add(time.Hour)
	r.host.change("eth2", func(l *Link) { l.Carrier = false })
	r.start()
	r.wantBridge("acme", state.Down, "interface eth2 has no carrier")
	if got := r.bridge("acme").Since; !got.Equal(r.clock.t) {
		t.Errorf("down since %s, want %s", got, r.clock.t)
	}
}

// A change is on disk within seconds, without an end of the daemon.
func TestSinceIsNotedWhileRunning(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.host.change("eth2", func(l *Link) { l.Carrier = false })
	r.tick()
	down := r.clock.t
	for range neighbourTicks {
		r.tick()
	}
	r.clock.t = r.clock.t.Add(time.Hour)
	r.start() // the former one was killed
	if got := r.bridge("acme").Since; !got.Equal(down) {
		t.Errorf("down since %s, want %s", got, down)
	}
	file := filepath.Join(r.dir, bridgesFile)
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * neighbourTicks {
		r.tick()
	}
	if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was written again without a change: %v", err)
	}
}

// What was told is not told again by a daemon that comes after one that was killed at once.
func TestACrashAtOnceTellsNothingTwice(t *testing.T) {
	r := newRig(t, gatewayConfig(acme(), ext("beta1", "eth9", "10", 10200, "192.0.2.20")))
	for _, change := range []func(){
		func() { r.start() }, // beta1 is down
		func() {
			for range neighbourTicks { // so that there is a note that says how it was
				r.tick()
			}
		},
		func() { r.raise("acme", "ticket 12") },
		func() { r.lower("acme") },
		func() { r.host.change("eth2", func(l *Link) { l.Carrier = false }); r.tick() },
		func() { r.host.change("eth2", func(l *Link) { l.Carrier = true }); r.tick() },
	} {
		change()
		r.start() // the former one was killed
	}
	told := r.records(0, event.Raised, event.Lowered, event.Link)
	var got []string
	for _, rec := range told {
		got = append(got, string(rec.Kind)+" "+rec.Extension)
	}
	want := []string{"link beta1", "raised acme", "lowered acme", "link acme", "link acme"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// However many change at once, they are noted once.
func TestManyThatChangeAtOnceAreNotedOnce(t *testing.T) {
	var exts []config.Extension
	for i := range 4000 {
		exts = append(exts, ext(fmt.Sprintf("e%04d", i), "eth2", fmt.Sprint(i+1), 10000+uint32(i), "192.0.2.20"))
	}
	r := newRig(t, gatewayConfig(exts...))
	r.start()
	if err := os.Mkdir(filepath.Join(r.dir, bridgesFile+newSuffix), 0o700); err != nil { // so that each attempt is counted
		t.Fatal(err)
	}
	r.host.change("eth1", func(l *Link) { l.Carrier = false })
	r.tick()
	r.wantBridge("e3999", state.Down, "underlay: interface eth1 has no carrier")
	if n := r.gw.opts.Store.Failed(); n != 1 {
		t.Errorf("it was written %d times, want once", n)
	}
}

// Nothing was forwarded between two boots, or while the kernel's tables were gone.
func TestSinceBeginsAnewWithTheKernel(t *testing.T) {
	for name, reset := range map[string]func(*rig){
		"other boot":  func(r *rig) { r.bootID = "boot-2" },
		"tables gone": func(r *rig) { r.plane.now = nil },
		"broken note": func(r *rig) {
			if err := os.WriteFile(filepath.Join(r.dir, bridgesFile), []byte("{"), 0o600); err != nil {
				r.t.Fatal(err)
			}
		},
	} {
		r := newRig(t, gatewayConfig(acme()))
		r.start()
		r.work()
		r.clock.t = r.clock.t.Add(time.Hour)
		reset(r)
		r.start()
		if got := r.bridge("acme").Since; !got.Equal(r.clock.t) {
			t.Errorf("%s: lowered since %s, want %s", name, got, r.clock.t)
		}
	}
}

// Names that only a note has are not extensions.
func TestNotedExtensionsAreForgotten(t *testing.T) {
	r := newRig(t, gatewayConfig(acme(), ext("beta1", "eth9", "10", 10200, "192.0.2.20")))
	r.start()
	r.work()
	r.src.cfg = gatewayConfig(acme())
	r.start()
	err := r.onLoop(func() error { return r.gw.Raise(t.Context(), "beta1", "") })
	if !errors.Is(err, ErrUnknownExtension) {
		t.Errorf("raise of a former extension: %v", err)
	}
}
