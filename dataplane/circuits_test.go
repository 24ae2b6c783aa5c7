// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// manyCircuits are all forms of circuit: on eth2, and one on eth3. Each has its own VNI.
func manyCircuits(r *rig) {
	r.change(func(x *state.Extension, d *state.Desired) {
		base := *x
		d.NICs = append(d.NICs, state.NIC{Name: "eth3", Ifindex: r.eth["eth3"].Attrs().Index, MAC: r.mac("eth3"), MTU: 1500})
		d.Extensions = nil
		for i, c := range []struct {
			name, nic string
			vlan      l2.VLAN
		}{
			{"other", "eth3", l2.SingleTag(2301)},
			{"pair", "eth2", l2.DoubleTag(100, 200)},
			{"pair81", "eth2", l2.DoubleTag(100, 201).WithTPID(l2.TPIDCustomer)},
			{"plain", "eth2", l2.Untagged},
			{"single", "eth2", l2.SingleTag(2301)},
			{"single100", "eth2", l2.SingleTag(100)},
		} {
			e := base
			e.Name, e.NIC, e.VLAN, e.VNI = l2.Name(c.name), c.nic, c.vlan, l2.VNI(1000+i)
			e.Static = []state.StaticMAC{
				{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: e.Peers[0]},
			}
			d.Extensions = append(d.Extensions, e)
		}
	})
}

// raw puts tags given as TPID, TCI into a frame.
func raw(in []byte, tags ...uint16) []byte {
	out := slices.Clone(in[:12])
	for _, w := range tags {
		out = append(out, byte(w>>8), byte(w))
	}
	return append(out, in[12:]...)
}

var circuitCases = []struct {
	name, nic   string
	tags        []uint16
	where, what string
}{
	{"untagged", "eth2", nil, "plain", "sent"},
	{"priority tag", "eth2", []uint16{0x8100, 0}, "plain", "sent"},
	{"priority tag with PCP 7 and DEI", "eth2", []uint16{0x8100, 0xf000}, "plain", "sent"},
	{"unknown VID", "eth2", []uint16{0x8100, 7}, "eth2", "no-circuit"},
	{"VID 4095", "eth2", []uint16{0x8100, 4095}, "eth2", "no-circuit"},
	{"single", "eth2", []uint16{0x8100, 2301}, "single", "sent"},
	{"single, PCP 5", "eth2", []uint16{0x8100, 5<<13 | 2301}, "single", "sent"},
	{"single, DEI", "eth2", []uint16{0x8100, 1<<12 | 2301}, "single", "sent"},
	{"single with the service TPID", "eth2", []uint16{0x88a8, 2301}, "eth2", "no-circuit"},
	{"single with TPID 0x9100", "eth2", []uint16{0x9100, 2301}, "eth2", "no-circuit"},
	{"single with TPID 0x9200", "eth2", []uint16{0x9200, 2301}, "eth2", "no-circuit"},
	{"single with TPID 0x9300", "eth2", []uint16{0x9300, 2301}, "eth2", "no-circuit"},
	{"pair", "eth2", []uint16{0x88a8, 100, 0x8100, 200}, "pair", "sent"},
	{"pair with priorities", "eth2", []uint16{0x88a8, 0xe000 | 100, 0x8100, 0xb000 | 200}, "pair", "sent"},
	{"pair, inner with the service TPID", "eth2", []uint16{0x88a8, 100, 0x88a8, 200}, "eth2", "no-circuit"},
	{"pair, inner with TPID 0x9100", "eth2", []uint16{0x88a8, 100, 0x9100, 200}, "eth2", "no-circuit"},
	{"pair, outer with TPID 0x9100", "eth2", []uint16{0x9100, 100, 0x8100, 200}, "eth2", "no-circuit"},
	{"pair, wrong inner VID", "eth2", []uint16{0x88a8, 100, 0x8100, 999}, "eth2", "no-circuit"},
	{"pair, wrong outer VID", "eth2", []uint16{0x88a8, 101, 0x8100, 200}, "eth2", "no-circuit"},
	{"pair, exchanged VIDs", "eth2", []uint16{0x88a8, 200, 0x8100, 100}, "eth2", "no-circuit"},
	{"pair, outer only", "eth2", []uint16{0x88a8, 100}, "eth2", "no-circuit"},
	{"pair, inner only", "eth2", []uint16{0x8100, 200}, "eth2", "no-circuit"},
	{"pair with outer 0x8100", "eth2", []uint16{0x8100, 100, 0x8100, 201}, "pair81", "sent"},
	{"pair81 with the service TPID", "eth2", []uint16{0x88a8, 100, 0x8100, 201}, "eth2", "no-circuit"},
	{"single of the same VID as a pair", "eth2", []uint16{0x8100, 100}, "single100", "sent"},
	{"single with a tag that is no pair's", "eth2", []uint16{0x8100, 100, 0x8100, 999}, "single100", "inner-vlan"},
	{"single with the other pair's tag", "eth2", []uint16{0x8100, 100, 0x8100, 200}, "single100", "inner-vlan"},
	{"pair with a third tag", "eth2", []uint16{0x88a8, 100, 0x8100, 200, 0x8100, 300}, "pair", "inner-vlan"},
	{"single with a priority tag behind", "eth2", []uint16{0x8100, 2301, 0x8100, 0}, "single", "inner-vlan"},
	{"VLAN of this NIC too", "eth3", []uint16{0x8100, 2301}, "other", "sent"},
	{"VLAN of another NIC", "eth3", []uint16{0x8100, 100}, "eth3", "no-circuit"},
	{"pair of another NIC", "eth3", []uint16{0x88a8, 100, 0x8100, 200}, "eth3", "no-circuit"},
	{"untagged on a NIC without such a circuit", "eth3", nil, "eth3", "no-circuit"},
	{"priority tag on a NIC without an untagged circuit", "eth3", []uint16{0x8100, 0}, "eth3", "no-circuit"},
}

// opaque is a frame from the customer's station to the cloud's that no guard looks into.
var opaque = ethernet(macVM, macHost, frame.Raw(make([]byte, 46)))

func TestCircuits(t *testing.T) {
	lightSuite(t, []part{
		{"table", circuits}, {"VID 0 before a tag", priorityTagBeforeAnother}, {"runts", runts},
		{"passthrough", passthrough}, {"towards the customer", circuitsTowardsTheCustomer},
		{"of another", circuitsOfAnother},
	})
}

func circuits(t *testing.T, r *rig) {
	manyCircuits(r)
	for _, c := range circuitCases {
		f := r.expect(c.name, c.nic, raw(opaque, c.tags...), c.what)
		if f.where != c.where {
			t.Errorf("%s: counted at %s, want %s", c.name, f.where, c.where)
		}
		if f.what == "sent" {
			checkTunnel(t, r, c.name, f.out, l2.Name(c.where), opaque)
		}
	}
	r.checkBooks()
}

// checkTunnel holds a packet against the extension's VNI and the inner frame.
func checkTunnel(t *testing.T, r *rig, name string, out []byte, extension l2.Name, inner []byte) {
	t.Helper()
	p, err := frame.ParseVXLAN(out)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, x := range r.desired.Extensions {
		if x.Name == extension && (p.VXLAN.VNI != uint32(x.VNI) || p.Dst != x.Peers[0]) {
			t.Errorf("%s: VNI %d to %s, want that of %s", name, p.VXLAN.VNI, p.Dst, x.Name)
		}
	}
	if !bytes.Equal(p.Inner, inner) {
		t.Errorf("%s: inner frame\n% x\nwant\n% x", name, p.Inner, inner)
	}
}

// A VID-0 tag in front of another tag is no circuit's: it must not cross as it is.
func priorityTagBeforeAnother(t *testing.T, r *rig) {
	manyCircuits(r)
	for _, tags := range [][]uint16{{0x8100, 0, 0x8100, 2301}, {0x8100, 0, 0x8100, 0}, {0x8100, 0, 0x88a8, 100}, {0x88a8, 0, 0x8100, 200}, {0x88a8, 0, 0x8100, 0}} {
		if f := r.fate("eth2", raw(opaque, tags...)); f.what == "sent" {
			t.Errorf("tags %x: sent by %s: guards.md lets one VID-0 tag be stripped, and an inner tag is dropped by default", tags, f.where)
		}
	}
}

func runts(t *testing.T, r *rig) {
	manyCircuits(r)
	for size := 14; size < 60; size++ {
		in := append([]byte(nil), opaque[:size]...)
		f := r.expect("untagged", "eth2", in, "sent")
		checkTunnel(t, r, "untagged", f.out, "plain", in)
		r.expect("tagged", "eth2", raw(in, 0x8100, 2301), "sent")
		r.expect("pair", "eth2", raw(in, 0x88a8, 100, 0x8100, 200), "sent")
	}
	whole := raw(opaque, 0x88a8, 100, 0x8100, 200, 0x8100, 300)
	for size := 14; size < 24; size++ { // tags that are cut off
		if f := r.fate("eth2", whole[:size]); f.what == "sent" {
			t.Errorf("%d bytes, a tag is cut off: sent by %s", size, f.where)
		}
	}
	for size := 14; size < 18; size++ {
		if f := r.fate("eth2", raw(opaque, 0x8100, 0)[:size]); f.what == "sent" {
			t.Errorf("%d bytes of a priority tag: sent by %s", size, f.where)
		}
	}
	r.checkBooks()
}

func passthrough(t *testing.T, r *rig) {
	manyCircuits(r)
	r.change(func(_ *state.Extension, d *state.Desired) { d.NICs[0].Passthrough = true })
	for _, c := range circuitCases {
		want := c.what
		if want == "no-circuit" && c.nic == "eth2" {
			want = "passed"
		}
		in := raw(opaque, c.tags...)
		if f := r.expect(c.name, c.nic, in, want); f.what == "passed" && !bytes.Equal(f.out, in) {
			t.Errorf("%s: changed on its way to the host: % x", c.name, f.out)
		}
	}
}

// Every VNI leads to its own circuit, and its tags are on the frame.
func circuitsTowardsTheCustomer(t *testing.T, r *rig) {
	manyCircuits(r)
	in := swapped(opaque)
	for _, x := range r.desired.Extensions {
		f := r.expect(string(x.Name), "eth1", packet{vni: uint32(x.VNI), inner: in}.bytes(r), "sent")
		if f.where != string(x.Name) {
			t.Errorf("VNI %d is counted at %s, want %s", x.VNI, f.where, x.Name)
		}
		want := withTags(x.VLAN, 0, in)
		if r.engine == state.EngineTC && x.VLAN.Depth() > 0 { // the outermost tag is in the socket buffer
			want = append(slices.Clone(want[:12]), want[16:]...)
		}
		if !bytes.Equal(f.out, want) {
			t.Errorf("%s: % x, want % x", x.Name, f.out, want)
		}
	}
}

// Tags inside a frame from the cloud must not make it another circuit's on the customer's wire, or nobody's, whatever the mode and
// whichever inner VIDs are allowed.
func circuitsOfAnother(t *testing.T, r *rig) {
	manyCircuits(r)
	for _, c := range []struct {
		from string
		tags []uint16
		what string
	}{
		{"plain", []uint16{0x8100, 2301}, "inner-vlan"},             // single's
		{"plain", []uint16{0x8100, 0xe000 | 2301}, "inner-vlan"},    // likewise
		{"plain", []uint16{0x88a8, 100, 0x8100, 200}, "inner-vlan"}, // pair's
		{"plain", []uint16{0x8100, 7}, "inner-vlan"},                // nobody's
		{"plain", []uint16{0x9100, 2301}, "inner-vlan"},             // nobody's
		{"plain", []uint16{0x8100, 0}, "sent"},                      // a priority tag
		{"single100", []uint16{0x8100, 201}, "inner-vlan"},          // pair81's
		{"single100", []uint16{0x88a8, 201}, "sent"},
		{"single100", []uint16{0x8100, 200}, "sent"}, // pair has another outer TPID
		{"single", []uint16{0x8100, 201}, "sent"},
		{"pair", []uint16{0x8100, 300}, "sent"},
	} {
		for _, mode := range []state.GuardMode{state.Enforce, state.Observe, state.Off} {
			var vni uint32
			r.change(func(_ *state.Extension, d *state.Desired) {
				for i := range d.Extensions {
					x := &d.Extensions[i]
					x.Mode, x.Inner.AllowAll = mode, mode == state.Enforce
					if string(x.Name) == c.from {
						vni = uint32(x.VNI)
					}
				}
			})
			f := r.expect(fmt.Sprintf("%s, tags %x, mode %d", c.from, c.tags, mode), "eth1", packet{vni: vni, inner: raw(swapped(opaque), c.tags...)}.bytes(r), c.what)
			if f.where != c.from {
				t.Errorf("%s, tags %x: counted at %s", c.from, c.tags, f.where)
			}
		}
	}
	r.checkBooks()
}
