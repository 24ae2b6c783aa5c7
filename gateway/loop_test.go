// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
)

func TestStartSetsEverythingUpInOrder(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	want := []string{"prepare eth2 as customer", "prepare eth1 as underlay", "make tunnel 4789", "apply"}
	if diff := cmp.Diff(want, r.steps.journal); diff != "" {
		t.Error("steps differ (-want +got):\n" + diff)
	}
	if got := r.plane.now.Underlay.TunnelIfindex; got != 101 {
		t.Errorf("the kernel has the tunnel device %d, want 101", got)
	}
	r.wantBridge("acme", state.Lowered, "")
	if got := r.kinds(0); !slices.Equal(got, []string{"started "}) {
		t.Errorf("records %q, want started alone", got)
	}
	if !slices.Equal(r.host.peers, addrs("192.0.2.20")) {
		t.Errorf("next hops are kept of %v", r.host.peers)
	}
}

func TestNothingIsDoneWhenNothingChanges(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	before := len(r.steps.journal)
	for range 30 {
		r.tick()
	}
	r.host.add(veth("eth9", 9)) // somebody else's
	r.gw.handle(event.LinksChanged{})
	if got := r.steps.journal[before:]; len(got) > 0 {
		t.Errorf("idle ticks did %q", got)
	}
}

func TestNICsComeAndGo(t *testing.T) {
	r := newRig(t, gatewayConfig(acme(), ext("beta1", "eth3", "10", 10200, "192.0.2.20")))
	r.start()
	r.wantBridge("beta1", state.Down, "interface eth3 does not exist")
	r.wantBridge("acme", state.Lowered, "")

	r.host.add(veth("eth3", 8))
	r.gw.handle(event.LinksChanged{})
	r.wantBridge("beta1", state.Lowered, "")
	if r.plane.now.NICs[1].Ifindex != 8 {
		t.Errorf("the kernel has %v", r.plane.now.NICs)
	}

	since := r.lastSeq()
	r.clock.t = r.clock.t.Add(time.Minute)
	r.host.remove("eth2")
	r.tick() // no notification came: the tick finds it
	r.wantBridge("acme", state.Down, "interface eth2 does not exist")
	if got := r.bridge("acme").Since; !got.Equal(r.clock.t) {
		t.Errorf("down since %s, want %s", got, r.clock.t)
	}
	r.wantBridge("beta1", state.Lowered, "")
	r.host.add(veth("eth2", 12))
	r.gw.handle(event.LinksChanged{})
	r.wantBridge("acme", state.Lowered, "")
	if got := r.plane.now.NICs[0].Ifindex; got != 12 {
		t.Errorf("the kernel has eth2 as %d, want its new index 12", got)
	}
	if diff := cmp.Diff([]string{"link acme", "link acme"}, r.kinds(since)); diff != "" {
		t.Error(diff)
	}
}

func TestANICThatIsSetDownStaysDown(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.host.change("eth2", func(l *Link) { l.AdminUp, l.Carrier = false, false })
	r.start() // sets it up, since it was never ours before
	r.wantBridge("acme", state.Lowered, "")
	want := []string{"prepare eth2 as customer", "prepare eth1 as underlay", "make tunnel 4789", "apply", "set up eth2", "apply"}
	if diff := cmp.Diff(want, r.steps.journal); diff != "" {
		t.Error("it must be guarded before it is up (-want +got):\n" + diff)
	}
	if got := r.kinds(0); !slices.Equal(got, []string{"started "}) {
		t.Errorf("records %q, want started alone", got)
	}

	r.host.change("eth2", func(l *Link) { l.AdminUp = false })
	r.host.fit = map[string]bool{} // its settings too
	r.gw.handle(event.LinksChanged{})
	r.tick()
	r.wantBridge("acme", state.Down, "interface eth2 is down")
	r.boot()
	if err := r.gw.Start(r.src.cfg, nil); err != nil {
		t.Fatal(err)
	}
	r.wantBridge("acme", state.Down, "interface eth2 is down")

	r.host.change("eth2", func(l *Link) { l.AdminUp = true })
	r.gw.handle(event.LinksChanged{})
	r.wantBridge("acme", state.Lowered, "")
	if !r.host.fit["eth2#3"] {
		t.Error("eth2 came up without its settings")
	}
}

func TestUnderlayComesAndGoes(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.host.change("eth1", func(l *Link) { l.Addrs = nil })
	r.gw.handle(event.LinksChanged{})
	if got := r.bridge("acme"); got.Bridge != state.Down || !strings.Contains(got.Reason, "no global address") {
		t.Errorf("acme is %s (%s)", got.Bridge, got.Reason)
	}
	r.host.change("eth1", func(l *Link) { l.Addrs = prefixes("192.0.2.11/24") })
	r.gw.handle(event.LinksChanged{})
	r.wantBridge("acme", state.Lowered, "")
	if got := r.plane.now.Underlay.VTEP; got != netip.MustParseAddr("192.0.2.11") {
		t.Errorf("VTEP %s, want the new address", got)
	}
}

func TestAnAddressOnOurNICKeepsItGuarded(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.host.change("eth2", func(l *Link) { l.Addrs = prefixes("10.0.0.1/24") })
	r.host.refuse["eth2"] = "eth2 has an address"
	for range 3 {
		r.gw.handle(event.LinksChanged{})
		r.tick()
	}
	if got := r.bridge("acme"); got.Bridge != state.Down || !strings.Contains(got.Reason, "10.0.0.1/24") {
		t.Errorf("acme is %s (%s)", got.Bridge, got.Reason)
	}
	if len(r.plane.now.NICs) != 1 {
		t.Error("the customer's frames reach the host")
	}
	r.boot() // a restart changes nothing of it
	if err := r.gw.Start(r.src.cfg, nil); err != nil {
		t.Fatal(err)
	}
	if len(r.plane.now.NICs) != 1 {
		t.Error("after a restart the customer's frames reach the host")
	}
}

func TestAnUnfitNICIsTriedAgain(t *testing.T) {
	r := newRig(t, gatewayConfig(acme(), ext("beta1", "eth3", "10", 10200, "192.0.2.20")))
	r.host.add(veth("eth3", 4))
	r.host.refuse["eth3"] = "driver says no"
	r.start()
	r.wantBridge("beta1", state.Down, "read the settings of eth3: driver says no")
	r.wantBridge("acme", state.Lowered, "")
	delete(r.host.refuse, "eth3")
	for range 3 {
		r.tick()
	}
	r.wantBridge("beta1", state.Lowered, "")
}

func TestOperatorRaisesAndLowers(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	since := r.lastSeq()
	ctx := t.Context()
	raise := func() error { return r.gw.Raise(ctx, "acme", "ticket 12") }
	if err := errors.Join(r.onLoop(raise), r.onLoop(raise)); err != nil {
		t.Fatal(err)
	}
	r.wantBridge("acme", state.RaisedUp, "raised by the operator: ticket 12")
	if !r.plane.now.Extensions[0].Raised {
		t.Error("the kernel was not told")
	}

	raisedAt := r.clock.t
	r.clock.t = r.clock.t.Add(time.Hour)
	r.start() // the latch holds over a restart
	r.wantBridge("acme", state.RaisedUp, "raised by the operator: ticket 12")
	if got := r.bridge("acme").Since; !got.Equal(raisedAt) {
		t.Errorf("raised since %s, want %s", got, raisedAt)
	}

	if err := r.onLoop(func() error { return r.gw.Lower(ctx, "acme") }); err != nil {
		t.Fatal(err)
	}
	r.wantBridge("acme", state.Lowered, "")
	r.start()
	r.wantBridge("acme", state.Lowered, "")
	want := []string{"raised acme", "started ", "lowered acme", "started "}
	if diff := cmp.Diff(want, r.kinds(since)); diff != "" {
		t.Error(diff)
	}

	err := r.onLoop(func() error { return r.gw.Raise(ctx, "nobody", "") })
	if !errors.Is(err, ErrUnknownExtension) {
		t.Errorf("raise of an unknown extension: %v", err)
	}
}

func TestARaiseThatFailsChangesNothing(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.steps.failAt = r.steps.count + 1
	err := r.onLoop(func() error { return r.gw.Raise(t.Context(), "acme", "") })
	if !errors.Is(err, errInjected) {
		t.Fatalf("error %v, want the injected one", err)
	}
	r.wantBridge("acme", state.Lowered, "")
	r.tick()
	if r.plane.now.Extensions[0].Raised {
		t.Error("the kernel holds a raise that was refused")
	}
}

func TestAnApplyThatFailsIsTriedAgain(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	since := r.lastSeq()
	r.host.change("eth1", func(l *Link) { l.MTU = 1400 })
	r.steps.failAt = r.steps.count + 1
	r.gw.handle(event.LinksChanged{})
	if r.plane.now.Underlay.MTU != 1500 {
		t.Fatal("a failed apply changed the kernel")
	}
	for range 3 {
		r.tick()
	}
	if r.plane.now.Underlay.MTU != 1400 {
		t.Error("a failed apply was not tried again")
	}
	if diff := cmp.Diff([]string{"link ", "link "}, r.kinds(since)); diff != "" {
		t.Error("want one record of the fault and one of its end:\n" + diff)
	}
}

func TestWhatOthersRemoveComesBack(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	since := r.lastSeq()
	r.plane.missing = []string{"tcx link on eth2"}
	r.host.fit = map[string]bool{}
	r.host.remove("db4789")
	r.host.tunnels = map[uint16]int{}
	r.tick()
	r.tick()
	var got []string
	for _, rec := range r.gw.Log().Since(since) {
		if rec.Kind == event.Tamper {
			got = append(got, rec.Detail["object"].(string))
		}
	}
	slices.Sort(got)
	want := []string{"settings of interface eth2 (found: eth2 promisc 0)", "tcx link on eth2", "the tunnel device"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if idx := r.plane.now.Underlay.TunnelIfindex; idx != 102 {
		t.Errorf("the kernel has the tunnel device %d, want the new one, 102", idx)
	}
	if got := r.gw.recorder.changes.NICs["eth2"].Settings; len(got) != 1 {
		t.Errorf("settings noted for uninstall: %v, want the first ones alone", got)
	}
}

func TestMovesAreBounded(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	since := r.lastSeq()
	move := event.MACMoved{Slot: 7, MAC: l2.MAC{2}, From: event.Place{Side: l2.Customer}, To: event.Place{Side: l2.Cloud, VTEP: netip.MustParseAddr("192.0.2.20")}}
	for range 1000 {
		r.gw.handle(move)
	}
	r.gw.handle(event.MACMoved{Slot: 99})
	r.gw.handle(event.Overflow{Lost: 3})
	r.gw.handle(event.Overflow{Lost: 4})
	r.tick()
	records := r.gw.Log().Since(since)
	if len(records) != movesLogged+2 {
		t.Fatalf("%d records of 1000 moves and an overflow, want %d", len(records), movesLogged+2)
	}
	if got := records[0].Message; got != "02:00:00:00:00:00 moved from customer to cloud 192.0.2.20" {
		t.Errorf("message %q", got)
	}
	if got := records[movesLogged].Detail["more"]; got != uint64(1000-movesLogged) {
		t.Errorf("%v more moves, want %d", got, 1000-movesLogged)
	}
	if got := records[movesLogged+1]; got.Kind != event.OverflowLog || got.Detail["lost"] != uint64(7) {
		t.Errorf("overflow record %+v", got)
	}
}

func TestNextHopsAreTold(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	peer := netip.MustParseAddr("192.0.2.20")
	r.host.hops = []NextHop{{Peer: peer}, {Peer: peer, Routed: true}}
	r.start()
	since := r.lastSeq()
	for range 7 {
		r.tick()
	}
	if got := r.kinds(since); len(got) > 0 {
		t.Errorf("told within the grace: %q", got)
	}
	for range 5 {
		r.tick()
	}
	r.host.hops[0] = NextHop{Peer: peer, Routed: true, Resolved: true}
	r.gw.handle(event.LinksChanged{})
	r.tick()
	var got []string
	for _, rec := range r.gw.Log().Since(since) {
		got = append(got, rec.Message)
	}
	want := []string{"VTEP 192.0.2.20 cannot be reached: its next hop does not answer", "VTEP 192.0.2.20 can be reached again"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestThousandsOfCircuitsOnOneCable(t *testing.T) {
	var exts []config.Extension
	for i := range 4000 {
		tag := l2.DoubleTag(l2.VID(1+i/1000), l2.VID(1+i%1000)).String()
		exts = append(exts, ext("e"+strings.ReplaceAll(tag, ".", "-"), "eth2", tag, uint32(1+i), "192.0.2.20"))
	}
	r := newRig(t, gatewayConfig(exts...))
	r.start()
	since := r.lastSeq()
	r.host.change("eth2", func(l *Link) { l.Carrier = false })
	began := time.Now()
	r.gw.handle(event.LinksChanged{})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("taking 4,000 extensions down took %s", took)
	}
	records := r.gw.Log().Since(since)
	if len(records) != bridgeLogged+1 || records[bridgeLogged].Detail["more"] != 4000-bridgeLogged {
		t.Errorf("%d records, want %d and one that counts the rest", len(records), bridgeLogged)
	}
}

func TestStatusJoinsStateAndCounters(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.plane.reading = state.Reading{
		KernelMemory: 4096,
		Interfaces:   map[string]state.InterfaceReading{"eth2": {Rx: state.Count{Frames: 5}, Drops: map[string]uint64{"no-circuit": 1}}},
		Extensions:   map[l2.Name]state.ExtensionReading{"acme": {ToCloud: state.Counters{Rx: state.Count{Frames: 4}}, Customer: 2, Cloud: 3}},
	}
	r.start()
	r.clock.t = r.clock.t.Add(12 * time.Second)
	st, err := r.gw.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Gateway.Uptime != 12*time.Second || st.Gateway.KernelMemory != 4096 || st.Gateway.VTEP.String() != "192.0.2.10" {
		t.Errorf("gateway %+v", st.Gateway)
	}
	if len(st.Interfaces) != 2 || st.Interfaces[0].Rx.Frames != 5 || st.Interfaces[1].Role != "underlay" {
		t.Errorf("interfaces %+v", st.Interfaces)
	}
	if e := st.Extensions[0]; e.ToCloud.Rx.Frames != 4 || e.MACs != (state.MACCounts{Customer: 2, Cloud: 3, Limit: 1024}) {
		t.Errorf("extension %+v", e)
	}
	if err := r.gw.EachMAC(t.Context(), "nobody", nil); !errors.Is(err, ErrUnknownExtension) {
		t.Errorf("MACs of an unknown extension: %v", err)
	}
}

func TestRequestsEndWithTheLoopOrTheContext(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range requestQueue + 1 { // nobody reads: the queue fills up
		if err := r.gw.Raise(ctx, "acme", ""); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want the context's", err)
		}
	}
	if err := r.gw.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.gw.Raise(t.Context(), "acme", ""); !errors.Is(err, ErrStopped) {
		t.Errorf("error %v, want ErrStopped", err)
	}
}
