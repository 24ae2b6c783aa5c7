// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// packet is a tunnel packet to our VTEP; what is not set is right.
type packet struct {
	dst   l2.MAC
	ip    frame.IPv4
	ip6   frame.IPv6
	more  []frame.Layer // behind the IP header
	udp   frame.UDP
	vxlan frame.VXLAN
	vni   uint32
	inner []byte
}

func (p packet) bytes(r *rig) []byte {
	if p.dst.IsZero() {
		p.dst = r.mac("eth1")
	}
	if p.udp.DstPort == 0 {
		p.udp.DstPort = 4789
	}
	p.udp.SrcPort = 50000
	p.vxlan.VNI = 10100
	if p.vni != 0 {
		p.vxlan.VNI = p.vni
	}
	if p.inner == nil {
		p.inner = swapped(opaque)
	}
	layers := append([]frame.Layer{p.network(r)}, p.more...)
	layers = append(layers, p.udp, p.vxlan, frame.Raw(p.inner))
	return frame.Ethernet{Dst: p.dst, Src: macPeerA}.With(layers...).Bytes()
}

func (p packet) network(r *rig) frame.Layer {
	vtep := r.desired.Underlay.VTEP
	if vtep.Is6() {
		return frame.IPv6{
			Src: or(p.ip6.Src, peerA6), Dst: or(p.ip6.Dst, vtep), TrafficClass: p.ip6.TrafficClass,
			NextHeader: p.ip6.NextHeader, PayloadLength: p.ip6.PayloadLength, Version: p.ip6.Version,
		}
	}
	h := p.ip
	h.Src, h.Dst = or(h.Src, peerA), or(h.Dst, vtep)
	return h
}

func or(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}

// refused runs a packet that must not be decapsulated, and checks that it leaves no other trace.
func (r *rig) refused(name string, in []byte, want string) {
	r.t.Helper()
	learnt := r.learnt()
	f := r.expect(name, "eth1", in, want)
	if f.where != "eth1" {
		r.t.Errorf("%s: counted at %s: guards.md counts it per NIC, before an extension is known", name, f.where)
	}
	if n := r.learnt(); n != learnt {
		r.t.Errorf("%s: something was learnt: guards.md drops it before anything is written", name)
	}
}

// learnt counts learnt and static MACs of all extensions.
func (r *rig) learnt() (n int) {
	r.t.Helper()
	for _, x := range r.books().extensions {
		n += x.Customer + x.Cloud
	}
	return n
}

// otherExtension adds one whose only VTEP is peerB.
func otherExtension(r *rig) {
	r.change(func(x *state.Extension, d *state.Desired) {
		b := *x
		b.Name, b.VLAN, b.VNI, b.Peers = "bravo", l2.SingleTag(2302), 10200, []netip.Addr{peerB}
		if x.Peers[0].Is6() {
			b.Peers = []netip.Addr{peerB6}
		}
		d.Extensions = append(d.Extensions, b)
	})
}

func TestDecapsulation(t *testing.T) {
	lightSuite(t, []part{
		{"tuple", tunnelTuple}, {"other traffic", otherTrafficPasses}, {"reserved bits", reservedBits}, {"reserved bits of super-frames", reservedBitsSuper},
		{"header bits", everyBitOfTheIPv4Header}, {"outer padding", outerPadding}, {"no local VTEP", noLocalVTEP},
		{"truncated", truncated}, {"tuple over IPv6", tunnelTuple6},
		{"tunnel device", tunnelDevice}, {"paths that are said to be short", shortPaths},
	})
}

func tunnelTuple(_ *testing.T, r *rig) {
	otherExtension(r)
	foreign := l2.MAC{2, 9, 9, 9, 9, 9}
	for _, c := range []struct {
		name string
		p    packet
		want string
	}{
		{"unknown source", packet{ip: frame.IPv4{Src: stranger}}, "unknown-vtep"},
		{"VTEP of another extension", packet{ip: frame.IPv4{Src: peerB}}, "unknown-vtep"},
		{"our own address as source", packet{ip: frame.IPv4{Src: vtepLocal}}, "unknown-vtep"},
		{"another destination", packet{ip: frame.IPv4{Dst: netip.MustParseAddr("192.0.2.11")}}, "passed"},
		{"broadcast destination", packet{ip: frame.IPv4{Dst: netip.MustParseAddr("192.0.2.255")}}, "passed"},
		{"multicast destination", packet{ip: frame.IPv4{Dst: netip.MustParseAddr("239.1.1.1")}}, "passed"},
		{"another port", packet{udp: frame.UDP{DstPort: 4790}}, "passed"},
		{"another port from a stranger", packet{ip: frame.IPv4{Src: stranger}, udp: frame.UDP{DstPort: 8472}}, "passed"},
		{"VNI unknown", packet{vni: 10101}, "unknown-vni"},
		{"VNI with a high bit", packet{vni: 10100 | 1<<23}, "unknown-vni"},
		{"VNI of the other extension", packet{vni: 10200}, "unknown-vtep"},
		{"foreign destination MAC", packet{dst: foreign}, "tunnel-header"},
		{"MAC of the customer's NIC", packet{dst: r.mac("eth2")}, "tunnel-header"},
		{"bad IPv4 checksum", packet{ip: frame.IPv4{Checksum: frame.Set(0x1234)}}, "tunnel-header"},
		{"IPv4 checksum zero", packet{ip: frame.IPv4{Checksum: frame.Set(0)}}, "tunnel-header"},
		{"IP options", packet{ip: frame.IPv4{Options: []byte{1, 1, 1, 1}}}, "tunnel-header"},
		{"UDP length one less", packet{udp: frame.UDP{Length: frame.Set(8 + 8 + 60 - 1)}}, "tunnel-header"},
		{"UDP length one more", packet{udp: frame.UDP{Length: frame.Set(8 + 8 + 60 + 1)}}, "tunnel-header"},
		{"UDP length zero", packet{udp: frame.UDP{Length: frame.Set(0)}}, "tunnel-header"},
		{"first fragment", packet{ip: frame.IPv4{MoreFragments: true}}, "tunnel-header"},
		{"later fragment", packet{ip: frame.IPv4{FragmentOffset: 10, MoreFragments: true}}, "tunnel-header"},
		{"last fragment", packet{ip: frame.IPv4{FragmentOffset: 10}}, "tunnel-header"},
		{"IP length beyond the frame", packet{ip: frame.IPv4{TotalLength: frame.Set(20 + 8 + 8 + 61)}}, "tunnel-header"},
		{"unknown source and wrong flags", packet{ip: frame.IPv4{Src: stranger}, vxlan: frame.VXLAN{Flags: frame.Set(0)}}, "unknown-vtep"},
		{"wrong flags and unknown VNI", packet{vni: 5, vxlan: frame.VXLAN{Flags: frame.Set(0)}}, "tunnel-header"},
	} {
		r.refused(c.name, c.p.bytes(r), c.want)
	}
	group := l2.MAC{0x01, 0, 0x5e, 1, 1, 1}
	r.expect("right", "eth1", packet{}.bytes(r), "sent")
	r.expect("group destination MAC", "eth1", packet{dst: group}.bytes(r), "sent")
	r.expect("broadcast destination MAC", "eth1", packet{dst: l2.Broadcast}.bytes(r), "sent")
	r.expect("no UDP checksum", "eth1", packet{udp: frame.UDP{Checksum: frame.Set(0)}}.bytes(r), "sent")
	r.expect("unfinished UDP checksum", "eth1", packet{udp: frame.UDP{Checksum: frame.Set(0x1234)}}.bytes(r), "sent")
	r.expect("DF and TOS", "eth1", packet{ip: frame.IPv4{DontFragment: true, TOS: 0xb8, ID: 7, TTL: 1}}.bytes(r), "sent")
	r.checkBooks()
}

func otherTrafficPasses(_ *testing.T, r *rig) {
	for protocol := range 256 {
		if protocol != frame.ProtocolUDP {
			r.refused(fmt.Sprintf("IP protocol %d", protocol), packet{ip: frame.IPv4{Protocol: frame.Set(uint32(protocol))}}.bytes(r), "passed")
		}
	}
	own := r.mac("eth1")
	r.refused("ARP", ethernet(own, macPeerA, arpRequest(macPeerA)), "passed")
	r.refused("opaque", ethernet(own, macPeerA, frame.Raw(make([]byte, 46))), "passed")
	r.refused("tagged tunnel packet", raw(packet{}.bytes(r), 0x8100, 5), "passed")
	in6 := ethernet(own, macPeerA, frame.IPv6{Src: peerA6, Dst: vtep6}, frame.UDP{SrcPort: 50000, DstPort: 4789}, frame.VXLAN{VNI: 10100}, frame.Raw(opaque))
	r.refused("tunnel packet of the other family", in6, "passed")
}

func reservedBits(_ *testing.T, r *rig) {
	for _, ignore := range []bool{false, true} {
		r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.IgnoreReservedBits = ignore })
		for bit := range 64 {
			in := packet{}.bytes(r)
			header := in[14+20+8:]
			header[bit/8] ^= 0x80 >> (bit % 8)
			name := fmt.Sprintf("bit %d of the VXLAN header, ignore %t", bit, ignore)
			switch {
			case bit == 4:
				r.refused(name+" (I flag clear)", in, "tunnel-header")
			case bit >= 32 && bit < 56:
				r.refused(name, in, "unknown-vni")
			case ignore:
				r.expect(name, "eth1", in, "sent")
			default:
				r.refused(name, in, "tunnel-header")
			}
		}
	}
}

// No header that differs from the right one in one bit is decapsulated: the checksum sees it.
func everyBitOfTheIPv4Header(t *testing.T, r *rig) {
	for bit := range 160 {
		in := packet{}.bytes(r)
		in[14+bit/8] ^= 0x80 >> (bit % 8)
		if f := r.fate("eth1", in); f.what == "sent" || f.where != "eth1" {
			t.Errorf("bit %d of the IPv4 header: %s at %s", bit, f.what, f.where)
		}
	}
}

func truncated(t *testing.T, r *rig) {
	for _, v6 := range []bool{false, true} {
		first := 14
		if v6 {
			r.overIPv6()
		}
		if r.engine == state.EngineTC { // a test run refuses to make a socket buffer of less than an IP header
			first = map[bool]int{false: 34, true: 54}[v6]
		}
		whole := packet{inner: ethernet(macHost, macVM, udp(10)...)}.bytes(r)
		for size := first; size < len(whole); size++ {
			if f := r.fate("eth1", whole[:size]); f.what != "passed" && f.what != "tunnel-header" {
				t.Errorf("%d of %d bytes: %s at %s", size, len(whole), f.what, f.where)
			}
		}
		for size := range 14 { // lengths are right, the inner frame has no Ethernet header
			if f := r.fate("eth1", packet{inner: append([]byte{}, opaque[:size]...)}.bytes(r)); f.what == "sent" {
				t.Errorf("an inner frame of %d bytes was sent: guards.md takes frames from 14 bytes on", size)
			}
		}
		for size := range 8 {
			in := shorten(packet{inner: []byte{}}.bytes(r), 8-size)
			r.refused(fmt.Sprintf("%d bytes behind UDP: no whole VXLAN header", size), in, "tunnel-header")
		}
	}
}

// shorten cuts bytes off the end and makes the lengths of IP and UDP and the IPv4 checksum right again.
func shorten(in []byte, n int) []byte {
	p, err := frame.ParseVXLAN(in)
	if err != nil {
		panic(err)
	}
	vx := in[len(in)-8-len(p.Inner):]
	o := p.Outer
	layers := []frame.Layer{frame.UDP{SrcPort: o.UDP.SrcPort, DstPort: o.UDP.DstPort}, frame.Raw(vx[:len(vx)-n])}
	src, dst := o.Addrs()
	if o.IPv4 != nil {
		layers = append([]frame.Layer{frame.IPv4{Src: src, Dst: dst}}, layers...)
	} else {
		layers = append([]frame.Layer{frame.IPv6{Src: src, Dst: dst}}, layers...)
	}
	return frame.Ethernet{Dst: o.Ethernet.Dst, Src: o.Ethernet.Src}.With(layers...).Bytes()
}

// What Ethernet padded behind the outer IP packet is not part of the inner frame.
func outerPadding(t *testing.T, r *rig) {
	for _, size := range []int{14, 33, 34, 42, 60, 61, 100} {
		inner := ethernet(macHost, macVM, frame.Raw(make([]byte, size-14)))
		in := packet{inner: inner}.bytes(r)
		for _, pad := range []int{1, 2, 18} {
			f := r.expect(fmt.Sprintf("%d bytes, %d of padding", size, pad), "eth1", append(in[:len(in):len(in)], bytes.Repeat([]byte("secret"), pad)...), "sent")
			if bytes.Contains(f.out, []byte("e")) {
				t.Errorf("a frame of %d bytes takes along what is behind its packet: % x", size, f.out)
			}
			tag := 4
			if r.engine == state.EngineTC {
				tag = 0
			}
			if len(f.out) != size+tag && !(size < 60 && len(f.out) == 60+tag) {
				t.Errorf("a frame of %d bytes leaves with %d", size, len(f.out)-tag)
			}
		}
	}
}

// shortPaths: nobody makes the kernel believe that the path to a VTEP is shorter; all else that ICMP says is the host's.
func shortPaths(_ *testing.T, r *rig) {
	for _, six := range []bool{false, true} {
		if six {
			r.overIPv6()
		}
		local, peer, other, router := vtepLocal, peerA, stranger, netip.MustParseAddr("198.51.100.1")
		if six {
			local, peer, other, router = r.desired.Underlay.VTEP, peerA6, netip.MustParseAddr("2001:db8::66"), netip.MustParseAddr("2001:db8:1::1")
		}
		for _, c := range shortPathCases(local, peer, other, six) {
			layers := slices.Concat(c.tags, []frame.Layer{ipFrom(router, local, c.ip)}, c.chain, []frame.Layer{c.icmp(six), frame.Raw(c.quote)})
			in := frame.Ethernet{Dst: r.mac("eth1"), Src: macPeerA}.With(layers...).Bytes()
			r.refused(fmt.Sprintf("%s, IPv6 %t", c.name, six), in, c.want)
		}
	}
	r.checkBooks()
}

type shortPath struct {
	name  string
	tags  []frame.Layer
	ip    frame.IPv4 // options and fragments
	chain []frame.Layer
	kind  uint8 // of another message
	quote []byte
	want  string
}

// icmp is "too big", unless the case is about another message.
func (c shortPath) icmp(six bool) frame.Layer {
	rest := [4]byte{2: 2, 3: 88}
	switch {
	case six && c.kind != 0:
		return frame.ICMPv6{Type: c.kind, Rest: rest}
	case six:
		return frame.ICMPv6{Type: frame.PacketTooBig6, Rest: rest}
	case c.kind != 0:
		return frame.ICMP{Type: frame.Unreachable4, Code: c.kind, Rest: rest}
	}
	return frame.ICMP{Type: frame.Unreachable4, Code: 4, Rest: rest}
}

func ipFrom(src, dst netip.Addr, h frame.IPv4) frame.Layer {
	if src.Is6() {
		return frame.IPv6{Src: src, Dst: dst}
	}
	h.Src, h.Dst = src, dst
	return h
}

func shortPathCases(local, peer, other netip.Addr, six bool) []shortPath {
	quote := func(to netip.Addr, l frame.Layer) []byte {
		return frame.Ethernet{}.With(ipFrom(local, to, frame.IPv4{}), l, frame.Raw("what it was")).Bytes()[14:]
	}
	udp, echo := frame.UDP{SrcPort: 50000, DstPort: 4789}, frame.Layer(frame.ICMP{Type: frame.EchoRequest4})
	if six {
		echo = frame.ICMPv6{Type: frame.EchoRequest6}
	}
	tunnel := quote(peer, udp)
	all := []shortPath{
		{name: "about a tunnel packet", quote: tunnel, want: "tunnel-header"},
		{name: "about another packet to a VTEP", quote: quote(peer, echo), want: "tunnel-header"},
		{name: "about what goes elsewhere", quote: quote(other, udp), want: "passed"},
		{name: "another message about a tunnel packet", kind: 1, quote: tunnel, want: "passed"},
		{name: "cut short", quote: tunnel[:12], want: "tunnel-header"},
		{name: "behind a tag of VID 0", tags: []frame.Layer{frame.VLAN{}}, quote: tunnel, want: "tunnel-header"},
		{name: "behind seven", tags: slices.Repeat([]frame.Layer{frame.VLAN{}}, 7), quote: tunnel, want: "tunnel-header"},
		{name: "behind eight", tags: slices.Repeat([]frame.Layer{frame.VLAN{}}, 8), quote: quote(other, udp), want: "tunnel-header"},
	}
	if !six {
		return append(all,
			shortPath{name: "with options", ip: frame.IPv4{Options: []byte{1, 1, 1, 1}}, quote: tunnel, want: "tunnel-header"},
			shortPath{name: "in pieces", ip: frame.IPv4{MoreFragments: true}, quote: quote(other, udp), want: "tunnel-header"},
			shortPath{name: "a later piece", ip: frame.IPv4{FragmentOffset: 10}, quote: tunnel, want: "passed"},
		)
	}
	options := frame.DestinationOptions()
	return append(all,
		shortPath{name: "behind options", chain: []frame.Layer{options}, quote: tunnel, want: "tunnel-header"},
		shortPath{name: "behind 32 headers", chain: slices.Repeat([]frame.Layer{options}, 32), quote: tunnel, want: "tunnel-header"},
		shortPath{name: "behind 33 headers", chain: slices.Repeat([]frame.Layer{options}, 33), quote: quote(other, udp), want: "tunnel-header"},
		shortPath{name: "in one piece that says it is a fragment", chain: []frame.Layer{frame.Fragment{}}, quote: tunnel, want: "tunnel-header"},
		shortPath{name: "the first piece", chain: []frame.Layer{frame.Fragment{More: true}}, quote: tunnel, want: "tunnel-header"},
		shortPath{name: "a later piece", chain: []frame.Layer{frame.Fragment{Offset: 10}}, quote: tunnel, want: "passed"},
		// At 2,048 bytes the lower byte of the offset is zero: data that looks like a message is none, and the host's.
		shortPath{name: "a piece far behind", chain: []frame.Layer{frame.Fragment{Offset: 256}}, quote: tunnel, want: "passed"},
	)
}

func tunnelTuple6(_ *testing.T, r *rig) {
	r.overIPv6()
	otherExtension(r)
	zero := packet{udp: frame.UDP{Checksum: frame.Set(0)}}
	fragment := func(offset uint16, more bool) packet {
		return packet{more: []frame.Layer{frame.Fragment{Offset: offset, More: more}}}
	}
	for _, c := range []struct {
		name string
		p    packet
		want string
	}{
		{"unknown source", packet{ip6: frame.IPv6{Src: netip.MustParseAddr("2001:db8::66")}}, "unknown-vtep"},
		{"VTEP of another extension", packet{ip6: frame.IPv6{Src: peerB6}}, "unknown-vtep"},
		{"another destination", packet{ip6: frame.IPv6{Dst: netip.MustParseAddr("2001:db8::11")}}, "passed"},
		{"another port", packet{udp: frame.UDP{DstPort: 4790}}, "passed"},
		{"zero checksum", zero, "tunnel-header"},
		{"UDP length one less", packet{udp: frame.UDP{Length: frame.Set(8 + 8 + 60 - 1)}}, "tunnel-header"},
		{"UDP length zero", packet{udp: frame.UDP{Length: frame.Set(0)}}, "tunnel-header"},
		{"IP length beyond the frame", packet{ip6: frame.IPv6{PayloadLength: frame.Set(8 + 8 + 61)}}, "tunnel-header"},
		{"first fragment", fragment(0, true), "tunnel-header"},
		{"atomic fragment", fragment(0, false), "tunnel-header"},
		{"later fragment", fragment(10, true), "tunnel-header"},
		{"last fragment", fragment(10, false), "tunnel-header"},
		{"VNI unknown", packet{vni: 10101}, "unknown-vni"},
		{"foreign destination MAC", packet{dst: macVM}, "tunnel-header"},
		{"IPv4 version", packet{ip6: frame.IPv6{Version: frame.Set(4)}}, "passed"},
	} {
		r.refused(c.name, c.p.bytes(r), c.want)
	}
	for next := range 256 {
		if next != frame.ProtocolUDP && next != frame.ProtocolFragment {
			r.refused(fmt.Sprintf("next header %d", next), packet{ip6: frame.IPv6{NextHeader: frame.Set(uint32(next))}}.bytes(r), "passed")
		}
	}
	r.expect("right", "eth1", packet{}.bytes(r), "sent")
	r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.ZeroChecksum6 = true })
	r.expect("zero checksum, allowed", "eth1", zero.bytes(r), "sent")
	r.expect("with checksum, zero allowed", "eth1", packet{}.bytes(r), "sent")
	r.checkBooks()
}

// The gateway whose VTEP address is not present takes no tunnel packet, and the host gets them.
func noLocalVTEP(_ *testing.T, r *rig) {
	in := packet{}.bytes(r)
	r.statics()
	r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.VTEP = netip.Addr{} })
	r.expect("from the cloud", "eth1", in, "passed")
	r.expect("from the customer", "eth2", r.onCircuit(opaque), "no-next-hop")
}

// The tunnel device takes any VNI from any sender on any NIC of the host: what our underlay program has
// not judged and marked goes no further.
func tunnelDevice(t *testing.T, r *rig) {
	if r.engine == state.EngineXDP {
		return // the same program; a test run with an XDP context is none for it
	}
	refused := func(name string, c skbContext) {
		t.Helper()
		before := r.nic("eth1").Drops["unknown-vtep"]
		code, err := r.plane.objects.programs["tc_tunnel"].Run(&ebpf.RunOptions{Data: swapped(opaque), Context: c})
		r.must(err)
		if n := r.nic("eth1").Drops["unknown-vtep"]; code != 2 || n != before+1 {
			t.Errorf("%s: verdict %d, %d frames counted as unknown-vtep, want it dropped and counted", name, code, n-before)
		}
	}
	nic := uint32(r.eth["eth1"].Attrs().Index)
	refused("a frame without our mark", skbContext{Ifindex: nic})
	// A test run has no tunnel's key. Whoever sent it, nobody knows: it would reach a customer, from no VTEP of theirs.
	refused("a frame of which the kernel does not say whose it was", skbContext{Ifindex: nic, Mark: r.plane.nonce})
}

// What is ignored is taken out for the tunnel device, which would drop it; the outer checksum stays right.
func reservedBitsSuper(t *testing.T, r *rig) {
	if r.engine == state.EngineXDP {
		return // has no super-frames
	}
	for _, v6 := range []bool{false, true} {
		if v6 {
			r.overIPv6()
		}
		r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.IgnoreReservedBits = true })
		for _, vx := range []frame.VXLAN{
			{}, {Reserved2: 1}, {Reserved2: 0xff}, {Reserved1: [3]byte{0, 0, 1}}, {Reserved1: [3]byte{0xff, 0xff, 0xff}},
			{Flags: frame.Set(0xff)}, {Flags: frame.Set(0x88), Reserved1: [3]byte{1, 2, 3}, Reserved2: 4},
		} {
			for _, sum := range []frame.Field{{}, frame.Set(0)} {
				if v6 {
					sum = frame.Field{} // is needed there
				}
				inner := ethernet(macHost, macVM, frame.IPv4{Src: ipVM, Dst: ipHost}, frame.TCP{}, frame.Raw(make([]byte, 1500)))
				in := packet{udp: frame.UDP{Checksum: sum}, vxlan: vx, inner: inner}.bytes(r)
				want := packet{udp: frame.UDP{Checksum: sum}, inner: inner}.bytes(r)
				if o := r.run("tc_underlay", "eth1", in, gso{500, 3}); o.verdict != "pass" || !bytes.Equal(o.out, want) {
					t.Errorf("%+v over IPv6 %t: %s,\n% x, want\n% x", vx, v6, o.verdict, o.out[:80], want[:80])
				}
			}
		}
	}
}
