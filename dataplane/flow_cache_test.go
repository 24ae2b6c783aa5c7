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
	lightSuite(t, []part{{"to cloud", cachedToCloud}, {"to customer", cachedToCustomer}})
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

func cachedToCustomer(_ *testing.T, r *rig) {
	r.eachCircuit(func(name string) {
		in := packet{}.bytes(r)
		vni := abi.TcVniKey{Vni: 10100}
		var record uint32
		r.must(r.plane.mapNamed("segments").Lookup(vni, &record))
		r.expect("known "+name, "eth1", in, "sent")
		r.must(r.plane.mapNamed("segments").Delete(vni))
		r.expect("cached "+name, "eth1", in, "sent")
		r.expect("another source's "+name, "eth1", packet{inner: ethernet(macHost, station(1), frame.Raw(make([]byte, 46)))}.bytes(r), "unknown-vni")
		r.expect("another destination's "+name, "eth1", packet{inner: ethernet(station(1), macVM, frame.Raw(make([]byte, 46)))}.bytes(r), "unknown-vni")
		r.expect("another VNI's "+name, "eth1", packet{vni: 10101}.bytes(r), "unknown-vni")
		r.expect("another VTEP's "+name, "eth1", packet{ip: frame.IPv4{Src: peerB}, ip6: frame.IPv6{Src: peerB6}}.bytes(r), "unknown-vtep")
		r.wait(second)
		r.expect("not any more "+name, "eth1", in, "unknown-vni")
		r.must(r.plane.mapNamed("segments").Put(vni, record))
	})
}
