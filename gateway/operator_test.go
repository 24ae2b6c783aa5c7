// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
)

// raise is the operator's.
func (r *rig) raise(ext, reason string) {
	r.t.Helper()
	if err := r.onLoop(func() error { return r.gw.Raise(r.t.Context(), ext, reason) }); err != nil {
		r.t.Fatal(err)
	}
}

// lower is the operator's.
func (r *rig) lower(ext string) {
	r.t.Helper()
	if err := r.onLoop(func() error { return r.gw.Lower(r.t.Context(), ext) }); err != nil {
		r.t.Fatal(err)
	}
}

// Another reason is taken over and told, and is no trip: it has no cause. None, or the same, changes nothing.
func TestARaiseIsGivenAnotherReason(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.raise("acme", "ticket 12")
	raisedAt, since := r.clock.t, r.lastSeq()
	r.clock.t = r.clock.t.Add(time.Hour)
	r.raise("acme", "")
	r.raise("acme", "ticket 12")
	if n := r.lastSeq() - since; n != 0 {
		t.Errorf("%d records without another reason", n)
	}
	r.raise("acme", "ticket 13")
	r.wantBridge("acme", state.RaisedUp, "raised by the operator: ticket 13")
	r.host.change("eth2", func(l *Link) { l.Carrier = false })
	r.tick()
	r.raise("acme", "ticket 14")
	r.start()
	r.wantBridge("acme", state.Down, "interface eth2 has no carrier; raised by the operator: ticket 14")
	r.host.change("eth2", func(l *Link) { l.Carrier = true })
	r.tick()
	r.wantBridge("acme", state.RaisedUp, "raised by the operator: ticket 14")
	if got := r.gw.raised["acme"].Since; !got.Equal(raisedAt) {
		t.Errorf("raised since %s, want %s", got, raisedAt)
	}
	told := r.records(since, event.Raised)
	if len(told) != 2 {
		t.Fatalf("told %d times, want twice: %+v", len(told), told)
	}
	for i, reason := range []string{"raised by the operator: ticket 13", "interface eth2 has no carrier; raised by the operator: ticket 14"} {
		if told[i].Message != reason || told[i].Detail["reason"] != reason || told[i].Detail["cause"] != nil {
			t.Errorf("told: %+v, want %q without a cause", told[i], reason)
		}
	}
}

const unknownReason = "raised by the operator: " + lostReason

// A raise holds while the kernel holds it, whatever became of the state directory; and then it is on disk again.
func TestARaiseOutlivesTheStateDirectory(t *testing.T) {
	r := newRig(t, gatewayConfig(acme(), ext("beta1", "eth2", "10", 10200, "192.0.2.20")))
	r.start()
	r.raise("acme", "ticket 12")
	for _, again := range []string{"another directory", "lost"} {
		r.dir = t.TempDir()
		r.clock.t = r.clock.t.Add(time.Hour)
		r.start()
		r.wantBridge("acme", state.RaisedUp, unknownReason)
		r.wantBridge("beta1", state.Lowered, "")
		if !r.plane.now.Extensions[0].Raised {
			t.Fatalf("%s: the kernel was told to let it down", again)
		}
		if diff := cmp.Diff([]string{"started ", "hint ", "raised acme"}, r.kinds(0)); diff != "" {
			t.Errorf("%s: %s", again, diff)
		}
	}
	r.plane.now = nil // another boot of the machine
	r.start()
	r.wantBridge("acme", state.RaisedUp, unknownReason)
	r.lower("acme")
	r.start()
	r.wantBridge("acme", state.Lowered, "")
}

// A disk that did not take the latch, or a death between kernel and disk, costs nothing but that: what was told is known.
func TestARaiseThatTheDiskDidNotTake(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.raise("acme", "ticket 12")
	r.work()
	raisedAt := r.clock.t
	r.clock.t = r.clock.t.Add(time.Hour)
	if err := os.WriteFile(filepath.Join(r.dir, operatorFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.wantBridge("acme", state.RaisedUp, "raised by the operator: ticket 12")
	if got := r.bridge("acme").Since; !got.Equal(raisedAt) {
		t.Errorf("raised since %s, want %s", got, raisedAt)
	}
	if n := len(r.records(0, event.Raised)); n != 1 {
		t.Errorf("it was told %d times, want once", n)
	}
}
