// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestAccounting(t *testing.T) {
	lightSuite(t, []part{
		{"bytes", countedBytes}, {"longest", longest}, {"super-frames", superFrames}, {"super-frames too big", superFramesTooBig},
		{"no peers", noPeers},
	})
}

// Bytes are those of the customer's frames without tags and FCS, the same on both sides.
func countedBytes(t *testing.T, r *rig) {
	for _, vlan := range []l2.VLAN{l2.Untagged, l2.SingleTag(2301), l2.DoubleTag(100, 200)} {
		r.change(func(x *state.Extension, _ *state.Desired) { x.VLAN = vlan })
		r.statics()
		for _, size := range []int{14, 60, 61, 1000, 1514} {
			in := ethernet(macVM, macHost, frame.Raw(make([]byte, size-14)))
			if size == 1514 && r.engine == state.EngineXDP && vlan.Depth() == 2 {
				continue // a second tag does not fit behind a full frame there
			}
			before := r.counters("acme")
			r.bothWays(fmt.Sprintf("%d bytes on %s", size, vlan), in, swapped(in), "sent")
			after := r.counters("acme")
			for name, n := range map[string]uint64{
				"to cloud, rx": after.ToCloud.Rx.Bytes - before.ToCloud.Rx.Bytes, "to cloud, tx": after.ToCloud.Tx.Bytes - before.ToCloud.Tx.Bytes,
				"to customer, rx": after.ToCustomer.Rx.Bytes - before.ToCustomer.Rx.Bytes, "to customer, tx": after.ToCustomer.Tx.Bytes - before.ToCustomer.Tx.Bytes,
			} {
				if n != uint64(size) {
					t.Errorf("%s: a frame of %d bytes on %s counts as %d", name, size, vlan, n)
				}
			}
		}
	}
}

// The longest frame that fits, to the byte.
func longest(_ *testing.T, r *rig) {
	for _, v6 := range []bool{false, true} {
		overhead := 36 // IPv4, UDP, VXLAN
		if v6 {
			r.overIPv6()
			overhead = 56
		}
		r.statics()
		for _, mtu := range []int{1400, 1500, 1550, 1600} {
			r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.MTU = mtu })
			for _, over := range []int{-1, 0, 1, 100} {
				want := "sent"
				if over > 0 {
					want = "too-big"
				}
				in := ethernet(macVM, macHost, frame.Raw(make([]byte, mtu-overhead-14+over)))
				r.expect(fmt.Sprintf("%d more than fits into an MTU of %d, IPv6 %t", over, mtu, v6), "eth2", r.onCircuit(in), want)
			}
		}
		r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.MTU = 2000 })
		for _, mtu := range []int{1300, 1500} {
			r.change(func(_ *state.Extension, d *state.Desired) { d.NICs[0].MTU = mtu })
			for _, over := range []int{-1, 0, 1, 100} {
				want := "sent"
				if over > 0 {
					want = "too-big"
				}
				in := ethernet(macHost, macVM, frame.Raw(make([]byte, mtu+over)))
				r.expect(fmt.Sprintf("%d more than the customer's MTU of %d, IPv6 %t", over, mtu, v6), "eth1", packet{inner: in}.bytes(r), want)
			}
		}
	}
}

// super is a TCP or UDP super-frame of so many segments; the last one is short.
type super struct {
	name    string
	headers int // Ethernet to transport
	layers  []frame.Layer
}

func superKinds() []super {
	ip4, ip6 := frame.IPv4{Src: ipHost, Dst: ipVM}, frame.IPv6{Src: vtep6, Dst: peerA6}
	return []super{
		{"IPv4 TCP", 54, []frame.Layer{ip4, frame.TCP{}}},
		{"IPv4 TCP with options", 66, []frame.Layer{ip4, frame.TCP{Options: make([]byte, 12)}}},
		{"IPv4 with options, TCP", 62, []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, Options: []byte{1, 1, 1, 1, 1, 1, 1, 1}}, frame.TCP{}}},
		{"IPv4 UDP", 42, []frame.Layer{ip4, frame.UDP{}}},
		{"IPv6 TCP", 74, []frame.Layer{ip6, frame.TCP{}}},
		{"IPv6 TCP with options", 86, []frame.Layer{ip6, frame.TCP{Options: make([]byte, 12)}}},
		{"IPv6 UDP", 62, []frame.Layer{ip6, frame.UDP{}}},
		{"IPv4 TCP, too long for its length", 54, []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, TotalLength: frame.Set(0)}, frame.TCP{}}},
		{"IPv6 TCP, too long for its length", 74, []frame.Layer{frame.IPv6{Src: vtep6, Dst: peerA6, PayloadLength: frame.Set(0)}, frame.TCP{}}},
	}
}

func (s super) build(dst, src l2.MAC, payload int) []byte {
	return ethernet(dst, src, append(s.layers, frame.Raw(make([]byte, payload)))...)
}

// expectSegments runs a super-frame and compares what it counts as.
func (r *rig) expectSegments(name, nic string, in []byte, super gso, what string, frames, bytes int) {
	r.t.Helper()
	before := r.counters("acme")
	f := r.fateOf(nic, in, super)
	after := r.counters("acme")
	rx, old := after.ToCloud.Rx, before.ToCloud.Rx
	tx, oldTx := after.ToCloud.Tx, before.ToCloud.Tx
	if nic == "eth1" {
		rx, old = after.ToCustomer.Rx, before.ToCustomer.Rx
		tx, oldTx = after.ToCustomer.Tx, before.ToCustomer.Tx
	}
	want := state.Count{Frames: uint64(frames), Bytes: uint64(bytes)}
	if got := (state.Count{Frames: rx.Frames - old.Frames, Bytes: rx.Bytes - old.Bytes}); got != want || f.what != what {
		r.t.Errorf("%s by %s: %s, received %+v, want %s, %+v", name, nic, f.what, got, what, want)
	}
	if what != "sent" {
		want = state.Count{}
	}
	if got := (state.Count{Frames: tx.Frames - oldTx.Frames, Bytes: tx.Bytes - oldTx.Bytes}); got != want {
		r.t.Errorf("%s by %s: sent %+v, want %+v", name, nic, got, want)
	}
}

// Super-frames exist with engine tc only: XDP has none.
func superFrames(t *testing.T, r *rig) {
	if r.engine == state.EngineXDP {
		return
	}
	for _, v6 := range []bool{false, true} {
		if v6 {
			r.overIPv6()
		}
		r.statics()
		for _, s := range superKinds() {
			for _, size := range []struct{ segment, last, segments int }{{500, 500, 2}, {500, 1, 3}, {1000, 999, 3}, {100, 7, 20}} {
				payload := size.segment*(size.segments-1) + size.last
				bytes := payload + size.segments*s.headers
				// The kernel does not always know how many: then they are reckoned, or all but one would cross uncounted and for free.
				for _, told := range []int{size.segments, 0, 1} {
					super := gso{uint32(size.segment), uint32(told)}
					name := fmt.Sprintf("%s, %d segments of %d, told %d, IPv6 underlay %t", s.name, size.segments, size.segment, told, v6)
					r.expectSegments(name, "eth2", r.onCircuit(s.build(macVM, macHost, payload)), super, "sent", size.segments, bytes)
					in := packet{inner: s.build(macHost, macVM, payload)}.bytes(r)
					r.goesToTunnel(name, in, super)
				}
			}
		}
	}
	// The same when dropped: under the reason, and in segments.
	s := superKinds()[0]
	in := s.build(macHost, macHost, 1500)
	before := r.counters("acme").ToCloud.Drops["same-side"]
	r.expectSegments("same side", "eth2", r.onCircuit(in), gso{500, 3}, "same-side", 3, 1500+3*54)
	if n := r.counters("acme").ToCloud.Drops["same-side"] - before; n != 3 {
		t.Errorf("a super-frame of 3 segments counts %d drops", n)
	}
	r.change(func(x *state.Extension, _ *state.Desired) { x.Raised = true })
	r.expectSegments("raised", "eth2", r.onCircuit(in), gso{500, 3}, "raised", 3, 1500+3*54)
}

// goesToTunnel: a super-frame from the cloud is judged where it has left the tunnel device, since it may
// stand for datagrams with an inner frame each. The underlay program marks it and counts nothing but that.
func (r *rig) goesToTunnel(name string, in []byte, super gso) {
	r.t.Helper()
	before := r.counters("acme").ToCustomer.Rx
	c := skbContext{Ifindex: uint32(r.eth["eth1"].Attrs().Index), GSOSize: super.size, GSOSegs: super.segs}
	var after skbContext
	code, err := r.plane.objects.programs["tc_underlay"].Run(&ebpf.RunOptions{Data: in, DataOut: make([]byte, 65536), Context: c, ContextOut: &after})
	r.must(err)
	if code != 0xffffffff || after.Mark != r.plane.nonce {
		r.t.Errorf("%s from the cloud: verdict %d, mark %#x: want it marked for the tunnel device", name, int32(code), after.Mark)
	}
	if now := r.counters("acme").ToCustomer.Rx; now != before {
		r.t.Errorf("%s from the cloud: counted at %+v before it was judged", name, now)
	}
}

// The length that counts is a segment's.
func superFramesTooBig(_ *testing.T, r *rig) {
	if r.engine == state.EngineXDP {
		return
	}
	r.statics()
	r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.MTU, d.NICs[0].MTU = 1036, 986 })
	for _, s := range superKinds() {
		for _, over := range []int{-1, 0, 1} {
			segment := 1000 - s.headers + over
			what := "sent"
			if over > 0 {
				what = "too-big"
			}
			payload := 2*segment + 10
			name := fmt.Sprintf("%s, segments of %d bytes where 1000 fit", s.name, 1000+over)
			r.expectSegments(name, "eth2", r.onCircuit(s.build(macVM, macHost, payload)), gso{uint32(segment), 3}, what, 3, payload+3*s.headers)
		}
	}
}

// An extension without VTEPs has no next hop, and takes nothing from the cloud.
func noPeers(_ *testing.T, r *rig) {
	in := packet{ip: frame.IPv4{Src: peerA}}.bytes(r)
	r.change(func(x *state.Extension, _ *state.Desired) { x.Peers = nil })
	r.expect("to cloud", "eth2", r.onCircuit(opaque), "no-next-hop")
	r.expect("from a VTEP that is nobody's", "eth1", in, "unknown-vtep")
}
