// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// guarded is acme with the guards that a file gives it.
func guarded() config.Extension {
	e := acme()
	e.Guard = config.DefaultGuard(config.Stretched)
	return e
}

const (
	cameBack = "loop: our own probe came back from the customer's side"
	acmeSlot = 7 // of memPlane
)

// pass lets time pass, and the loop wake when it wants to.
func (r *rig) pass(d time.Duration) {
	for end := r.clock.t.Add(d); r.clock.t.Before(end); {
		r.clock.t = r.clock.t.Add(min(r.gw.untilWake(), end.Sub(r.clock.t)))
		r.gw.wake()
	}
}

// loop lets the data path half-raise acme for so long, and say so.
func (r *rig) loop(hold time.Duration) {
	until := r.clock.t.Add(hold)
	r.plane.hold("acme", func(h *state.Hold) { h.HalfRaisedUntil = until })
	r.gw.handle(event.LoopSign{Slot: acmeSlot, Evidence: event.ByProbe, Tripped: true, Until: until, Side: l2.Customer, At: r.clock.t})
}

// records lists what the log has of some kinds since a record.
func (r *rig) records(since uint64, kinds ...event.Kind) []event.Record {
	var out []event.Record
	for _, rec := range r.gw.Log().Since(since) {
		for _, k := range kinds {
			if rec.Kind == k {
				out = append(out, rec)
			}
		}
	}
	return out
}

func TestALoopHalfRaisesAndIsReleased(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	r.plane.recorded = []state.RecordedFrame{
		{At: r.clock.t, Direction: l2.ToCloud, Size: 60, Bytes: make([]byte, 60)},
		{At: r.clock.t, Direction: l2.ToCustomer, Reason: "storm-broadcast", Size: 1514, Bytes: make([]byte, 128)},
	}
	since := r.lastSeq()
	tripped := r.clock.t
	r.loop(2 * time.Second)
	r.wantBridge("acme", state.HalfRaised, "loop: the data path found one") // the kernel's word, at once
	r.pass(10 * time.Millisecond)
	r.wantBridge("acme", state.HalfRaised, cameBack)
	if got := r.bridge("acme").Since; !got.Equal(tripped) {
		t.Errorf("half-raised since %s, want %s", got, tripped)
	}
	r.pass(time.Second)
	r.loop(2 * time.Second)
	r.pass(1900 * time.Millisecond)
	r.wantBridge("acme", state.HalfRaised, cameBack)
	r.pass(400 * time.Millisecond)
	r.wantBridge("acme", state.Lowered, "")

	if diff := cmp.Diff([]string{"trip acme", "released acme"}, r.kinds(since)); diff != "" {
		t.Fatal(diff)
	}
	trip := r.records(since, event.Trip)[0]
	if trip.Detail["cause"] != "loop" || trip.Detail["action"] != "half-raised" || !strings.HasPrefix(trip.Message, cameBack) {
		t.Errorf("trip %+v", trip)
	}
	file, _ := trip.Detail["recording"].(string)
	if want := filepath.Join(r.dir, "recordings", "acme-loop-20261122T080000.000Z.pcapng"); file != want {
		t.Fatalf("recording %q, want %q", file, want)
	}
	checkRecording(t, file)
	if released := r.records(since, event.Released)[0]; released.Detail["cause"] != "loop" || released.Detail["held_seconds"].(float64) < 3 {
		t.Errorf("released %+v", released)
	}
}

// checkRecording looks for what the test put into the flight recorder. The format itself is pcapng's matter.
func checkRecording(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %s", info.Mode())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n\r\r\n", "drawbridge test", "extension acme: eth2 2301, VNI 10100", "to-cloud, forwarded", "to-customer, dropped: storm-broadcast"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the recording lacks %q", want)
		}
	}
}

func TestStatusReadsTheKernelsDeadline(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	r.plane.hold("acme", func(h *state.Hold) { h.HalfRaisedUntil = r.clock.t.Add(2 * time.Second) }) // and the signal is lost
	r.wantBridge("acme", state.HalfRaised, "loop: the data path found one")
	r.tick() // the loop finds it by itself
	r.pass(time.Second)
	if got := r.bridge("acme"); got.Bridge != state.HalfRaised || !strings.Contains(got.Reason, "signal") {
		t.Errorf("acme is %s (%s)", got.Bridge, got.Reason)
	}
	r.clock.t = r.clock.t.Add(time.Second) // the loop sleeps
	r.wantBridge("acme", state.Lowered, "")
	r.pass(time.Second)
	if got := r.kinds(0); !cmp.Equal(got, []string{"started ", "trip acme", "released acme"}) {
		t.Errorf("records %q", got)
	}
}

func TestWhatIsHeldInModeObserveIsNotSeen(t *testing.T) {
	e := guarded()
	e.Guard.Mode = config.Observe
	r := newRig(t, gatewayConfig(e))
	r.start()
	r.plane.hold("acme", func(h *state.Hold) { h.HalfRaisedUntil = r.clock.t.Add(2 * time.Second) })
	r.wantBridge("acme", state.Lowered, "")
	r.pass(time.Second)
	r.wantBridge("acme", state.Lowered, "")
}

func TestTheOperatorLowersAHalfRaisedBridge(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	r.loop(time.Hour)
	r.pass(10 * time.Millisecond)
	since := r.lastSeq()
	lower := func() error { return r.gw.Lower(t.Context(), "acme") }

	r.steps.failAt = r.steps.count + 1
	if err := r.onLoop(lower); !errors.Is(err, errInjected) {
		t.Errorf("error %v, want the kernel's", err)
	}
	r.wantBridge("acme", state.HalfRaised, cameBack)
	if err := r.onLoop(lower); err != nil {
		t.Fatal(err)
	}
	r.wantBridge("acme", state.Lowered, "")
	if diff := cmp.Diff([]string{"released acme", "lowered acme"}, r.kinds(since)); diff != "" {
		t.Error(diff)
	}
	steps, since := r.steps.count, r.lastSeq()
	if err := r.onLoop(lower); err != nil || !slices.Equal(r.steps.journal[steps:], []string{"let down acme"}) {
		t.Errorf("lowering a lowered bridge, for the back-off's sake: %v, %q", err, r.steps.journal[steps:])
	}
	if kinds := r.kinds(since); len(kinds) != 0 {
		t.Errorf("lowering a lowered bridge told %q", kinds)
	}
}

func TestRaisedHidesTrips(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	if err := r.onLoop(func() error { return r.gw.Raise(t.Context(), "acme", "") }); err != nil {
		t.Fatal(err)
	}
	since := r.lastSeq()
	r.loop(time.Hour)
	r.pass(5 * time.Second)
	r.wantBridge("acme", state.RaisedUp, "raised by the operator")
	if got := r.kinds(since); len(got) > 0 {
		t.Errorf("records %q", got)
	}
	if err := r.onLoop(func() error { return r.gw.Lower(t.Context(), "acme") }); err != nil {
		t.Fatal(err)
	}
	r.wantBridge("acme", state.Lowered, "")
	if r.plane.holds["acme"] != (state.Hold{}) {
		t.Error("lower left the hold behind the operator's latch")
	}
}

func TestATripOutlivesTheDaemon(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	r.loop(time.Minute)
	r.pass(10 * time.Millisecond)
	since := r.lastSeq()
	tripped := r.bridge("acme").Since
	r.clock.t = r.clock.t.Add(10 * time.Second)
	r.start()
	r.wantBridge("acme", state.HalfRaised, cameBack)
	r.pass(time.Second)
	r.wantBridge("acme", state.HalfRaised, cameBack)
	if got := r.bridge("acme").Since; !got.Equal(tripped) {
		t.Errorf("half-raised since %s, want %s", got, tripped)
	}
	if diff := cmp.Diff([]string{"started "}, r.kinds(since)); diff != "" {
		t.Error("told again: " + diff)
	}
	r.clock.t = r.clock.t.Add(time.Hour) // no daemon meanwhile
	since = r.lastSeq()
	r.start()
	r.wantBridge("acme", state.Lowered, "")
	if diff := cmp.Diff([]string{"started ", "released acme"}, r.kinds(since)); diff != "" {
		t.Error(diff)
	}
}

// exceed lets the learning rate be exceeded for so many seconds.
func (r *rig) exceed(seconds int) {
	for range seconds {
		r.gw.handle(event.GuardDropped{Slot: acmeSlot, Reason: "mac-rate", Source: l2.MAC{2, 1}, At: r.clock.t})
		r.pass(time.Second)
	}
}

func TestAMACStormIsHeldInTheKernel(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	began := r.clock.t
	r.plane.refuseMAC = errors.New("map full")
	r.exceed(5)
	if len(r.plane.storms) > 0 {
		t.Fatal("the kernel took what it refuses")
	}
	r.plane.refuseMAC = nil
	r.pass(time.Second)
	got := r.plane.storms["acme"]
	if !got[0].Equal(began) || !got[1].Equal(began.Add(14*time.Second)) {
		t.Errorf("mac-storm %v, want sources learnt by %s, and 10 s from the fifth second", got, began)
	}
	r.wantBridge("acme", state.Lowered, "")
	r.pass(10 * time.Second)
	want := []string{"started ", "trip acme", "hint ", "hint ", "released acme"}
	if diff := cmp.Diff(want, r.kinds(0)); diff != "" {
		t.Error(diff)
	}
}

func TestProbesFollowTheBridge(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	count := func(d time.Duration) int {
		before := r.plane.probes["acme"]
		r.pass(d)
		return r.plane.probes["acme"] - before
	}
	check := func(when string, d time.Duration, least, most int) {
		t.Helper()
		if n := count(d); n < least || n > most {
			t.Errorf("%s: %d probes in %s, want %d to %d", when, n, d, least, most)
		}
	}
	check("at start", 3*time.Second, 55, 62)
	check("then", 10*time.Second, 9, 11)
	word := func(f func(context.Context, string) error) {
		t.Helper()
		if err := r.onLoop(func() error { return f(t.Context(), "acme") }); err != nil {
			t.Fatal(err)
		}
	}
	word(func(ctx context.Context, ext string) error { return r.gw.Raise(ctx, ext, "") })
	check("raised", 5*time.Second, 0, 0)
	word(r.gw.Lower)
	check("lowered", 3*time.Second, 55, 62)
	r.host.change("eth2", func(l *Link) { l.Carrier = false })
	r.gw.handle(event.LinksChanged{})
	check("down", 5*time.Second, 0, 0)
	r.host.change("eth2", func(l *Link) { l.Carrier = true })
	r.gw.handle(event.LinksChanged{})
	check("up", 3*time.Second, 55, 62)
	r.pass(10 * time.Second)
	r.loop(2 * time.Second)
	r.pass(2200 * time.Millisecond)
	check("released", 2*time.Second, 38, 42)
	r.pass(10*time.Second + 500*time.Millisecond)
	before := r.plane.probes["acme"]
	r.gw.handle(event.LoopSign{Slot: acmeSlot, Evidence: event.ByCrossing, At: r.clock.t})
	if got := r.plane.probes["acme"] - before; got != 1 {
		t.Errorf("%d probes on a suspicion, want one at once", got)
	}
	e := guarded()
	e.Guard.Mode = config.Off
	if err := r.reload(gatewayConfig(e)); err != nil {
		t.Fatal(err)
	}
	check("mode off", 5*time.Second, 0, 0)
	if r.plane.nonces[0] || len(r.plane.nonces) != r.plane.probes["acme"] {
		t.Errorf("%d nonces of %d probes", len(r.plane.nonces), r.plane.probes["acme"])
	}
}

func TestProbesThatFailAreToldOnce(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	since := r.lastSeq()
	r.plane.refuseProbe = errors.New("device busy")
	r.pass(5 * time.Second)
	r.plane.refuseProbe = nil
	r.pass(5 * time.Second)
	if diff := cmp.Diff([]string{"hint ", "hint "}, r.kinds(since)); diff != "" {
		t.Error("want one record of the fault and one of its end:\n" + diff)
	}
}

func TestARemovedExtensionLeavesNoOpenTrip(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded(), ext("beta1", "eth2", "10", 10200, "192.0.2.20")))
	r.start()
	r.loop(time.Hour)
	r.pass(time.Second)
	since := r.lastSeq()
	if err := r.reload(gatewayConfig(ext("beta1", "eth2", "10", 10200, "192.0.2.20"))); err != nil {
		t.Fatal(err)
	}
	if got := r.records(since, event.Released); len(got) != 1 || got[0].Detail["by"] != "removed" {
		t.Errorf("released %+v", got)
	}
	r.loop(time.Hour) // late, and of nobody
	r.pass(5 * time.Second)
	if err := r.reload(gatewayConfig(guarded())); err != nil {
		t.Fatal(err)
	}
	if n := len(r.gw.trips.machines); n != 1 {
		t.Errorf("%d machines of one extension", n)
	}
}

func TestFrozenMACsAreToldAndBounded(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	since := r.lastSeq()
	for n := range 100 {
		r.gw.handle(event.MACFrozen{
			Slot: acmeSlot, MAC: l2.MAC{2, 0, 0, 0, 0, byte(n)}, Home: event.Place{Side: l2.Cloud}, From: event.Place{Side: l2.Customer},
			Until: r.clock.t.Add(30 * time.Second),
		})
	}
	r.gw.handle(event.MACFrozen{Slot: 99})
	r.tick()
	got := r.records(since, event.MACFreeze)
	if len(got) != movesLogged+1 || got[movesLogged].Detail["more"] != uint64(100-movesLogged) {
		t.Fatalf("%d records of 100 frozen MACs", len(got))
	}
	if want := "02:00:00:00:00:00 moved too often: it stays at cloud until 08:00:30, and frames from customer with this source are dropped"; got[0].Message != want {
		t.Errorf("message %q, want %q", got[0].Message, want)
	}
}

func TestTheCulpritIsNamedWithinASecond(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	since := r.lastSeq()
	for range 40 {
		r.gw.handle(event.GuardDropped{Slot: acmeSlot, Reason: "storm-broadcast", Source: l2.MAC{2, 0, 0, 0, 0, 9}, Destination: l2.Broadcast, At: r.clock.t})
		r.pass(20 * time.Millisecond)
	}
	got := r.records(since, event.Hint)
	if len(got) != 1 || !strings.Contains(got[0].Message, "02:00:00:00:00:09") || got[0].Extension != "acme" {
		t.Errorf("hints %+v, want one that names the culprit", got)
	}
	if s := r.sources("acme"); len(s) != 1 || s[0].MAC != (l2.MAC{2, 0, 0, 0, 0, 9}) || s[0].Direction != l2.ToCloud || s[0].Share != 1 {
		t.Errorf("sources %+v, want the culprit", s)
	}
	r.pass(11 * time.Second)
	if s := r.sources("acme"); len(s) != 0 {
		t.Errorf("sources %+v after ten quiet seconds", s)
	}
}

func TestSourcesOfNobody(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.start()
	for ext, want := range map[string]error{"nobody": ErrUnknownExtension, "acme": nil} {
		err := r.onLoop(func() error {
			found, err := r.gw.Sources(t.Context(), ext)
			if len(found) != 0 {
				t.Errorf("%s: sources %+v", ext, found)
			}
			return err
		})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", ext, err)
		}
	}
}

// sources asks the machine of an extension: nothing runs beside the test.
func (r *rig) sources(ext l2.Name) []state.Source { return r.gw.trips.machines[ext].Sources() }

// Everything trips at the same moment: the loop must go on, and readers too.
func TestThousandsTripAtOnce(t *testing.T) {
	var exts []config.Extension
	for i := range 4000 {
		e := guarded()
		e.Name, e.Attachment.VLAN, e.Overlay.VNI = l2.Name(fmt.Sprintf("e%04d", i)), l2.DoubleTag(l2.VID(1+i/1000), l2.VID(1+i%1000)), l2.VNI(1+i)
		exts = append(exts, e)
	}
	r := newRig(t, gatewayConfig(exts...))
	r.plane.named = func(slot uint32) (l2.Name, bool) { return exts[slot].Name, true }
	r.start()
	began := time.Now()
	for i := range exts {
		until := r.clock.t.Add(2 * time.Second)
		r.plane.hold(exts[i].Name, func(h *state.Hold) { h.HalfRaisedUntil = until })
		r.gw.handle(event.LoopSign{Slot: uint32(i), Evidence: event.ByCrossing, Tripped: true, Until: until, At: r.clock.t})
	}
	r.pass(10 * time.Millisecond)
	r.wantBridge("e0000", state.HalfRaised, "loop: the same frames came in from both sides")
	r.pass(3 * time.Second)
	r.wantBridge("e3999", state.Lowered, "")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("4,000 trips took %s", took)
	}
}

// The loop wakes by itself, between events and with a real clock.
func TestTheLoopKeepsItsOwnTime(t *testing.T) {
	r := newRig(t, gatewayConfig(guarded()))
	r.realTime = true
	r.start()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.gw.Run(ctx) }()
	until := time.Now().Add(500 * time.Millisecond)
	r.plane.hold("acme", func(h *state.Hold) { h.HalfRaisedUntil = until })
	r.gw.Events() <- event.LoopSign{Slot: acmeSlot, Evidence: event.ByProbe, Tripped: true, Until: until, Side: l2.Customer, At: time.Now()}
	records, stop := r.gw.Log().Subscribe()
	defer stop()
	deadline := time.After(10 * time.Second)
	for released := false; !released; {
		select {
		case rec := <-records:
			released = rec.Kind == event.Released
		case <-deadline:
			t.Fatal("no release in ten seconds")
		}
	}
	if now := time.Now(); now.Before(until) {
		t.Errorf("released %s too early", until.Sub(now))
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := r.plane.probes["acme"]; n < 5 {
		t.Errorf("%d probes in half a second", n)
	}
}
