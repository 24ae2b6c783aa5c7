// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

var (
	nicMAC    = l2.MAC{0x02, 0, 0, 0, 0xee, 2}
	uplinkMAC = l2.MAC{0x02, 0, 0, 0, 0xee, 1}
	host      = l2.MAC{0x02, 0, 0, 0, 0, 1}
	guest     = l2.MAC{0x02, 0, 0, 0, 1, 1}
	vtep      = netip.MustParseAddr("192.0.2.10")
	peerA     = netip.MustParseAddr("192.0.2.20")
	peerB     = netip.MustParseAddr("192.0.2.21")
	vtep6     = netip.MustParseAddr("2001:db8::10")
	peerA6    = netip.MustParseAddr("2001:db8::20")
)

// oneExtension is a gateway's configuration with a circuit of VLAN 2301 and two VTEPs.
func oneExtension() *state.Desired {
	return &state.Desired{
		Underlay: state.Underlay{
			Uplinks: []state.Uplink{{Name: "eth1", MAC: uplinkMAC}}, VTEP: vtep, Port: 4789, MTU: 1600,
		},
		NICs: []state.NIC{{Name: "eth2", MAC: nicMAC, MTU: 1500}},
		Extensions: []state.Extension{{
			Name: "acme", NIC: "eth2", VLAN: l2.SingleTag(2301), VNI: 10100, Peers: []netip.Addr{peerA, peerB},
			MACLimit: 1024, MACAge: 300 * time.Second,
		}},
	}
}

func worldOf(d *state.Desired) World {
	w := World{
		Uplink: "eth1", Gateway: uplinkMAC, VTEP: d.Underlay.VTEP, Port: d.Underlay.Port, Stranger: netip.MustParseAddr("192.0.2.66"),
		Own: []l2.MAC{nicMAC, uplinkMAC}, Longest: 1514, Pace: time.Millisecond, Pause: 10 * time.Second,
		IPs: []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.2"), vtep6, peerA6},
	}
	for i := range d.Extensions {
		x := &d.Extensions[i]
		w.Circuits = append(w.Circuits, Attachment{x.NIC, x.VLAN})
		w.VNIs = append(w.VNIs, x.VNI)
		w.Peers = append(w.Peers, x.Peers...)
	}
	for i := range byte(8) {
		w.Stations[0] = append(w.Stations[0], l2.MAC{0x02, 0, 0, 0, 0, i})
		w.Stations[1] = append(w.Stations[1], l2.MAC{0x02, 0, 0, 0, 1, i})
	}
	return w
}

// The same seed makes the same frames, and another one others.
func TestGeneratorIsDeterministic(t *testing.T) {
	w := worldOf(oneExtension())
	a, b, other := NewGenerator(w, 7), NewGenerator(w, 7), NewGenerator(w, 8)
	same := 0
	for n := range 2000 {
		one, two, three := a.Next(), b.Next(), other.Next()
		if string(one.Bytes) != string(two.Bytes) || one.Step != two.Step || one.Underlay != two.Underlay {
			t.Fatalf("frame %d of one seed differs", n)
		}
		if string(one.Bytes) == string(three.Bytes) {
			same++
		}
	}
	if same > 100 {
		t.Errorf("%d of 2000 frames of two seeds are the same", same)
	}
}

// The generator reaches the stages: no frame makes the model fail, and every reason fires that needs no special
// settings.
func TestGeneratorReachesStages(t *testing.T) {
	d := oneExtension()
	d.Extensions[0].MACLimit = 200
	seen := [Reasons]int{}
	for _, loops := range []bool{false, true} {
		guards := Defaults()
		guards.Serve = [Services]Sides{}
		guards.Protect = []netip.Addr{netip.MustParseAddr("10.1.0.2")}
		guards.Loops = loops
		for c := range guards.Storm {
			guards.Storm[c].Frames = Rate{20, 20}
		}
		for _, pace := range []time.Duration{10 * time.Microsecond, time.Millisecond} {
			w := worldOf(d)
			w.Pace = pace
			passThrough(New(d, map[l2.Name]Guards{"acme": guards}), NewGenerator(w, 1), &seen)
		}
	}
	for r := None; r < Reasons; r++ {
		switch r {
		case Raised, MACPinned, MACRate, Bandwidth, CPUBudget, NoNextHop: // need settings of their own
			continue
		}
		if seen[r] == 0 {
			t.Errorf("%q never fired", r)
		}
	}
	t.Logf("%v", seen)
}

func passThrough(g *Gateway, random *Generator, seen *[Reasons]int) {
	now := int64(time.Hour)
	for range 50_000 {
		a := random.Next()
		now += int64(a.Step)
		if a.Underlay {
			seen[g.FromUnderlay(now, a.NIC, a.Bytes).Reason]++
		} else {
			seen[g.FromCustomer(now, a.NIC, a.Bytes).Reason]++
		}
	}
}

func TestSmallSpacesAreWhole(t *testing.T) {
	d := oneExtension()
	g := NewGenerator(worldOf(d), 1)
	different := map[string]bool{}
	for n := Exhaustive() - 1; n >= 0; n-- {
		a := g.Member(n)
		if len(a.Bytes) < ethernetHeader || a.NIC == "" {
			t.Fatalf("member %d: % x", n, a.Bytes)
		}
		if n%64 == 0 {
			different[string(a.Bytes)] = true
		}
	}
	if want := Exhaustive()/64 - 200; len(different) < want {
		t.Errorf("%d different frames in a sample, want %d", len(different), want)
	}
}

func BenchmarkModel(b *testing.B) {
	d := oneExtension()
	g := New(d, nil)
	random := NewGenerator(worldOf(d), 1)
	now := int64(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		a := random.Next()
		now += int64(a.Step)
		if a.Underlay {
			g.FromUnderlay(now, a.NIC, a.Bytes)
		} else {
			g.FromCustomer(now, a.NIC, a.Bytes)
		}
	}
}
