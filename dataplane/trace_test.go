// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestTrace(t *testing.T) {
	suite(t, []part{
		{"says what happens", traceAgrees}, {"changes nothing", traceLeavesNoTrace}, {"one after another", traceSequence},
		{"floods", traceFloods}, {"explains", traceExplains}, {"observe and off", traceModes}, {"others' frames", traceElsewhere},
		{"refuses", traceRefuses}, {"segment size and too big", traceSizes}, {"with the clock running", traceRunningClock},
	})
}

// traceOne traces one frame.
func (r *rig) traceOne(dir l2.Direction, f state.TraceFrame) state.TraceResult {
	r.t.Helper()
	return r.traceAll(state.TraceRequest{Direction: dir, Frames: []state.TraceFrame{f}})[0]
}

func (r *rig) traceAll(request state.TraceRequest) []state.TraceResult {
	r.t.Helper()
	results, err := r.plane.Trace(context.Background(), "acme", request)
	r.must(err)
	if len(results) != len(request.Frames) {
		r.t.Fatalf("%d results of %d frames", len(results), len(request.Frames))
	}
	return results
}

func given(b []byte) state.TraceFrame { return state.TraceFrame{Bytes: b} }

func made(m state.MadeFrame) state.TraceFrame {
	if m.Src.IsZero() {
		m.Src = macHost
	}
	if m.Dst.IsZero() {
		m.Dst = l2.Broadcast
	}
	return state.TraceFrame{Made: &m}
}

// traceAgrees holds the trace against the live programs: the same frame, first traced, then sent.
func traceAgrees(t *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) {
		g.Storm[state.StormBroadcast].Rate = state.Rate{PerSecond: 4, Burst: 4}
		g.Storm[state.StormARPND].Rate = state.Rate{PerSecond: 6, Burst: 6}
		g.Refused.FromCustomer = state.Services{DHCP: true, Router: true, FHRP: true, Querier: true}
		g.Refused.FromCloud.FHRP = true
		g.Protected = []netip.Addr{netip.MustParseAddr("10.1.0.1")}
		g.Tunnelled = []string{"lldp"}
		x.MACLimit = 6
		x.Inner.Allowed = []l2.VID{10}
		x.Static = []state.StaticMAC{{MAC: station(99), Side: l2.Cloud, VTEP: peerA}}
	})
	protected := netip.MustParseAddr("10.1.0.1")
	var steps []state.MadeFrame
	for i := range 9 { // the quota, then what is left
		steps = append(steps, state.MadeFrame{Src: station(i), Dst: l2.Broadcast, Kind: "0x88b6"})
	}
	for _, kind := range []string{"arp", "rarp", "ipv4", "ipv6", "nd", "ra", "stp", "lldp", "cfm", "0x88b6"} {
		steps = append(steps, state.MadeFrame{Src: macHost, Dst: l2.Broadcast, Kind: kind}, state.MadeFrame{Src: macHost, Dst: macVM, Kind: kind})
	}
	for _, proto := range []string{"udp", "tcp", "icmp", "igmp", "vrrp", "47"} {
		steps = append(steps, state.MadeFrame{Src: macVM, Dst: macHost, Kind: "ipv4", Proto: proto}, state.MadeFrame{Src: macVM, Dst: l2.Broadcast, Kind: "ipv4", Proto: proto})
	}
	steps = append(steps,
		state.MadeFrame{Src: macHost, Dst: l2.Broadcast, Proto: "udp", SrcPort: 68, DstPort: 67},
		state.MadeFrame{Src: macHost, Dst: l2.Broadcast, Proto: "udp", SrcPort: 67, DstPort: 68},
		state.MadeFrame{Src: macHost, Dst: macVM, SrcIP: protected}, state.MadeFrame{Src: macHost, Dst: l2.Broadcast, Kind: "arp", SrcIP: protected},
		state.MadeFrame{Src: station(99), Dst: macVM}, state.MadeFrame{Src: l2.MAC{}, Dst: macVM}, state.MadeFrame{Src: l2.MAC{1}, Dst: macVM},
		state.MadeFrame{Src: macHost, Dst: macVM, InnerVLAN: 10}, state.MadeFrame{Src: macHost, Dst: macVM, InnerVLAN: 11},
		state.MadeFrame{Src: macHost, Dst: macVM, Size: 1600}, state.MadeFrame{Src: macHost, Dst: station(1)})
	r.agree(steps)
}

// agree traces frames both ways, each after the other, and then sends them at the same times.
func (r *rig) agree(steps []state.MadeFrame) {
	r.t.Helper()
	s, err := r.plane.scene("acme")
	r.must(err)
	w, err := r.plane.newWorld(context.Background(), s, l2.ToCloud, l2.ToCustomer)
	r.must(err)
	defer func() { r.must(w.close()) }()
	const pause = 7 * time.Millisecond
	var said []state.TraceResult
	for i, m := range steps {
		for _, dir := range []l2.Direction{l2.ToCloud, l2.ToCustomer} {
			one, err := w.trace(&state.TraceRequest{Direction: dir}, &state.TraceFrame{Made: &m, After: time.Duration(2*i+int(dir)+1) * pause})
			r.must(err)
			r.checkStages(fmt.Sprintf("%s %+v", dir, m), one)
			said = append(said, one)
		}
	}
	for i, m := range steps {
		for _, dir := range []l2.Direction{l2.ToCloud, l2.ToCustomer} {
			r.wait(pause)
			r.compareWith(said[2*i+int(dir)], dir, m)
		}
	}
}

// compareWith sends a frame that was traced.
func (r *rig) compareWith(got state.TraceResult, dir l2.Direction, m state.MadeFrame) {
	r.t.Helper()
	b, err := makeFrame(&m)
	r.must(err)
	nic, in := "eth2", r.onCircuit(b)
	if dir == l2.ToCustomer {
		nic, in = "eth1", r.tunnelled(peerA, b)
	}
	want := strings.Replace(r.fate(nic, in).what, "handed over", "sent", 1)
	said := got.Reason
	if got.Outcome == state.TraceForwarded {
		said = "sent"
	}
	if said != want {
		r.t.Errorf("%s %+v: traced as %s, sent it is %s\n%s", dir, m, said, want, stagesText(got))
	}
}

// checkStages: what is before the end passed, what is behind it was not reached.
func (r *rig) checkStages(name string, got state.TraceResult) {
	r.t.Helper()
	ended := false
	for i, s := range got.Stages {
		switch {
		case s.Number != i:
			r.t.Errorf("%s: stage %d is number %d", name, i, s.Number)
		case ended != (s.Verdict == state.StageNotReached):
			r.t.Errorf("%s: stage %s is %s", name, s.Name, s.Verdict)
		case s.Verdict == state.StageDrop:
			ended = true
			if s.Reason != got.Reason {
				r.t.Errorf("%s: stage %s says %s, the result %s", name, s.Name, s.Reason, got.Reason)
			}
		}
		if s.Verdict != state.StageNotReached && s.Detail == "" {
			r.t.Errorf("%s: stage %s explains nothing", name, s.Name)
		}
	}
	if len(got.Stages) != 16 || ended != (got.Outcome == state.TraceDropped) || got.Conclusion == "" {
		r.t.Errorf("%s: %d stages, %s: %s\n%s", name, len(got.Stages), got.Outcome, got.Conclusion, stagesText(got))
	}
}

func stagesText(r state.TraceResult) string {
	var b strings.Builder
	for _, s := range r.Stages {
		fmt.Fprintf(&b, "%2d %-14s %-12s %s %s\n", s.Number, s.Name, s.Verdict, s.Reason, s.Detail)
	}
	return b.String() + r.Conclusion
}

// contents is all that the live maps hold of what a frame could change.
func (r *rig) contents() map[string]any {
	r.t.Helper()
	all := map[string]any{}
	for dir := range uint32(2) {
		var c []abi.TcTally
		r.must(r.plane.mapNamed("counters").Lookup(dir, &c))
		all[fmt.Sprint("counters ", dir)] = c
		h, err := sumHits(r.plane.mapNamed("hits"), dir)
		r.must(err)
		all[fmt.Sprint("hits ", dir)] = h
	}
	for i := range uint32(4) {
		var c []abi.TcNicTally
		r.must(r.plane.mapNamed("nic_counters").Lookup(i, &c))
		all[fmt.Sprint("NIC ", i)] = c
	}
	var s abi.TcExtensionState
	var b abi.TcSpending
	var l abi.TcSuspicion
	r.must(errors.Join(r.plane.mapNamed("states").Lookup(uint32(0), &s), r.plane.mapNamed("budgets").Lookup(uint32(0), &b), r.plane.mapNamed("suspicions").Lookup(uint32(0), &l)))
	all["state"], all["budgets"], all["suspicions"] = s, b, l
	r.must(eachEntry(r.plane.mapNamed("fdb"), func(k abi.TcFdbKey, e abi.TcFdbEntry) { all[fmt.Sprint("MAC ", k.Mac)] = e }))
	for i := range uint32(3) {
		var v abi.TcVtep
		r.must(r.plane.mapNamed("vteps").Lookup(i, &v))
		all[fmt.Sprint("VTEP ", i)] = v
	}
	recorded, err := r.plane.Recorded("acme")
	r.must(err)
	all["recorded"] = len(recorded)
	all["lost signals"] = r.plane.lostSignals()
	return all
}

func traceLeavesNoTrace(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, d *state.Desired) { x.Peers = []netip.Addr{peerA, peerB} })
	r.guarded(nil)
	r.expect("a known station", "eth1", r.tunnelled(peerB, numbered(l2.Broadcast, macVM, 1)), "sent")
	before, far := r.contents(), r.packetSocket("eth1p")
	for _, dir := range []l2.Direction{l2.ToCloud, l2.ToCustomer} {
		for _, m := range []state.MadeFrame{{Kind: "arp"}, {Dst: macVM, Proto: "tcp"}, {Kind: "lldp"}, {Src: macVM}, {Dst: station(5), Size: 1600}, {Src: l2.MAC{1}}} {
			r.traceOne(dir, made(m))
		}
	}
	if diff := cmp.Diff(before, r.contents(), cmp.AllowUnexported(abi.TcTally{}, abi.TcNicTally{}, abi.TcExtensionState{}, abi.TcSpending{}, abi.TcBudget{}, abi.TcSuspicion{}, abi.TcFdbEntry{}, abi.TcVtep{}, abi.TcAddress{}), equalByValue); diff != "" {
		t.Errorf("the live maps have changed:\n%s", diff)
	}
	marker := numbered(macPeerA, macPeerB, 0)
	r.packetSocket("eth1").send(marker)
	if first := far.receive(); !bytes.Equal(first, marker) {
		t.Errorf("a traced frame was sent: % x", first)
	}
}

// equalByValue compares structures of the programs as Go does.
var equalByValue = cmp.FilterValues(func(a, b any) bool { return true }, cmp.Comparer(func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }))

// traceSequence: what a frame teaches and spends counts for the next, by the times of the request.
func traceSequence(t *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) {
		g.Storm[state.StormBroadcast].Rate = state.Rate{PerSecond: 4, Burst: 4} // two for whoever comes first
	})
	request := state.TraceRequest{}
	for _, ms := range []int{0, 1, 2, 1002, 1003, 1004} {
		f := made(state.MadeFrame{Kind: "0x88b6"})
		f.After = time.Duration(ms) * time.Millisecond
		request.Frames = append(request.Frames, f)
	}
	for range 2 { // and it is forgotten afterwards
		var outcomes []string
		for _, one := range r.traceAll(request) {
			outcomes = append(outcomes, one.Outcome)
		}
		want := []string{"forwarded", "forwarded", "dropped", "forwarded", "forwarded", "dropped"}
		if !slices.Equal(outcomes, want) {
			t.Errorf("%v, want %v", outcomes, want)
		}
	}
	learnt := r.traceAll(state.TraceRequest{Frames: []state.TraceFrame{made(state.MadeFrame{}), made(state.MadeFrame{})}})
	if learnt[0].Learns != macHost.String()+" on the customer's side" || learnt[1].Learns != "" {
		t.Errorf("learnt %q, then %q", learnt[0].Learns, learnt[1].Learns)
	}
}

func traceFloods(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, d *state.Desired) { x.Peers = []netip.Addr{peerA, peerB} })
	for vm, from := range map[l2.MAC]netip.Addr{macVM: peerA, station(3): peerB} { // so that the hops are looked up
		r.expect("a VM", "eth1", r.tunnelled(from, numbered(macHost, vm, 1)), "sent")
		r.expect("to the VM", "eth2", r.onCircuit(numbered(vm, macHost, 1)), "sent")
	}
	got := r.traceOne(l2.ToCloud, made(state.MadeFrame{}))
	want := []state.TraceLeaving{
		{Interface: "eth1", VTEP: peerA, NextHop: macPeerA, VNI: 10100}, {Interface: "eth1", VTEP: peerB, NextHop: macPeerB, VNI: 10100},
	}
	if diff := cmp.Diff(want, got.Leaves, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(got.Conclusion, "in 2 copies, to the VTEPs 192.0.2.20, 192.0.2.21") {
		t.Error(got.Conclusion)
	}
	back := r.traceOne(l2.ToCustomer, made(state.MadeFrame{Src: station(7)}))
	if len(back.Leaves) != 1 || back.Leaves[0] != (state.TraceLeaving{Interface: "eth2", VLAN: "2301"}) {
		t.Errorf("%+v", back.Leaves)
	}
}

// traceExplains: details and lines of YAML.
func traceExplains(t *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) {
		g.Storm[state.StormBroadcast].Rate = state.Rate{PerSecond: 1, Burst: 1}
		g.Storm[state.StormMulticast].Rate = state.Rate{PerSecond: 1, Burst: 1}
		g.Refused.FromCustomer.DHCP = true
		g.Protected = []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.2")}
		x.Inner.Allowed = []l2.VID{20}
	})
	for _, c := range []struct {
		m                  state.MadeFrame
		reason, yaml, part string
		to                 l2.Direction
	}{
		{state.MadeFrame{InnerVLAN: 10}, "inner-vlan", "guard: {inner-vlan: [20, 10]}", "VLAN 10 inside; allowed: 20", 0},
		{state.MadeFrame{Kind: "lldp"}, "control-frame", "guard: {control-frames: {lldp: tunnel}}", "lldp, which belongs to one link", 0},
		{state.MadeFrame{SrcIP: netip.MustParseAddr("10.1.0.1"), Proto: "udp"}, "address-protected", "guard: {protect: [10.1.0.2]}", "", 0},
		{state.MadeFrame{Proto: "udp", SrcPort: 67, DstPort: 68}, "service-dhcp", "guard: {services: {dhcp: both}}", "dhcp server on the customer's side", 0},
		{state.MadeFrame{Kind: "0x88b6"}, "storm-broadcast", "guard: {storm: {broadcast: 2pps}}", "class broadcast: 1 frames a second; 0 are left", 0},
		{state.MadeFrame{Dst: l2.MAC{1, 0, 0x5e, 1, 1, 1}, Proto: "udp"}, "storm-multicast", `guard: {flood: {allow: ["01:00:5e:01:01:01"]}}`, "class multicast", l2.ToCustomer},
		{state.MadeFrame{Src: l2.MAC{1}}, "bad-source", "", "is a group's", 0},
		{state.MadeFrame{Src: station(1), Dst: station(1)}, "same-side", "", "is known on the customer's side", 0},
	} {
		twice := state.TraceRequest{Direction: c.to, Frames: []state.TraceFrame{made(c.m), made(c.m)}} // the first may be within its rate
		got := r.traceAll(twice)[1]
		if got.Reason != c.reason || got.YAML != c.yaml || !strings.Contains(got.Conclusion, c.part) {
			t.Errorf("%+v: %s, %s, %s\n%s", c.m, got.Reason, got.YAML, got.Conclusion, stagesText(got))
		}
	}
	stranger := r.traceAll(state.TraceRequest{Direction: l2.ToCustomer, From: stranger, Frames: []state.TraceFrame{made(state.MadeFrame{})}})[0]
	if stranger.Reason != "unknown-vtep" || stranger.YAML != "overlay: {peers: [192.0.2.20, 192.0.2.66]}" {
		t.Errorf("%s, %s\n%s", stranger.Reason, stranger.YAML, stagesText(stranger))
	}
	vni := r.traceAll(state.TraceRequest{Direction: l2.ToCustomer, VNI: 7, Frames: []state.TraceFrame{made(state.MadeFrame{})}})[0]
	if vni.Reason != "unknown-vni" || vni.Stages[0].Verdict != state.StageDrop || vni.Stages[1].Verdict != state.StageNotReached {
		t.Errorf("%s\n%s", vni.Reason, stagesText(vni))
	}
}

func traceModes(t *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) { x.Mode = state.Observe })
	got := r.traceOne(l2.ToCloud, made(state.MadeFrame{Kind: "lldp"}))
	if got.Outcome != state.TraceForwarded || !slices.Equal(got.WouldDrop, []string{"control-frame"}) || got.Stages[5].Verdict != state.StageWouldDrop {
		t.Errorf("observe: %s %v\n%s", got.Outcome, got.WouldDrop, stagesText(got))
	}
	r.guarded(func(x *state.Extension, g *state.Guards) { x.Mode = state.Off })
	got = r.traceOne(l2.ToCloud, made(state.MadeFrame{Kind: "lldp"}))
	if got.Outcome != state.TraceForwarded || got.WouldDrop != nil || got.Stages[5].Verdict != state.StageOff || got.Stages[4].Verdict != state.StagePass {
		t.Errorf("off: %s %v\n%s", got.Outcome, got.WouldDrop, stagesText(got))
	}
	r.guarded(func(x *state.Extension, g *state.Guards) { x.Mode, x.Raised = state.Enforce, true })
	if got = r.traceOne(l2.ToCustomer, made(state.MadeFrame{})); got.Reason != "raised" || got.Learns != "" {
		t.Errorf("raised: %s", stagesText(got))
	}
}

// traceElsewhere: frames that another extension takes are named as such.
func traceElsewhere(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, d *state.Desired) {
		other := *x
		other.Name, other.VLAN, other.VNI = "beta", l2.DoubleTag(2301, 7).WithTPID(l2.TPIDCustomer), 10200
		d.Extensions = append(d.Extensions, other)
	})
	up := r.traceOne(l2.ToCloud, made(state.MadeFrame{InnerVLAN: 7}))
	down := r.traceAll(state.TraceRequest{Direction: l2.ToCustomer, VNI: 10200, Frames: []state.TraceFrame{made(state.MadeFrame{})}})[0]
	for _, got := range []state.TraceResult{up, down} {
		if got.Outcome != state.TraceElsewhere || !strings.Contains(got.Conclusion, "extension beta") || got.Stages[1].Verdict != state.StageNotReached {
			t.Errorf("%s\n%s", got.Outcome, stagesText(got))
		}
	}
	results, err := r.plane.Trace(context.Background(), "beta", state.TraceRequest{Frames: []state.TraceFrame{made(state.MadeFrame{})}})
	if err != nil || results[0].Outcome != state.TraceForwarded {
		t.Errorf("beta itself: %v %+v", err, results)
	}
}

func traceRefuses(t *testing.T, r *rig) {
	for name, f := range map[string]state.TraceFrame{
		"short": given(make([]byte, 13)), "long": given(make([]byte, 9000)), "kind": made(state.MadeFrame{Kind: "ipx"}),
		"length": made(state.MadeFrame{Kind: "0x05dc"}), "protocol": made(state.MadeFrame{Proto: "256"}),
		"families": made(state.MadeFrame{Kind: "ipv4", DstIP: peerA6}), "size": made(state.MadeFrame{Size: 1 << 30}),
	} {
		_, err := r.plane.Trace(context.Background(), "acme", state.TraceRequest{Frames: []state.TraceFrame{f}})
		if !errors.Is(err, state.ErrTraceRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.plane.Trace(context.Background(), "nobody", state.TraceRequest{}); err == nil {
		t.Error("an unknown extension is traced")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.plane.Trace(ctx, "acme", state.TraceRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func traceSizes(t *testing.T, r *rig) {
	r.expect("a VM", "eth1", r.tunnelled(peerA, numbered(macHost, macVM, 1)), "sent")
	r.change(func(x *state.Extension, d *state.Desired) { x.Guards.MSS.Bytes = 1000 })
	clamp := r.traceOne(l2.ToCloud, made(state.MadeFrame{Dst: macVM, Proto: "tcp"}))
	if clamp.Outcome != state.TraceForwarded || !strings.Contains(clamp.Stages[11].Detail, "clamped from 1460 to 1000") {
		t.Errorf("%s", stagesText(clamp))
	}
	long := r.traceOne(l2.ToCloud, made(state.MadeFrame{Dst: macVM, Proto: "udp", Size: 1700}))
	if long.Reason != "too-big" || !strings.Contains(long.Stages[11].Detail, "1700 bytes of at most 1564; the sender is told by ICMP") {
		t.Errorf("%s", stagesText(long))
	}
	asItIs := r.traceOne(l2.ToCustomer, given(r.tunnelled(peerA, numbered(macHost, macVM, 1))))
	if asItIs.Outcome != state.TraceForwarded || len(asItIs.Bytes) != 62 {
		t.Errorf("%d bytes\n%s", len(asItIs.Bytes), stagesText(asItIs))
	}
	if tags := r.traceOne(l2.ToCloud, given(tagged(macVM, macHost, frame.Raw("x")))); tags.Outcome != state.TraceForwarded {
		t.Errorf("%s", stagesText(tags))
	}
}

// traceRunningClock: budgets are reckoned by another clock than the copies'.
func traceRunningClock(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, d *state.Desired) {
		x.Guards = stretched()
		x.Guards.Storm[state.StormBroadcast].Rate = state.Rate{PerSecond: 1, Burst: 60} // half a minute's for whoever comes first
	})
	r.wantFates("live", r.flood("eth2", l2.Broadcast, macHost, 40), map[string]int{"sent": 30, "storm-broadcast": 10})
	got := r.traceOne(l2.ToCloud, made(state.MadeFrame{Kind: "0x88b6"}))
	if got.Reason != "storm-broadcast" || !strings.Contains(got.Stages[6].Detail, "is known on the customer's side, learnt 0s ago") {
		t.Errorf("%s", stagesText(got))
	}
	request := state.TraceRequest{Frames: []state.TraceFrame{made(state.MadeFrame{Kind: "0x88b6"}), made(state.MadeFrame{Kind: "0x88b6"})}}
	request.Frames[1].After = 5 * time.Second
	if later := r.traceAll(request)[1]; later.Outcome != state.TraceForwarded {
		t.Errorf("%s", stagesText(later))
	}
}

// The traced programs are the live ones but for one helper.
func TestTracedProgramsSendNothing(t *testing.T) {
	spec, err := abi.LoadTc()
	if err != nil {
		t.Fatal(err)
	}
	sending := func(p *ebpf.ProgramSpec) (n int) {
		for i := range p.Instructions {
			if isSending(&p.Instructions[i]) {
				n++
			}
		}
		return n
	}
	customer := spec.Programs["tc_customer"]
	before := len(customer.Instructions)
	if sending(customer) == 0 {
		t.Error("the live program floods nothing")
	}
	customer.Instructions = withoutSending(customer.Instructions)
	if sending(customer) != 0 || len(customer.Instructions) != before {
		t.Errorf("%d calls are left in %d of %d instructions", sending(customer), len(customer.Instructions), before)
	}
}

// Every line that a trace names is one that a configuration may have.
func TestRemediesAreConfiguration(t *testing.T) {
	frames := map[string][]byte{
		"broadcast": ethernet(l2.Broadcast, macHost, frame.Raw(make([]byte, 46))), "group": ethernet(l2.MAC{1, 0, 0x5e, 1, 1, 1}, macHost, frame.Raw(make([]byte, 46))),
		"ARP": frame.GratuitousARP(macHost, netip.MustParseAddr("10.1.0.1")).Bytes(), "ND": frame.Advertise(macHost, netip.MustParseAddr("2001:db8::7"), macVM, netip.MustParseAddr("fe80::2")).Bytes(),
		"tagged": tagged(macVM, macHost, frame.Raw(make([]byte, 46))), "LLDP": frame.Ethernet{Dst: macVM, Src: macHost, Type: frame.Set(0x88cc)}.With(frame.Raw(make([]byte, 46))).Bytes(),
	}
	x := state.Extension{Name: "acme", Peers: []netip.Addr{peerA6, peerB6}, VNI: 10100, MACLimit: 1024, Guards: stretched()}
	x.Guards.Protected = []netip.Addr{netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db8::8"), netip.MustParseAddr("10.1.0.1")}
	x.Guards.FloodAllow = []state.MACPrefix{{MAC: l2.MAC{3, 0xbf}, Bits: 16}}
	x.Guards.ToCloud, x.Guards.ToCustomer = state.BitRate{PerSecond: 1_500_000, Burst: second}, state.BitRate{PerSecond: 12_345_678, Burst: second}
	x.Guards.CPU = 60
	lines := 0
	for name, b := range frames {
		parsed, _ := frame.Parse(b)
		for _, dir := range []l2.Direction{l2.ToCloud, l2.ToCustomer} {
			tr := &traced{world: &world{scene: &scene{x: &x}}, dir: dir, inner: b, parsed: parsed, from: netip.MustParseAddr("2001:db8::66"), vni: 10100}
			for _, reason := range Reasons() {
				yaml := tr.remedy(reason)
				if yaml == "" {
					continue
				}
				lines++
				head, overlay := "gateway: {name: gw, underlay: {interface: eth1}}\nextensions:\n  acme:\n    attachment: {interface: eth2, vlan: 2301}\n    ", "overlay: {vni: 10100, peers: [\"2001:db8::20\"]}\n    "
				if strings.HasPrefix(yaml, "overlay:") {
					yaml, overlay = strings.Replace(yaml, "{", "{vni: 10100, ", 1), ""
				}
				if _, err := config.Parse("remedy", []byte(head+overlay+yaml+"\n")); err != nil {
					t.Errorf("%s, %s: %s: %v", name, reason, yaml, err)
				}
			}
		}
	}
	if lines < 100 {
		t.Errorf("only %d lines", lines)
	}
}
