// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestControlFramesAndSources(t *testing.T) {
	lightSuite(t, []part{
		{"addresses", controlAddresses}, {"EtherTypes", controlTypesAnywhere}, {"modes", controlModes},
		{"bad sources", badSources},
	})
}

// reservedGroups are addresses next to each other, and whether a frame to them is a control frame.
func reservedGroups() map[l2.MAC]bool {
	m := map[l2.MAC]bool{}
	for last := range 256 {
		group := last / 16
		m[l2.MAC{0x01, 0x80, 0xc2, 0, 0, byte(last)}] = group == 0 || group == 2 || group == 3
		m[l2.MAC{0x00, 0xe0, 0x2b, 0, 0, byte(last)}] = group == 0 // EDP, EAPS
		m[l2.MAC{0x01, 0x80, 0xc2, 0, 1, byte(last)}] = false
		m[l2.MAC{0x01, 0x00, 0x0c, 0xcc, 0xcc, byte(last)}] = last == 0xcc || last == 0xcd
		m[l2.MAC{0x01, 0x00, 0x0c, 0x00, 0x00, byte(last)}] = last == 0 // ISL
	}
	for _, near := range []l2.MAC{
		{0x00, 0x80, 0xc2, 0, 0, 0}, {0x01, 0x81, 0xc2, 0, 0, 0}, {0x01, 0x80, 0xc3, 0, 0, 0}, {0x01, 0x80, 0xc2, 1, 0, 0},
		{0x01, 0x00, 0x0c, 0xcd, 0xcd, 0xd0}, {0x01, 0x00, 0x0c, 0xcc, 0xcd, 0xcc}, {0x01, 0x00, 0x0d, 0xcc, 0xcc, 0xcc},
		{0x00, 0xe0, 0x2b, 0, 1, 0}, {0x00, 0xe0, 0x2b, 1, 0, 0}, {0x01, 0xe0, 0x2b, 0, 0, 0}, {0x01, 0x1b, 0x19, 0, 0, 0},
	} {
		m[near] = false
	}
	return m
}

func controlAddresses(_ *testing.T, r *rig) {
	lldp := frame.LLC{DSAP: 0x42, SSAP: 0x42, Control: 3}
	for mac, control := range reservedGroups() {
		want := "sent"
		if control {
			want = "control-frame"
		}
		body := frame.Raw(make([]byte, 43))
		r.bothWays("opaque to "+mac.String(), ethernet(mac, macHost, body), ethernet(mac, macVM, body), want)
		if control { // whatever the EtherType
			r.bothWays("LLC to "+mac.String(), ethernet(mac, macHost, lldp, body), ethernet(mac, macVM, lldp, body), want)
			r.bothWays("IPv4 to "+mac.String(), ethernet(mac, macHost, udp(20)...), ethernet(mac, macVM, udp(20)...), want)
		}
	}
}

func controlTypesAnywhere(_ *testing.T, r *rig) {
	r.statics()
	for _, kind := range controlTypes {
		for _, dst := range []l2.MAC{macVM, l2.Broadcast, {0x01, 0x00, 0x5e, 1, 2, 3}} {
			in := typed(kind, make([]byte, 46))
			copy(in, dst[:])
			back := typed(kind, make([]byte, 46))
			copy(back[6:], macVM[:])
			copy(back, dst[:])
			if dst == macVM {
				copy(back, macHost[:])
			}
			r.bothWays(fmt.Sprintf("EtherType %#04x to %s", kind, dst), in, back, "control-frame")
		}
	}
}

// mode governs inner-vlan and control-frame, and not bad-source.
func controlModes(t *testing.T, r *rig) {
	r.statics()
	lldp := typed(0x88cc, make([]byte, 46))
	tag := raw(opaque, 0x8100, 5)
	for _, mode := range []state.GuardMode{state.Observe, state.Off} {
		r.change(func(x *state.Extension, _ *state.Desired) { x.Mode = mode })
		for reason, in := range map[string][]byte{"control-frame": lldp, "inner-vlan": tag} {
			want := ""
			if mode == state.Observe {
				want = reason
			}
			for nic, bytes := range map[string][]byte{"eth2": r.onCircuit(in), "eth1": packet{inner: swapped(in)}.bytes(r)} {
				f := r.expect(reason, nic, bytes, "sent")
				if f.would != want {
					t.Errorf("%s by %s in mode %d: would_drop counts %q, want %q", reason, nic, mode, f.would, want)
				}
			}
		}
		broken := typed(0x05ff, make([]byte, 46))
		r.bothWays("malformed, whatever the mode", broken, swapped(broken), "malformed")
	}
}

func badSources(t *testing.T, r *rig) {
	r.statics()
	sources := map[string]l2.MAC{
		"zero": {}, "broadcast": l2.Broadcast, "multicast": {0x01, 0, 0x5e, 1, 1, 1}, "local multicast": {0x03, 0, 0, 0, 0, 9},
		"the customer's NIC's": r.mac("eth2"), "the uplink's": r.mac("eth1"),
	}
	for _, mode := range []state.GuardMode{state.Enforce, state.Observe, state.Off} {
		r.change(func(x *state.Extension, _ *state.Desired) { x.Mode = mode })
		for name, mac := range sources {
			for _, dst := range []l2.MAC{macVM, l2.Broadcast} {
				body := frame.Raw(make([]byte, 46))
				back := dst
				if dst == macVM {
					back = macHost
				}
				before := r.learnt()
				r.bothWays(fmt.Sprintf("%s source, mode %d", name, mode), ethernet(dst, mac, body), ethernet(back, mac, body), "bad-source")
				if r.learnt() != before || r.isLearnt(mac) {
					t.Errorf("%s source was learnt", name)
				}
			}
		}
	}
}
