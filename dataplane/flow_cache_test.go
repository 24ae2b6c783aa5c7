// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Recent flows are kept: for a second their frames need no tables, and no other flow's frames take their way.
func TestFlowCache(t *testing.T) {
	lightSuite(t, []part{
		{"to cloud", cachedToCloud}, {"to customer", cachedToCustomer}, {"congestion marks", cachedMarks}, {"protocols", cachedProtocols},
		{"after a move", cachedAfterMove},
	})
}

// eachCircuit runs a test on kinds of circuits and underlays, on one CPU: each has a cache of its own.
func (r *rig) eachCircuit(test func(name string)) {
	r.t.Helper()
	cpus := unix.CPUSet{}
	r.must(unix.SchedGetaffinity(0, &cpus))
	for cpu := range 1024 {
		if cpus.IsSet(cpu) {
			cpus.Zero()
			cpus.Set(cpu)
			break
		}
	}
	r.must(unix.SchedSetaffinity(0, &cpus)) // the thread ends with the test
	for _, v6 := range []bool{false, true} {
		for _, vlan := range []l2.VLAN{{}, l2.SingleTag(2301), l2.DoubleTag(100, 200)} {
			r.restart(r.first)
			if v6 {
				r.overIPv6()
			}
			r.guarded(func(x *state.Extension, g *state.Guards) {
				x.VLAN = vlan
				g.Storm = [state.StormClasses]state.StormRate{}
			})
			r.statics()
			test(fmt.Sprintf("on %s, IPv6 underlay %t", vlan, v6))
		}
	}
}

func cachedToCloud(t *testing.T, r *rig) {
	r.eachCircuit(func(name string) {
		flooded := func(what string, in []byte, want uint64) {
			t.Helper()
			before := r.counters("acme").ToCloud.Copies
			r.expect(what, "eth2", r.onCircuit(in), "sent")
			if n := r.counters("acme").ToCloud.Copies - before; n != want {
				t.Errorf("%s %s: %d copies, want %d", what, name, n, want)
			}
		}
		other := ethernet(macVM, station(1), frame.Raw(make([]byte, 46)))
		flooded("known", opaque, 0)
		r.must(r.plane.mapNamed("fdb").Delete(abi.TcFdbKey{Slot: r.plane.slots.byName["acme"], Mac: macVM}))
		flooded("cached", opaque, 0)
		flooded("another source's", other, 1)
		r.wait(second)
		flooded("not any more", opaque, 1)
	})
}

// cachedOnly makes a flow known to the customer and takes its VNI out of the tables, until undo: whatever is not found among the recent
// flows is of no VNI then.
func (r *rig) cachedOnly(name string, in []byte) (undo func()) {
	r.t.Helper()
	vni := abi.TcVniKey{Vni: 10100}
	var record uint32
	r.must(r.plane.mapNamed("segments").Lookup(vni, &record))
	r.expect("known "+name, "eth1", in, "sent")
	r.must(r.plane.mapNamed("segments").Delete(vni))
	return func() { r.must(r.plane.mapNamed("segments").Put(vni, record)) }
}

func cachedToCustomer(_ *testing.T, r *rig) {
	r.eachCircuit(func(name string) {
		in := packet{}.bytes(r)
		defer r.cachedOnly(name, in)()
		r.expect("cached "+name, "eth1", in, "sent")
		r.expect("another source's "+name, "eth1", packet{inner: ethernet(macHost, station(1), frame.Raw(make([]byte, 46)))}.bytes(r), "unknown-vni")
		r.expect("another destination's "+name, "eth1", packet{inner: ethernet(station(1), macVM, frame.Raw(make([]byte, 46)))}.bytes(r), "unknown-vni")
		r.expect("another VNI's "+name, "eth1", packet{vni: 10101}.bytes(r), "unknown-vni")
		r.expect("another VTEP's "+name, "eth1", packet{ip: frame.IPv4{Src: peerB}, ip6: frame.IPv6{Src: peerB6}}.bytes(r), "unknown-vtep")
		r.wait(second)
		r.expect("not any more "+name, "eth1", in, "unknown-vni")
	})
}

// What most frames are takes the short way: else a gateway would be as fast as its tests say for opaque frames only. What must be looked
// at each time does not: a TCP segment that agrees on a size, a server's message, a fragment.
func cachedProtocols(_ *testing.T, r *rig) {
	r.eachCircuit(func(name string) {
		build := func(layers ...frame.Layer) []byte {
			return packet{inner: ethernet(macHost, macVM, append(layers, frame.Raw(make([]byte, 64)))...)}.bytes(r)
		}
		four := func(ip frame.IPv4, layers ...frame.Layer) []byte {
			ip.Src, ip.Dst = ipVM, ipHost
			return build(append([]frame.Layer{ip}, layers...)...)
		}
		six := func(layers ...frame.Layer) []byte {
			return build(append([]frame.Layer{frame.IPv6{Src: vtep6, Dst: peerA6}}, layers...)...)
		}
		tcp, udp := frame.TCP{SrcPort: 1, DstPort: 2, Flags: 0x10}, frame.UDP{SrcPort: 1, DstPort: 2}
		defer r.cachedOnly(name, four(frame.IPv4{}, udp))()
		for _, c := range []struct {
			what string
			in   []byte
			want string
		}{
			{"TCP", four(frame.IPv4{}, tcp), "sent"},
			{"TCP over IPv6", six(tcp), "sent"},
			{"UDP", four(frame.IPv4{}, udp), "sent"},
			{"UDP over IPv6", six(udp), "sent"},
			{"UDP of another class of service", four(frame.IPv4{TOS: 0x44}, udp), "sent"},
			{"opaque", packet{}.bytes(r), "sent"},
			{"a SYN", four(frame.IPv4{}, frame.TCP{SrcPort: 1, DstPort: 2, Flags: 2}), "unknown-vni"},
			{"a DHCP server's", four(frame.IPv4{}, frame.UDP{SrcPort: 67, DstPort: 68}), "unknown-vni"},
			{"a fragment", four(frame.IPv4{MoreFragments: true}, udp), "unknown-vni"},
		} {
			r.expect(c.what+" "+name, "eth1", c.in, c.want)
		}
	})
}

// Packets whose congestion mark says nothing new take the short way, whatever it is: on a network that marks, all would else be as slow as
// the first. A mark that must be written into the inner packet is the stages' with engine xdp, and one that cannot be with both.
func cachedMarks(_ *testing.T, r *rig) {
	r.eachCircuit(func(name string) {
		build := func(inner, outer int) []byte {
			ip := frame.IPv4{Src: ipVM, Dst: ipHost, TOS: uint8(inner)}
			in := ethernet(macHost, macVM, ip, frame.UDP{SrcPort: 1, DstPort: 2}, frame.Raw(make([]byte, 30)))
			return packet{ip: frame.IPv4{TOS: uint8(outer)}, ip6: frame.IPv6{TrafficClass: uint8(outer)}, inner: in}.bytes(r)
		}
		defer r.cachedOnly(name, build(0, 0))()
		for mark := range 16 {
			inner, outer := mark>>2, mark&3
			want := "unknown-vni"
			if after := decapsulated[inner][outer]; after == inner || after >= 0 && r.engine == state.EngineTC {
				want = "sent"
			}
			r.expect(fmt.Sprintf("inner mark %02b, outer %02b, %s", inner, outer, name), "eth1", build(inner, outer), want)
		}
		opaque := packet{ip: frame.IPv4{TOS: 3}, ip6: frame.IPv6{TrafficClass: 3}}.bytes(r)
		r.expect("congestion that nobody can be told of, "+name, "eth1", opaque, "sent")
	})
}

// Flows are found again though stations of their extension have moved: after its first move an extension would else be without, for
// as long as the gateway runs.
func cachedAfterMove(_ *testing.T, r *rig) {
	host, vm := r.warm(nil)
	r.flood("eth2", l2.Broadcast, station(5), 1)
	r.flood("eth1", l2.Broadcast, station(5), 1)
	r.wantFlows("a move ends all", 0)
	r.wantFates("to cloud", r.flood("eth2", vm, host, 3), map[string]int{"sent": 3})
	r.wantFlows("to cloud", 1)
	r.wantFates("to customer", r.flood("eth1", host, vm, 3), map[string]int{"sent": 3})
	r.wantFlows("and back", 2)
}
