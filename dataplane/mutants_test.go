// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// What mutants of the programs survived before these tests were there.
func TestMutants(t *testing.T) {
	lightSuite(t, []part{
		{"MSS", clampedMSS}, {"MSS off", unclampedMSS}, {"DHCPv6 servers", dhcp6Servers}, {"Cisco's protocols", ciscoProtocols}, {"SNAP", snapOUIs},
	})
}

// segment is a TCP segment between host and VM.
func segment(dst, src l2.MAC, six bool, tcp frame.TCP, payload []byte) []byte {
	tcp.SrcPort, tcp.DstPort = 40000, 443
	var ip frame.Layer = frame.IPv4{Src: ipHost, Dst: ipVM}
	if six {
		ip = frame.IPv6{Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("fd00::2")}
	}
	return ethernet(dst, src, ip, tcp, frame.Raw(payload))
}

// shortened makes the IP packet end before its frame does.
func shortened(in []byte, by uint16) []byte {
	at := 14 + 2
	if in[14]>>4 == 6 {
		at = 14 + 4
	}
	length := binary.BigEndian.Uint16(in[at:]) - by
	binary.BigEndian.PutUint16(in[at:], length)
	return in
}

// wantUnclamped: padding that looks like the option is padding.
func (r *rig) wantUnclamped(t *testing.T, in []byte) {
	t.Helper()
	want := in
	if r.engine == state.EngineXDP { // with tc the tag is in the socket buffer
		want = r.onCircuit(in)
	}
	if down := r.fromCloud(r.tunnelled(peerA, in)); !bytes.Equal(down.out, want) {
		t.Errorf("behind the packet's end, to customer: %s\n% x\nwant\n% x", down.verdict, down.out, want)
	}
}

func nops(n int) []byte { return bytes.Repeat([]byte{1}, n) }

const (
	synFlag = 2
	ackFlag = 16
)

// clamped are options as they come, and as they leave with a limit of 1000; both where they stay.
var clamped = []struct {
	name    string
	flags   uint8
	in, out []byte
}{
	{"above", synFlag, frame.MSS(1460), frame.MSS(1000)},
	{"one above", synFlag, frame.MSS(1001), frame.MSS(1000)},
	{"equal", synFlag, frame.MSS(1000), frame.MSS(1000)},
	{"below", synFlag, frame.MSS(536), frame.MSS(536)},
	{"the answer", synFlag | ackFlag, frame.MSS(1460), frame.MSS(1000)},
	{"no SYN", ackFlag, frame.MSS(1460), frame.MSS(1460)},
	{"at an odd place", synFlag, slices.Concat(nops(1), frame.MSS(1460), nops(3)), slices.Concat(nops(1), frame.MSS(1000), nops(3))},
	{"behind another option", synFlag, slices.Concat([]byte{4, 2}, frame.MSS(9000), nops(2)), slices.Concat([]byte{4, 2}, frame.MSS(1000), nops(2))},
	{"the last of all", synFlag, slices.Concat(nops(36), frame.MSS(1460)), slices.Concat(nops(36), frame.MSS(1000))},
	{"behind the end", synFlag, slices.Concat([]byte{0, 1, 1, 1}, frame.MSS(1460)), slices.Concat([]byte{0, 1, 1, 1}, frame.MSS(1460))},
	{"behind a length of 1", synFlag, slices.Concat([]byte{8, 1}, frame.MSS(1460), nops(2)), slices.Concat([]byte{8, 1}, frame.MSS(1460), nops(2))},
	{"of a wrong length", synFlag, []byte{2, 3, 0xff, 1}, []byte{2, 3, 0xff, 1}},
	{"none", synFlag, nops(4), nops(4)},
}

func clampedMSS(t *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.MSS = state.MSS{Bytes: 1000} })
	for _, six := range []bool{false, true} {
		for _, c := range clamped {
			name := fmt.Sprintf("%s, IPv6 %v", c.name, six)
			r.wantBoth(t, name, func(dst, src l2.MAC, leaves bool) []byte {
				options := c.in
				if leaves {
					options = c.out
				}
				return segment(dst, src, six, frame.TCP{Flags: c.flags, Options: options}, []byte("data"))
			})
		}
		r.wantUnclamped(t, shortened(segment(macHost, macVM, six, frame.TCP{Flags: synFlag, Options: frame.MSS(1460)}, nil), 4))
		// Payload that looks like the option.
		r.wantBoth(t, "in the payload", func(dst, src l2.MAC, _ bool) []byte {
			return segment(dst, src, six, frame.TCP{Flags: synFlag}, frame.MSS(1460))
		})
	}
}

func unclampedMSS(t *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.MSS = state.MSS{Off: true} })
	r.wantBoth(t, "off", func(dst, src l2.MAC, _ bool) []byte {
		return segment(dst, src, false, frame.TCP{Flags: synFlag, Options: frame.MSS(9000)}, nil)
	})
}

// wantBoth sends a frame in both directions and wants it to leave as build says.
func (r *rig) wantBoth(t *testing.T, name string, build func(dst, src l2.MAC, leaves bool) []byte) {
	t.Helper()
	down := r.fromCloud(r.tunnelled(peerA, build(macHost, macVM, false)))
	want := build(macHost, macVM, true)
	if r.engine == state.EngineXDP { // with tc the tag is in the socket buffer
		want = r.onCircuit(want)
	}
	if !bytes.Equal(down.out, want) {
		t.Errorf("%s, to customer: %s\n% x\nwant\n% x", name, down.verdict, down.out, want)
	}
	up := r.fromCustomer(r.onCircuit(build(macVM, macHost, false)))
	if up.verdict != "redirect" {
		t.Errorf("%s, to cloud: %s", name, up.verdict)
		return
	}
	checkOuter(t, r, up.out, build(macVM, macHost, true), 0)
}

// dhcp6Servers: every message of servers and relays, from each side of the ports.
func dhcp6Servers(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Refused.FromCustomer = state.Services{DHCP: true}
		g.Storm, g.Fingerprint = [state.StormClasses]state.StormRate{}, false
	})
	message := func(src, dst uint16, kind byte) []byte {
		return r.onCircuit(ethernet(l2.MAC{0x33, 0x33, 0, 1, 0, 2}, macHost,
			frame.IPv6{Src: netip.MustParseAddr("fe80::9"), Dst: netip.MustParseAddr("ff02::1:2")},
			frame.UDP{SrcPort: src, DstPort: dst}, frame.Raw([]byte{kind, 1, 2, 3})))
	}
	for kind := byte(1); kind <= 14; kind++ {
		want := "sent"
		if slices.Contains([]byte{2, 7, 10, 13}, kind) {
			want = "service-dhcp"
		}
		name := fmt.Sprintf("message %d", kind)
		r.expect(name+" from a server's port", "eth2", message(547, 4000, kind), want)
		r.expect(name+" to a server's port", "eth2", message(4000, 547, kind), want)
		r.expect(name+" to a client's port", "eth2", message(4000, 546, kind), "service-dhcp")
		r.expect(name+" from a client's port", "eth2", message(546, 4000, kind), "sent")
	}
}

// ciscoProtocols: which protocol it is says SNAP, and all of its header must be right.
func ciscoProtocols(_ *testing.T, r *rig) {
	frameOf := func(header ...byte) []byte {
		cisco := l2.MAC{1, 0, 0x0c, 0xcc, 0xcc, 0xcc}
		return r.onCircuit(control(cisco, slices.Concat([]byte{0, 46}, header, make([]byte, 38))))
	}
	protocols := map[string][2]byte{"pagp": {1, 0x04}, "udld": {1, 0x11}, "cdp": {0x20, 0}, "vtp": {0x20, 3}, "dtp": {0x20, 4}}
	for tunnelled := range protocols {
		r.guarded(func(_ *state.Extension, g *state.Guards) { g.Tunnelled = []string{tunnelled} })
		for name, pid := range protocols {
			want := "control-frame"
			if name == tunnelled {
				want = "sent"
			}
			r.expect(name+" where "+tunnelled+" may cross", "eth2", frameOf(0xaa, 0xaa, 3, 0, 0, 0x0c, pid[0], pid[1]), want)
		}
		pid := protocols[tunnelled]
		r.expect("another SAP", "eth2", frameOf(0xab, 0xaa, 3, 0, 0, 0x0c, pid[0], pid[1]), "control-frame")
		r.expect("another OUI, first byte", "eth2", frameOf(0xaa, 0xaa, 3, 1, 0, 0x0c, pid[0], pid[1]), "control-frame")
		r.expect("another OUI, second byte", "eth2", frameOf(0xaa, 0xaa, 3, 0, 1, 0x0c, pid[0], pid[1]), "control-frame")
		r.expect("another OUI, third byte", "eth2", frameOf(0xaa, 0xaa, 3, 0, 0, 0x0d, pid[0], pid[1]), "control-frame")
	}
}

// snapOUIs: Ethernet inside SNAP is refused under both of the OUIs that mean it, and under no other.
func snapOUIs(_ *testing.T, r *rig) {
	for oui, want := range map[[3]byte]string{
		{0, 0, 0}: "malformed", {0, 0, 0xf8}: "malformed", {0, 0, 0xf7}: "sent", {0, 1, 0xf8}: "sent", {1, 0, 0}: "sent",
	} {
		header := []byte{0, 46, 0xaa, 0xaa, 3, oui[0], oui[1], oui[2], 0x08, 0x00}
		r.expect(fmt.Sprintf("OUI %x", oui), "eth2", r.onCircuit(control(l2.Broadcast, append(header, make([]byte, 38)...))), want)
	}
}
