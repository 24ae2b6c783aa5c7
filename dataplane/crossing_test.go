// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestCrossing(t *testing.T) {
	lightSuite(t, []part{
		{"EtherTypes", everyEtherType}, {"inner tags", innerTags}, {"LLC lengths", llcLengths}, {"SNAP", snapCarries},
		{"IPv4", ipv4Lengths}, {"ARP", arpSizes}, {"shortest", shortest}, {"IP by name only", otherVersions},
	})
}

var tagTypes = []int{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300}

var controlTypes = []int{0x8808, 0x8809, 0x88cc, 0x8902}

// typed is a frame with any EtherType or length, and as much behind it.
func typed(kind int, payload []byte) []byte {
	return append([]byte{2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1, byte(kind >> 8), byte(kind)}, payload...)
}

// crossingOf is what guards.md says of an EtherType in front of 46 bytes that are nothing known; short
// lengths have no whole LLC header and are not asked for.
func crossingOf(kind int) string {
	switch {
	case kind <= 46: // a length, and the rest is padding to 60 bytes
		return "sent"
	case kind < 0x0600:
		return "malformed"
	case slices.Contains(tagTypes, kind):
		return "inner-vlan"
	case slices.Contains(controlTypes, kind):
		return "control-frame"
	}
	return "sent"
}

// everyEtherType runs all of them from the customer, and from the cloud every one that is known and every
// seventh of the others.
func everyEtherType(t *testing.T, r *rig) {
	r.statics()
	payload := make([]byte, 46)
	payload[2], payload[3] = 0x88, 0xb5 // after a tag: an opaque frame
	verdicts := map[string]string{"sent": "redirect"}
	program := r.engine.String()
	want, wantBack := map[string]uint64{}, map[string]uint64{}
	before := r.books().extensions["acme"]
	toCloud, toCustomer := r.onCircuit(typed(0, payload)), r.tunnelled(peerA, swapped(typed(0, payload)))
	for kind := 3; kind < 0x10000; kind++ {
		what := crossingOf(kind)
		want[what]++
		verdict := or2(verdicts[what], "drop")
		toCloud[16], toCloud[17] = byte(kind>>8), byte(kind)
		toCustomer[50+12], toCustomer[50+13] = byte(kind>>8), byte(kind)
		if o := r.run(program+"_customer", "eth2", toCloud, gso{}); o.verdict != verdict {
			t.Errorf("EtherType %#04x from the customer: %s, want %s", kind, o.verdict, what)
		}
		if kind >= 0x0600 && kind%7 > 0 && what == "sent" && kind != frame.TypeIPv4 && kind != frame.TypeIPv6 {
			continue
		}
		wantBack[what]++
		if o := r.run(program+"_underlay", "eth1", toCustomer, gso{}); o.verdict != verdict {
			t.Errorf("EtherType %#04x from the cloud: %s, want %s", kind, o.verdict, what)
		}
	}
	after := r.books().extensions["acme"]
	for _, d := range []struct {
		name          string
		before, after state.Counters
		want          map[string]uint64
	}{{"to cloud", before.ToCloud, after.ToCloud, want}, {"to customer", before.ToCustomer, after.ToCustomer, wantBack}} {
		for what, n := range d.want {
			have := d.after.Drops[what] - d.before.Drops[what]
			if what == "sent" {
				have = d.after.Tx.Frames - d.before.Tx.Frames
			}
			if have != n {
				t.Errorf("%s: %d frames %s, want %d", d.name, have, what, n)
			}
		}
	}
}

func or2(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// innerPolicies are the three forms of inner-vlan.
var innerPolicies = []struct {
	name  string
	inner state.InnerVLANs
	takes func(vid uint16) bool
}{
	{"drop", state.InnerVLANs{}, func(uint16) bool { return false }},
	{"allow", state.InnerVLANs{AllowAll: true}, func(uint16) bool { return true }},
	{"list", state.InnerVLANs{Allowed: []l2.VID{10, 20}}, func(vid uint16) bool { return vid == 10 || vid == 20 }},
}

// behindTags are frames to put behind inner tags, with what they are without any.
var behindTags = []struct {
	name  string
	inner []byte
	what  string
	ip    bool // or ARP, or SNAP: not behind two tags
}{
	{"IPv4", ethernet(macVM, macHost, udp(20)...), "sent", true},
	{"IPv6", ethernet(macVM, macHost, frame.IPv6{Src: vtep6, Dst: peerA6}, frame.UDP{}, frame.Raw(make([]byte, 4))), "sent", true},
	{"ARP", ethernet(macVM, macHost, arpRequest(macHost)), "sent", true},
	{"SNAP", ethernet(macVM, macHost, frame.SNAP{OUI: [3]byte{0, 0, 0}, Type: frame.Set(0x8137)}, frame.Raw(make([]byte, 40))), "sent", true},
	{"LLC", ethernet(macVM, macHost, frame.LLC{DSAP: 0x42, SSAP: 0x42, Control: 3}, frame.Raw(make([]byte, 43))), "sent", false},
	{"opaque", ethernet(macVM, macHost, frame.Raw(make([]byte, 46))), "sent", false},
	{"RARP", typed(0x8035, make([]byte, 46)), "sent", false},
	{"MPLS", typed(0x8847, make([]byte, 46)), "sent", false},
	{"LLDP", typed(0x88cc, make([]byte, 46)), "control-frame", false},
	{"CFM", typed(0x8902, make([]byte, 46)), "control-frame", false},
	{"slow protocol", typed(0x8809, make([]byte, 46)), "control-frame", false},
	{"PAUSE", typed(0x8808, make([]byte, 46)), "control-frame", false},
	{"type 0x05ff", typed(0x05ff, make([]byte, 46)), "malformed", false},
	{"length too long", typed(47, make([]byte, 46)), "malformed", false},
	{"broken IPv4", typed(0x0800, append([]byte{0x44}, make([]byte, 45)...)), "malformed", true},
}

func innerTags(_ *testing.T, r *rig) {
	r.statics()
	for _, policy := range innerPolicies {
		r.change(func(x *state.Extension, _ *state.Desired) { x.Inner = policy.inner })
		for _, c := range behindTags {
			for depth := range 5 {
				for _, vids := range [][]uint16{{10, 20, 10, 20}, {10, 30, 20, 10}, {0, 10, 10, 10}, {30, 10, 10, 10}} {
					for _, tpid := range tagTypes {
						in, takes := c.inner, true
						var tags []uint16
						for _, vid := range vids[:depth] {
							tags = append(tags, uint16(tpid), vid)
							takes = takes && policy.takes(vid)
						}
						want := c.what
						switch {
						case c.what == "malformed", depth > 1 && c.ip:
							want = "malformed"
						case !takes:
							want = "inner-vlan"
						}
						name := fmt.Sprintf("%s behind %d tags %v of %#x, inner-vlan %s", c.name, depth, vids[:depth], tpid, policy.name)
						r.bothWays(name, raw(in, tags...), raw(swapped(in), tags...), want)
						if depth == 0 {
							break
						}
					}
					if depth == 0 {
						break
					}
				}
			}
		}
	}
}

// IEEE 802.3 §3.2.6: up to 1500 the field is a length; more may follow only as padding.
func llcLengths(_ *testing.T, r *rig) {
	r.statics()
	for _, follows := range []int{3, 20, 45, 46, 47, 60, 100, 1499, 1500} {
		for _, length := range []int{3, 19, 20, 21, 44, 45, 46, 47, 48, 59, 60, 61, 99, 100, 101, 1499, 1500} {
			want := "malformed"
			if length == follows || length < follows && 14+follows <= 60 {
				want = "sent"
			}
			in := typed(length, append([]byte{0x42, 0x42, 3}, make([]byte, follows-3)...))
			r.bothWays(fmt.Sprintf("length %d before %d bytes", length, follows), in, swapped(in), want)
		}
	}
}

func snapCarries(_ *testing.T, r *rig) {
	r.statics()
	for _, oui := range [][3]byte{{0, 0, 0}, {0, 0, 0xf8}, {0, 0, 0xc}, {0, 0, 1}, {8, 0, 7}, {0, 1, 0}, {0xf8, 0, 0}} {
		known := oui == [3]byte{} || oui == [3]byte{0, 0, 0xf8}
		for _, kind := range append([]int{0x0800, 0x0806, 0x86dd, 0x809b, 0x8137, 0x2000, 0x010b, 0x88b5}, tagTypes...) {
			want := "sent"
			if known && (kind == 0x0800 || kind == 0x0806 || kind == 0x86dd || slices.Contains(tagTypes, kind)) {
				want = "malformed"
			}
			if known && kind < 0x0600 {
				continue // carries no EtherType
			}
			in := ethernet(macVM, macHost, frame.SNAP{OUI: oui, Type: frame.Set(uint32(kind))}, frame.Raw(make([]byte, 40)))
			r.bothWays(fmt.Sprintf("SNAP %x carries %#04x", oui, kind), in, swapped(in), want)
		}
	}
	for length := 3; length < 8; length++ { // the header itself is cut off
		in := typed(length, []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0})[:14+length]
		r.bothWays(fmt.Sprintf("%d bytes of SNAP", length), in, swapped(in), "malformed")
	}
}

func ipv4Lengths(_ *testing.T, r *rig) {
	r.statics()
	ip := func(h frame.IPv4) []byte {
		h.Src, h.Dst = ipHost, ipVM
		return ethernet(macVM, macHost, h, frame.UDP{}, frame.Raw(make([]byte, 30)))
	}
	for _, c := range []struct {
		name string
		h    frame.IPv4
		want string
	}{
		{"right", frame.IPv4{}, "sent"},
		{"options", frame.IPv4{Options: []byte{1, 1, 1, 1}}, "sent"},
		{"header of 4 words", frame.IPv4{HeaderWords: frame.Set(4)}, "malformed"},
		{"header of 0 words", frame.IPv4{HeaderWords: frame.Set(0)}, "malformed"},
		{"header beyond the total length", frame.IPv4{HeaderWords: frame.Set(15), TotalLength: frame.Set(58)}, "malformed"},
		{"total length below the header", frame.IPv4{TotalLength: frame.Set(19)}, "malformed"},
		{"total length zero", frame.IPv4{TotalLength: frame.Set(0)}, "malformed"},
		{"total length one too long", frame.IPv4{TotalLength: frame.Set(59)}, "malformed"},
		{"total length 65535", frame.IPv4{TotalLength: frame.Set(65535)}, "malformed"},
		{"total length shorter", frame.IPv4{TotalLength: frame.Set(57)}, "sent"},
		{"no room for UDP", frame.IPv4{TotalLength: frame.Set(27)}, "malformed"},
		{"later fragment", frame.IPv4{FragmentOffset: 5}, "sent"},
		{"first fragment", frame.IPv4{MoreFragments: true}, "sent"},
	} {
		in := ip(c.h)
		r.bothWays("IPv4, "+c.name, in, swapped(in), c.want)
	}
	whole := ip(frame.IPv4{})
	for size := 15; size < len(whole); size++ {
		r.bothWays(fmt.Sprintf("IPv4, %d of %d bytes", size, len(whole)), whole[:size], swapped(whole[:size]), "malformed")
	}
	whole = typed(0x86dd, frame.Stack(frame.IPv6{Src: vtep6, Dst: peerA6}, frame.UDP{}, frame.Raw(make([]byte, 30))).Bytes())
	for size := 15; size < len(whole); size++ {
		r.bothWays(fmt.Sprintf("IPv6, %d of %d bytes", size, len(whole)), whole[:size], swapped(whole[:size]), "malformed")
	}
}

func arpSizes(_ *testing.T, r *rig) {
	r.statics()
	whole := ethernet(macVM, macHost, arpRequest(macHost))
	for size := 14; size < 42; size++ {
		r.bothWays(fmt.Sprintf("ARP of %d bytes", size), whole[:size], swapped(whole[:size]), "malformed")
	}
	r.bothWays("ARP of 42 bytes", whole, swapped(whole), "sent")
}

func shortest(_ *testing.T, r *rig) {
	r.statics()
	for kind, want := range map[int]string{0x88b5: "sent", 0xffff: "sent", 0x0600: "sent", 0x0800: "malformed", 0x86dd: "malformed", 0x8808: "control-frame", 0x8100: "malformed", 0x05dc: "malformed"} {
		in := typed(kind, nil)
		r.bothWays(fmt.Sprintf("14 bytes of %#04x", kind), in, swapped(in), want)
	}
}

// A first byte that says another version: no host takes it for IP, so it crosses opaque.
func otherVersions(_ *testing.T, r *rig) {
	r.statics()
	for version := range 16 {
		payload := append([]byte{byte(version << 4)}, make([]byte, 45)...)
		for kind, own := range map[int]int{0x0800: 4, 0x86dd: 6} {
			if version != own {
				in := typed(kind, payload)
				r.bothWays(fmt.Sprintf("type %#04x with version %d", kind, version), in, swapped(in), "sent")
			}
		}
	}
}
