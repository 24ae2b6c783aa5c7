// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// row is one row of the guards: a frame that fires, or that must not be touched.
type row struct {
	name   string
	change settings
	frame  []byte
	want   Reason
}

// bothWays runs rows from either side between known stations.
func bothWays(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		b := newBench(t, r.change)
		b.x.Guards.Loops = false
		b.meet()
		b.want(r.name+" from the customer", b.fromCustomer(r.frame), r.want)
		back := swapped(r.frame)
		if r.frame[0]&1 != 0 { // a group stays the destination
			back = append(append([]byte{}, r.frame[:6]...), r.frame[6:]...)
			copy(back[6:], guest[:])
		}
		if r.want != SameSide {
			b.want(r.name+" from the cloud", b.fromCloud(peerA, back), r.want)
		}
	}
}

func typed(kind uint16, behind int, tags ...uint16) []byte {
	b := append(append([]byte{}, guest[:]...), host[:]...)
	b = append16(b, tags...)
	return append(append16(b, kind), make([]byte, behind)...)
}

func TestCrossing(t *testing.T) {
	raised := func(_ *state.Desired, x *state.Extension, _ *Guards) { x.Inner.AllowAll = true }
	listed := func(_ *state.Desired, x *state.Extension, _ *Guards) { x.Inner.Allowed = []l2.VID{10} }
	ip := frame.IPv4{Src: ipHost, Dst: ipGuest}
	rows := []row{
		{"opaque", nil, typed(typeProbe, 46), None},
		{"14 bytes", nil, typed(typeProbe, 0), None},
		{"type 0x0600", nil, typed(0x0600, 46), None},
		{"type 0x05ff", nil, typed(0x05ff, 46), Malformed},
		{"length 1501", nil, typed(1501, 1501), Malformed},
		{"LLC", nil, eth(guest, host, frame.LLC{DSAP: 0x42, SSAP: 0x42, Control: 3}, payload), None},
		{"LLC padded", nil, frame.Ethernet{Dst: guest, Src: host}.With(frame.LLC{DSAP: 0x42, SSAP: 0x42, Control: 3}).Padded(60).Bytes(), None},
		{"LLC with an excess that is no padding", nil, typed(46, 48), Malformed},
		{"SNAP with IPv4", nil, eth(guest, host, frame.SNAP{Type: frame.Set(typeIPv4)}, payload), Malformed},
		{"SNAP with a tag", nil, eth(guest, host, frame.SNAP{OUI: [3]byte{0, 0, 0xf8}, Type: frame.Set(typeVLAN)}, payload), Malformed},
		{"SNAP with SNAP", nil, eth(guest, host, frame.SNAP{Type: frame.Set(40)}, payload), Malformed},
		{"SNAP with AppleTalk", nil, eth(guest, host, frame.SNAP{OUI: [3]byte{8, 0, 7}, Type: frame.Set(0x809b)}, payload), None},
		{"ARP of 42 bytes", nil, eth(guest, host, frame.ARP{Op: 1, SenderIP: ipHost, TargetIP: ipGuest}), None},
		{"ARP cut short", nil, typed(typeARP, 27), Malformed},
		{"one tag", nil, typed(typeProbe, 46, typeVLAN, 10), InnerVLAN},
		{"priority tag behind the circuit's", nil, typed(typeProbe, 46, typeVLAN, 0), InnerVLAN},
		{"one tag, allowed", raised, typed(typeProbe, 46, 0x9300, 10), None},
		{"one tag, listed", listed, typed(typeProbe, 46, typeVLAN, 10), None},
		{"one tag, not listed", listed, typed(typeProbe, 46, typeVLAN, 11), InnerVLAN},
		{"four tags, allowed", raised, typed(typeProbe, 46, typeVLAN, 1, typeVLAN, 2, typeVLAN, 3, typeSVLAN, 4), None},
		{"five tags", raised, typed(typeProbe, 46, typeVLAN, 1, typeVLAN, 2, typeVLAN, 3, typeSVLAN, 4, typeVLAN, 5), Malformed},
		{"two tags before IPv4", raised, eth(guest, host, frame.VLAN{}, frame.VLAN{ID: 1}, ip, frame.UDP{}), Malformed},
		{"two tags before SNAP", raised, eth(guest, host, frame.VLAN{}, frame.VLAN{}, frame.SNAP{OUI: [3]byte{8, 0, 7}}, payload), Malformed},
		{"IPv4", nil, eth(guest, host, ip, frame.UDP{}, payload), None},
		{"IPv4 of version 5", nil, append(typed(typeIPv4, 0), append([]byte{0x55}, make([]byte, 45)...)...), None},
		{"IPv4 header of 4 words", nil, eth(guest, host, frame.IPv4{Src: ipHost, Dst: ipGuest, HeaderWords: frame.Set(4)}, frame.UDP{}), Malformed},
		{"IPv4 too long", nil, eth(guest, host, frame.IPv4{Src: ipHost, Dst: ipGuest, TotalLength: frame.Set(29)}, frame.UDP{}), Malformed},
		{"UDP cut short", nil, eth(guest, host, frame.IPv4{Src: ipHost, Dst: ipGuest, TotalLength: frame.Set(27)}, frame.UDP{}), Malformed},
		{"TCP over IPv4 cut short", nil, eth(guest, host, frame.IPv4{Src: ipHost, Dst: ipGuest, Protocol: frame.Set(6)}, frame.Raw("abc")), None},
	}
	bothWays(t, rows)
}

func TestIPv6Chains(t *testing.T) {
	options := frame.DestinationOptions(1, 4, 0, 0, 0, 0)
	chain := func(layers ...frame.Layer) []byte {
		return eth(guest, host, append([]frame.Layer{frame.IPv6{Src: ip6Host, Dst: ip6Host}}, layers...)...)
	}
	many := func(n int) []byte {
		layers := []frame.Layer{}
		for range n {
			layers = append(layers, options)
		}
		return chain(append(layers, frame.UDP{})...)
	}
	body := frame.Raw(make([]byte, 24))
	bothWays(t, []row{
		{"eight headers", nil, many(8), None},
		{"nine headers", nil, many(9), Malformed},
		{"ESP ends the chain", nil, chain(options, frame.ESP{}, body), None},
		{"unknown header ends the chain", nil, chain(frame.Extension{Header: 60, Body: make([]byte, 6), NextHeader: frame.Set(200)}, body), None},
		{"first fragment without the chain", nil, chain(frame.Fragment{More: true, NextHeader: frame.Set(60)}), Malformed},
		{"first fragment with the chain", nil, chain(frame.Fragment{More: true}, frame.UDP{}), None},
		{"later fragment", nil, chain(frame.Fragment{Offset: 9, NextHeader: frame.Set(58)}, frame.Raw("ab")), None},
		{"fragmented ND", nil, chain(frame.Fragment{More: true}, frame.ICMPv6{Type: 135}, body), Malformed},
		{"atomic fragment of ND", nil, chain(frame.Fragment{}, options, frame.ICMPv6{Type: 136}, body), Malformed},
		{"fragmented echo", nil, chain(frame.Fragment{More: true}, frame.ICMPv6{Type: 128}, body), None},
		{"TCP cut short", nil, chain(frame.Extension{Header: 60, Body: make([]byte, 6), NextHeader: frame.Set(6)}, frame.Raw(make([]byte, 19))), Malformed},
	})
}

// Every control frame is dropped, by address and by EtherType, and the neighbours of these are not.
func TestControlFrames(t *testing.T) {
	for last := range 256 {
		group := last / 16
		for mac, want := range map[l2.MAC]bool{
			{0x01, 0x80, 0xc2, 0, 0, byte(last)}:    group == 0 || group == 2 || group == 3,
			{0x00, 0xe0, 0x2b, 0, 0, byte(last)}:    group == 0,
			{0x01, 0, 0x0c, 0xcc, 0xcc, byte(last)}: last == 0xcc || last == 0xcd,
			{0x01, 0, 0x0c, 0, 0, byte(last)}:       last == 0,
			{0x01, 0x80, 0xc2, 0, 1, byte(last)}:    false,
		} {
			reason := None
			if want {
				reason = ControlFrame
			}
			b := newBench(t)
			b.want("to "+mac.String(), b.fromCustomer(eth(mac, host, payload)), reason)
		}
	}
	var rows []row
	for _, kind := range controlTypes {
		rows = append(rows, row{fmt.Sprintf("type %#04x", kind), nil, typed(kind, 46), ControlFrame})
	}
	bothWays(t, rows)
}

func TestControlFramesTunnelled(t *testing.T) {
	cisco := func(protocol uint32) []byte {
		return eth(l2.MAC{0x01, 0, 0x0c, 0xcc, 0xcc, 0xcc}, host, frame.SNAP{OUI: [3]byte{0, 0, 0x0c}, Type: frame.Set(protocol)}, payload)
	}
	group := func(last byte) []byte { return eth(l2.MAC{0x01, 0x80, 0xc2, 0, 0, last}, host, payload) }
	frames := map[Protocols][]byte{
		CDP: cisco(0x2000), VTP: cisco(0x2003), DTP: cisco(0x2004), PAgP: cisco(0x0104), UDLD: cisco(0x0111),
		PVST: eth(l2.MAC{0x01, 0, 0x0c, 0xcc, 0xcc, 0xcd}, host, payload), STP: group(0), EAP: group(3), MRP: group(0x20),
		GVRP: group(0x21), CFM: typed(typeCFM, 46), LACP: append(append(typed(typeSlow, 0), slowLACP), make([]byte, 45)...), LLDP: typed(typeLLDP, 46),
	}
	for p, in := range frames {
		for allowed := CDP; allowed <= STP; allowed <<= 1 {
			b := newBench(t, func(_ *state.Desired, _ *state.Extension, g *Guards) { g.Tunnelled = allowed })
			want := ControlFrame
			if allowed == p || p == GVRP && allowed == MRP { // they share an address
				want = None
			}
			b.want(fmt.Sprintf("protocol %#x while %#x is tunnelled", p, allowed), b.fromCustomer(in), want)
		}
	}
	pause := newBench(t, func(_ *state.Desired, _ *state.Extension, g *Guards) { g.Tunnelled = 1<<13 - 1 })
	pause.want("PAUSE is never tunnelled", pause.fromCustomer(typed(typePause, 46)), ControlFrame)
}

func TestBadSources(t *testing.T) {
	for _, mode := range []state.GuardMode{state.Enforce, state.Observe, state.Off} {
		b := newBench(t, func(_ *state.Desired, x *state.Extension, _ *Guards) { x.Mode = mode })
		for _, src := range []l2.MAC{{}, l2.Broadcast, {1, 0, 0x5e, 1, 1, 1}, nicMAC, uplinkMAC} {
			b.want("source "+src.String(), b.fromCustomer(hello(src)), BadSource)
			b.want("source "+src.String(), b.fromCloud(peerA, hello(src)), BadSource)
			if b.x.FDB[src] != nil {
				t.Errorf("%s was learnt", src)
			}
		}
	}
}

func TestSidesLengthAndHops(t *testing.T) {
	b := newBench(t)
	b.meet()
	b.want("to the same side", b.fromCustomer(eth(host, station(1, 1), payload)), SameSide)
	b.want("from one VTEP to another", b.fromCloud(peerB, eth(guest, station(2, 1), payload)), SplitHorizon)
	long := frame.Raw(make([]byte, 1600-36-14))
	b.want("as long as fits", b.fromCustomer(eth(guest, host, long)), None)
	b.want("a byte too long", b.fromCustomer(eth(guest, host, long, frame.Raw("a"))), TooBig)
	b.want("longer than the customer's NIC takes", b.fromCloud(peerA, eth(host, guest, frame.Raw(make([]byte, 1501)))), TooBig)
	b.g.Unresolved[peerA] = true
	b.want("to a VTEP without a route", b.fromCustomer(eth(guest, host, payload)), NoNextHop)
	if r := b.fromCustomer(hello(host)); len(r.Leaves) != 1 || r.Leaves[0].VTEP != peerB {
		t.Errorf("a flood leaves as %+v, want one copy to %s", r.Leaves, peerB)
	}
	b.g.Unresolved[peerB] = true
	b.want("to no VTEP", b.fromCustomer(hello(host)), NoNextHop)
	down := newBench(t, func(_ *state.Desired, x *state.Extension, _ *Guards) { x.Down = true })
	down.want("while down", down.fromCloud(peerA, hello(guest)), NoNextHop)
	if down.x.FDB[guest] == nil {
		t.Error("what is dropped behind stage 7 is learnt all the same")
	}
	up := newBench(t, func(_ *state.Desired, x *state.Extension, _ *Guards) { x.Raised = true })
	up.want("while raised", up.fromCustomer(hello(host)), Raised)
	if len(up.x.FDB) != 0 {
		t.Error("raised learns nothing")
	}
}

// What must be answered, and what must not.
func TestTooBigIsAnswered(t *testing.T) {
	small := func(d *state.Desired, _ *state.Extension, _ *Guards) { d.Underlay.MTU = 1036 }
	big := frame.Raw(make([]byte, 1200))
	four := func(h frame.IPv4, more ...frame.Layer) []byte {
		h.Src, h.Dst = ipHost, ipGuest
		return eth(guest, host, append(append([]frame.Layer{h}, more...), big)...)
	}
	df := frame.IPv4{DontFragment: true}
	for _, c := range []struct {
		name   string
		frame  []byte
		answer bool
	}{
		{"DF", four(df, frame.UDP{}), true},
		{"no DF", four(frame.IPv4{}, frame.UDP{}), false},
		{"later fragment", four(frame.IPv4{DontFragment: true, FragmentOffset: 9}, frame.UDP{}), false},
		{"ICMP error", four(df, frame.ICMP{Type: 3}), false},
		{"echo", four(df, frame.ICMP{Type: 8}), true},
		{"IPv6", eth(guest, host, frame.IPv6{Src: ip6Host, Dst: ip6Host}, frame.UDP{}, big), true},
		{"IPv6, ICMPv6 error", eth(guest, host, frame.IPv6{Src: ip6Host, Dst: ip6Host}, frame.ICMPv6{Type: 1}, big), false},
		{"broadcast", eth(l2.Broadcast, host, frame.IPv4{Src: ipHost, Dst: ipGuest, DontFragment: true}, frame.UDP{}, big), false},
		{"IPv6 to a group", eth(guest, host, frame.IPv6{Src: ip6Host, Dst: ip6Any}, frame.UDP{}, big), false},
		{"nobody's address", eth(guest, host, frame.IPv4{Dst: ipGuest, DontFragment: true}, frame.UDP{}, big), false},
		{"opaque", eth(guest, host, big), false},
	} {
		b := newBench(t, small)
		b.meet()
		r := b.fromCustomer(c.frame)
		b.want(c.name, r, TooBig)
		if (r.Answer != nil) != c.answer {
			t.Errorf("%s: answered is %t, want %t", c.name, r.Answer != nil, c.answer)
		}
		if a := r.Answer; a != nil && (a.MTU != 1000-14 || a.Src != guest || a.Dst != host) {
			t.Errorf("%s: answer %+v", c.name, a)
		}
	}
	b := newBench(t, small)
	b.meet()
	answers := 0
	for range 100 {
		b.wait(10 * time.Millisecond)
		if b.fromCustomer(four(df, frame.UDP{})).Answer != nil {
			answers++
		}
	}
	if answers != answersPerSecond {
		t.Errorf("%d answers in a second, want %d", answers, answersPerSecond)
	}
}

func TestTunnel(t *testing.T) {
	inner := eth(l2.Broadcast, guest, payload)
	udp, vx := frame.UDP{SrcPort: 50000, DstPort: 4789}, frame.VXLAN{VNI: 10100}
	build := func(h frame.IPv4, u frame.UDP, v frame.VXLAN) []byte {
		if !h.Src.IsValid() {
			h.Src = peerA
		}
		if !h.Dst.IsValid() {
			h.Dst = vtep
		}
		return frame.Ethernet{Dst: uplinkMAC, Src: guest}.With(h, u, v, frame.Raw(inner)).Bytes()
	}
	foreign := build(frame.IPv4{}, udp, vx)
	copy(foreign, host[:])
	for _, c := range []struct {
		name   string
		packet []byte
		want   Reason
		passed bool
	}{
		{"right", build(frame.IPv4{}, udp, vx), None, false},
		{"stranger", build(frame.IPv4{Src: netip.MustParseAddr("192.0.2.66")}, udp, vx), UnknownVTEP, false},
		{"another port", build(frame.IPv4{}, frame.UDP{DstPort: 4790}, vx), None, true},
		{"another address", build(frame.IPv4{Dst: peerB}, udp, vx), None, true},
		{"another protocol", build(frame.IPv4{Protocol: frame.Set(6)}, udp, vx), None, true},
		{"foreign MAC", foreign, TunnelHeader, false},
		{"options", build(frame.IPv4{Options: []byte{1, 1, 1, 1}}, udp, vx), TunnelHeader, false},
		{"checksum", build(frame.IPv4{Checksum: frame.Set(1)}, udp, vx), TunnelHeader, false},
		{"fragment", build(frame.IPv4{MoreFragments: true}, udp, vx), TunnelHeader, false},
		{"later fragment", build(frame.IPv4{FragmentOffset: 3}, udp, vx), TunnelHeader, false},
		{"stranger's later fragment", build(frame.IPv4{Src: vtep6Stranger, FragmentOffset: 3}, udp, vx), None, true},
		{"UDP length", build(frame.IPv4{}, frame.UDP{DstPort: 4789, Length: frame.Set(9)}, vx), TunnelHeader, false},
		{"no I flag", build(frame.IPv4{}, udp, frame.VXLAN{VNI: 10100, Flags: frame.Set(0)}), TunnelHeader, false},
		{"another flag", build(frame.IPv4{}, udp, frame.VXLAN{VNI: 10100, Flags: frame.Set(0x0c)}), TunnelHeader, false},
		{"reserved byte", build(frame.IPv4{}, udp, frame.VXLAN{VNI: 10100, Reserved2: 1}), TunnelHeader, false},
		{"another VNI", build(frame.IPv4{}, udp, frame.VXLAN{VNI: 10101}), UnknownVNI, false},
	} {
		b := newBench(t)
		r := b.g.FromUnderlay(b.now, "eth1", c.packet)
		if r.Reason != c.want || (r.Verdict == Passed) != c.passed {
			t.Errorf("%s: %s as %q, want %q", c.name, r.Verdict, r.Reason, c.want)
		}
		if r.Extension == nil && len(b.x.FDB) != 0 {
			t.Errorf("%s: something was learnt", c.name)
		}
	}
	b := newBench(t, func(d *state.Desired, _ *state.Extension, _ *Guards) { d.Underlay.IgnoreReservedBits = true })
	r := b.g.FromUnderlay(b.now, "eth1", build(frame.IPv4{}, udp, frame.VXLAN{VNI: 10100, Reserved2: 1}))
	b.want("reserved bits ignored", r, None)
}

var vtep6Stranger = netip.MustParseAddr("192.0.2.66")

// RFC 6040 §4.2, figure 4: [inner][outer]; -1 drops.
func TestMarksOfCongestion(t *testing.T) {
	want := [4][4]int{0: {0, 0, 0, -1}, 1: {1, 1, 1, 3}, 2: {2, 1, 2, 3}, 3: {3, 3, 3, 3}}
	for inner := range 4 {
		for outer := range 4 {
			for _, v6 := range []bool{false, true} {
				b := newBench(t)
				b.meet()
				ip := frame.Layer(frame.IPv4{Src: ipGuest, Dst: ipHost, TOS: 0xb8 | uint8(inner)})
				if v6 {
					ip = frame.IPv6{Src: ip6Host, Dst: ip6Host, TrafficClass: 0xb8 | uint8(inner)}
				}
				r := b.g.FromUnderlay(b.now, "eth1", tunnelled(peerA, uint8(outer), eth(host, guest, ip, frame.UDP{}, payload)))
				name := fmt.Sprintf("inner %02b, outer %02b, IPv6 %t", inner, outer, v6)
				if want[inner][outer] < 0 {
					b.want(name, r, Malformed)
					continue
				}
				b.want(name, r, None)
				p, err := frame.Parse(r.Leaves[0].Bytes)
				if err != nil || frame.Verify(r.Leaves[0].Bytes) != nil {
					t.Fatalf("%s: %v", name, err)
				}
				tos := uint8(0)
				if p.IPv4 != nil {
					tos = p.IPv4.TOS
				} else {
					tos = p.IPv6.TrafficClass
				}
				if tos != 0xb8|uint8(want[inner][outer]) {
					t.Errorf("%s: TOS %#x", name, tos)
				}
			}
		}
	}
}

// The clamp lowers, never raises, and leaves checksums right.
func TestSegmentSize(t *testing.T) {
	clamp := func(_ *state.Desired, _ *state.Extension, g *Guards) { g.MSS = [2]uint16{1400, 1380} }
	for _, c := range []struct {
		name    string
		options []byte
		flags   uint8
		want    [2]uint16
	}{
		{"higher", frame.MSS(1460), frame.SYN, [2]uint16{1400, 1380}},
		{"in an answer", frame.MSS(1460), frame.SYN | frame.ACK, [2]uint16{1400, 1380}},
		{"lower", frame.MSS(536), frame.SYN, [2]uint16{536, 536}},
		{"at an odd offset", append([]byte{1}, append(frame.MSS(9000), 1, 1, 1)...), frame.SYN, [2]uint16{1400, 1380}},
		{"no SYN", frame.MSS(1460), frame.ACK, [2]uint16{1460, 1460}},
	} {
		for i, ip := range []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipGuest}, frame.IPv6{Src: ip6Host, Dst: ip6Host}} {
			b := newBench(t, clamp)
			b.meet()
			r := b.fromCustomer(eth(guest, host, ip, frame.TCP{Flags: c.flags, Options: c.options}))
			out := r.Leaves[0].Bytes
			p, err := frame.Parse(out)
			if err != nil || frame.Verify(out) != nil {
				t.Fatalf("%s: %v, %v", c.name, err, frame.Verify(out))
			}
			at := findMSS(append(make([]byte, tcpSize), p.TCP.Options...)) - tcpSize
			if got := get16(p.TCP.Options, at); got != c.want[i] {
				t.Errorf("%s: %d, want %d", c.name, got, c.want[i])
			}
		}
	}
}

func TestPriorities(t *testing.T) {
	for _, pcp := range []uint8{0, 5, state.PCPFromDSCP} {
		b := newBench(t, func(_ *state.Desired, x *state.Extension, _ *Guards) { x.PCP = pcp })
		b.meet()
		r := b.fromCloud(peerA, eth(host, guest, frame.IPv4{Src: ipGuest, Dst: ipHost, TOS: 0xb8}, frame.UDP{}, payload))
		want := uint16(0xb8>>5)<<13 | 2301
		if pcp != state.PCPFromDSCP {
			want = uint16(pcp)<<13 | 2301
		}
		if got := get16(r.Leaves[0].Bytes, 14); got != want {
			t.Errorf("PCP %d: tag %#x, want %#x", pcp, got, want)
		}
	}
}

// In mode observe the first guard that would drop is counted and the frame goes on; off does not even count.
func TestModes(t *testing.T) {
	frames := map[Reason][]byte{
		InnerVLAN: typed(typeProbe, 46, typeVLAN, 10), ControlFrame: typed(typeLLDP, 46),
		ServiceFHRP: eth(l2.MAC{1, 0, 0x5e, 0, 0, 0x12}, host, frame.IPv4{Src: ipHost, Dst: ipGuest, Protocol: frame.Set(112)}, payload),
	}
	for reason, in := range frames {
		for mode, want := range map[state.GuardMode]Reason{state.Observe: reason, state.Off: None} {
			b := newBench(t, func(_ *state.Desired, x *state.Extension, _ *Guards) { x.Mode = mode })
			b.meet()
			r := b.fromCustomer(in)
			b.want(reason.String(), r, None)
			if r.WouldDrop != want || b.x.Counters[l2.ToCloud].WouldDrop[reason] != map[bool]uint64{true: 1}[want != None] {
				t.Errorf("%s in mode %d: would drop %q, want %q", reason, mode, r.WouldDrop, want)
			}
		}
	}
}

// Every frame is counted once as received and once where it ended.
func TestBooksBalance(t *testing.T) {
	d := oneExtension()
	g := New(d, nil)
	random := NewGenerator(worldOf(d), 3)
	now := int64(time.Hour)
	for range 20_000 {
		a := random.Next()
		now += int64(a.Step)
		if a.Underlay {
			g.FromUnderlay(now, a.NIC, a.Bytes)
		} else {
			g.FromCustomer(now, a.NIC, a.Bytes)
		}
	}
	for dir, c := range g.Extensions[0].Counters {
		sum := c.TxFrames
		for _, n := range c.Drops {
			sum += n
		}
		if c.RxFrames != sum || sum == 0 {
			t.Errorf("direction %d: %d received, %d have an end", dir, c.RxFrames, sum)
		}
	}
}
