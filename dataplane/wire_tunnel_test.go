// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// offload is struct virtio_net_hdr: what a packet socket is told of a frame.
type offload struct {
	flags, kind                    uint8
	headers, segment, start, field uint16
}

const (
	needsChecksum = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
	segmentsUDP   = 5 // VIRTIO_NET_HDR_GSO_UDP_L4
)

// sendWith sends a frame in by a NIC's far end, with what is left to do for a NIC.
func (r *rig) sendWith(nic string, o offload, in []byte) {
	r.t.Helper()
	w := r.packetSocket(nic + "p")
	r.must(unix.SetsockoptInt(w.fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1))
	header := []byte{o.flags, o.kind}
	for _, field := range []uint16{o.headers, o.segment, o.start, o.field} {
		header = binary.NativeEndian.AppendUint16(header, field)
	}
	w.send(append(header, in...))
}

// datagrams is one super-frame from a VTEP: datagrams of one size, with a header and an inner frame each.
func (r *rig) datagrams(vxlan frame.VXLAN, src netip.Addr, inner ...[]byte) {
	r.t.Helper()
	p := packet{ip: frame.IPv4{Src: src}, ip6: frame.IPv6{Src: src}, vni: vxlan.VNI, vxlan: vxlan, inner: slices.Clone(inner[0])}
	first := p.bytes(r)
	headers := uint16(len(first) - len(inner[0]) - 8)
	for _, more := range inner[1:] {
		p.inner = append(append(p.inner, 8, 0, 0, 0, 0, 0, 0, 0), more...)
		binary.BigEndian.PutUint32(p.inner[len(p.inner)-len(more)-4:], or32(vxlan.VNI, 10100)<<8)
	}
	in := p.bytes(r)
	addresses := in[26:34]
	if r.desired.Underlay.VTEP.Is6() {
		addresses = in[22:54]
	}
	udp := in[headers-8:]
	binary.BigEndian.PutUint16(udp[6:], onesSum(17+uint32(len(udp)), addresses))
	r.sendWith("eth1", offload{needsChecksum, segmentsUDP, headers, uint16(len(first)) - headers, headers - 8, 6}, in)
}

func or32(a, b uint32) uint32 {
	if a != 0 {
		return a
	}
	return b
}

// wireTunnel: super-frames go through the tunnel device, behind which each inner frame is judged by itself.
func wireTunnel(t *testing.T, r *rig) {
	if r.engine == state.EngineXDP {
		return // has no super-frames
	}
	for _, v6 := range []bool{false, true} {
		peer, other := peerA, stranger
		if v6 {
			r.overIPv6()
			peer, other = peerA6, netip.MustParseAddr("2001:db8::66")
		}
		r.guarded(func(x *state.Extension, g *state.Guards) {
			x.PCP = state.PCPFromDSCP
			x.Inner.Allowed = []l2.VID{10}
			g.Storm = [state.StormClasses]state.StormRate{}
			g.MSS = state.MSS{Bytes: 1000}
		})
		otherExtension(r)
		customer := r.farEnd("eth2")
		for _, c := range tunnelCases(peer, other) {
			name := fmt.Sprintf("%s, IPv6 underlay %t", c.name, v6)
			r.wait(second)
			before := r.books()
			r.datagrams(c.vxlan, c.src, c.inner, c.inner, c.inner)
			r.wantInTunnel(name, before, c.want, c.inner)
			for range 3 {
				if c.want != "sent" {
					break
				}
				leaves := c.inner
				if c.leaves != nil {
					leaves = c.leaves
				}
				if got, want := customer.receive(), withTags(r.desired.Extensions[0].VLAN, c.pcp, leaves); !bytes.Equal(got, want) {
					t.Errorf("%s: the customer gets\n% x, want\n% x", name, got, want)
				}
			}
		}
		r.isAt(macVM, event.Place{Side: l2.Cloud, VTEP: peer})
		r.apart(customer, "the tunnel device's own frames")
	}
}

type tunnelCase struct {
	name          string
	vxlan         frame.VXLAN
	src           netip.Addr
	inner, leaves []byte
	pcp           uint8
	want          string
}

func tunnelCases(peer, other netip.Addr) []tunnelCase {
	from := func(layers ...frame.Layer) []byte { return ethernet(macHost, macVM, layers...) }
	opaque := []frame.Layer{frame.Raw(bytesOf(7, 100))}
	ip := []frame.Layer{frame.IPv4{Src: ipVM, Dst: ipHost, TOS: 46 << 2}, frame.UDP{SrcPort: 1, DstPort: 2}, frame.Raw(bytesOf(7, 70))}
	syn := func(mss uint16) []byte {
		return from(frame.IPv4{Src: ipVM, Dst: ipHost}, frame.TCP{SrcPort: 1, DstPort: 2, Flags: synFlag, Options: frame.MSS(mss)}, frame.Raw(bytesOf(7, 70)))
	}
	tag := func(id uint16, layers []frame.Layer) []frame.Layer {
		return append([]frame.Layer{frame.VLAN{ID: id}}, layers...)
	}
	return []tunnelCase{
		{name: "opaque", src: peer, inner: from(opaque...), want: "sent"},
		{name: "IPv4", src: peer, inner: from(ip...), pcp: 5, want: "sent"},
		{name: "a segment size", src: peer, inner: syn(1460), leaves: syn(1000), want: "sent"},
		{name: "a listed tag", src: peer, inner: from(tag(10, opaque)...), want: "sent"},
		{name: "IPv4 behind a listed tag", src: peer, inner: from(tag(10, ip)...), pcp: 5, want: "sent"},
		{name: "another tag", src: peer, inner: from(tag(11, opaque)...), want: "inner-vlan"},
		{name: "two listed tags", src: peer, inner: from(tag(10, tag(10, opaque))...), want: "sent"},
		{name: "another tag outside", src: peer, inner: from(tag(11, tag(10, opaque))...), want: "inner-vlan"},
		{name: "another tag inside", src: peer, inner: from(tag(10, tag(11, opaque))...), want: "inner-vlan"},
		{name: "IPv4 behind two", src: peer, inner: from(tag(10, tag(10, ip))...), want: "malformed"},
		{name: "no source", src: peer, inner: ethernet(macHost, l2.MAC{}, opaque...), want: "bad-source"},
		{name: "too long", src: peer, inner: from(frame.Raw(bytesOf(7, 1505))), want: "too-big"},
		{name: "the longest", src: peer, inner: from(frame.Raw(bytesOf(7, 1500))), want: "sent"},
		{name: "a stranger", src: other, inner: from(opaque...), want: "unknown-vtep"},
		{name: "another VNI", src: peer, vxlan: frame.VXLAN{VNI: 7}, inner: from(opaque...), want: "unknown-vni"},
		{name: "not a peer of it", src: peer, vxlan: frame.VXLAN{VNI: 10200}, inner: from(opaque...), want: "unknown-vtep"},
	}
}

// wantInTunnel waits until all three frames of a super-frame have an end, and wants them counted there.
func (r *rig) wantInTunnel(name string, before books, want string, inner []byte) {
	r.t.Helper()
	after := r.ended(before, 3)
	x, old := after.extensions["acme"].ToCustomer, before.extensions["acme"].ToCustomer
	nic, oldNIC := after.nics["eth1"], before.nics["eth1"]
	if nic.Rx.Frames-oldNIC.Rx.Frames != 3 || nic.Lost != oldNIC.Lost {
		r.t.Errorf("%s: the NIC received %d and lost %d, want 3 and 0", name, nic.Rx.Frames-oldNIC.Rx.Frames, nic.Lost-oldNIC.Lost)
	}
	if n := nic.Drops[want] - oldNIC.Drops[want]; n == 3 {
		return // refused before the tunnel
	}
	size := uint64(len(inner))
	if inner[12] == 0x81 {
		size -= 4 // the socket buffer has the tag
	}
	if x.Rx.Frames-old.Rx.Frames != 3 || x.Rx.Bytes-old.Rx.Bytes != 3*size {
		r.t.Errorf("%s: counted as received %+v, before %+v", name, x.Rx, old.Rx)
	}
	ended := x.Drops[want] - old.Drops[want]
	if want == "sent" {
		ended = x.Tx.Frames - old.Tx.Frames
	}
	if ended != 3 {
		r.t.Errorf("%s: %d of 3 frames are %s: %+v, before %+v", name, ended, want, x, old)
	}
}

// apart: what the host itself sends into the tunnel device's port reaches no customer.
func (r *rig) apart(customer wire, name string) {
	r.t.Helper()
	last := ethernet(macHost, macVM, frame.Raw(bytesOf(3, 60)))
	r.datagrams(frame.VXLAN{}, or(r.desired.Extensions[0].Peers[0], peerA), last, last)
	if got := customer.receive(); !bytes.Equal(got, r.onCircuit(last)) {
		r.t.Errorf("%s: the customer gets % x", name, got)
	}
	customer.receive()
}

// eachUnderlay runs a test over IPv4 and over IPv6, with the usual stations in their places and a wire to either side.
func (r *rig) eachUnderlay(test func(v6 bool, cloud, customer wire)) {
	r.t.Helper()
	for _, v6 := range []bool{false, true} {
		r.restart(r.first)
		if v6 {
			r.overIPv6()
		}
		r.guarded(nil)
		r.statics()
		test(v6, r.farEnd("eth1"), r.farEnd("eth2"))
	}
}

// wireTooBig: who sends what does not fit is told, by the wire that it came from.
func wireTooBig(t *testing.T, r *rig) {
	r.eachUnderlay(func(v6 bool, cloud, customer wire) {
		for _, vlan := range []l2.VLAN{{}, l2.SingleTag(2301), l2.DoubleTag(100, 200)} {
			r.change(func(x *state.Extension, _ *state.Desired) { x.VLAN = vlan })
			for _, six := range []bool{false, true} {
				name := fmt.Sprintf("IPv6 %t on %s, IPv6 underlay %t", six, vlan, v6)
				r.wait(10 * second)
				r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.MTU, d.NICs[0].MTU = 1400, 1500 })
				long := longPacket(macVM, macHost, six, datagram)
				if f := customer.over("eth2", r.onCircuit(long)); f.what != "too-big" {
					t.Errorf("%s, to cloud: %s", name, f.what)
				}
				mtu := 1350
				if v6 {
					mtu = 1330
				}
				wantAnswer(t, name+", to cloud", customer.receive(), r.onCircuit(long), vlan.Depth(), mtu)
				r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.MTU, d.NICs[0].MTU = 1600, 1300 })
				long = longPacket(macHost, macVM, six, datagram)
				if f := cloud.over("eth1", packet{inner: long}.bytes(r)); f.what != "too-big" {
					t.Errorf("%s, to customer: %s", name, f.what)
				}
				out := cloud.receive()
				if err := frame.VerifyTunnel(out); err != nil {
					t.Errorf("%s, to customer: %v", name, err)
				}
				p, err := frame.ParseVXLAN(out)
				if err != nil || p.Dst != or(r.desired.Extensions[0].Peers[0], peerA) || p.VXLAN.VNI != 10100 {
					t.Errorf("%s, to customer: answered to %v, VNI %d, %v", name, p.Dst, p.VXLAN.VNI, err)
					continue
				}
				mtu = 1300
				if r.engine == state.EngineXDP && vlan.Depth() == 2 {
					mtu = 1296
				}
				wantAnswer(t, name+", to customer", p.Inner, long, 0, mtu)
			}
		}
	})
}

var datagram = frame.UDP{SrcPort: 1000, DstPort: 2000}

// longPacket is a packet of 1450 bytes that may not be fragmented.
func longPacket(dst, src l2.MAC, six bool, transport frame.Layer) []byte {
	headers := 20 // as long as the shorter IP header
	var ip frame.Layer = frame.IPv4{Src: ipHost, Dst: ipVM, DontFragment: true}
	if six {
		headers, ip = 40, frame.IPv6{Src: vtep6, Dst: peerA6}
	}
	switch transport.(type) {
	case frame.UDP:
		headers += 8
	case frame.TCP:
		headers += 20
	}
	return ethernet(dst, src, ip, transport, frame.Raw(bytesOf(0x5a, 1450-headers)))
}

// wireUnfinished: what a stack on this machine sends may have a checksum that a NIC was to finish. When it becomes an answer that is done
// in the packet that is quoted; an answer whose own checksum did not reckon with it is thrown away, and the sender never learns what fits.
func wireUnfinished(t *testing.T, r *rig) {
	r.eachUnderlay(func(v6 bool, cloud, customer wire) {
		r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.MTU, d.NICs[0].MTU = 1400, 1300 })
		for _, six := range []bool{false, true} {
			for _, c := range unfinishedCases {
				name := fmt.Sprintf("%s, IPv6 %t, IPv6 underlay %t", c.name, six, v6)
				r.wait(10 * second)
				in, quoted, o := c.build(macVM, macHost, six)
				r.sendUnfinished("eth2", o, r.onCircuit(in), len(in))
				mtu := 1350
				if v6 {
					mtu = 1330
				}
				wantAnswer(t, name+", to cloud", customer.receive(), r.onCircuit(quoted), 1, mtu)
				in, quoted, o = c.build(macHost, macVM, six)
				r.sendUnfinished("eth1", o, packet{inner: in}.bytes(r), len(in))
				out, p := cloud.receiveTunnel()
				if err := frame.VerifyTunnel(out); err != nil {
					t.Errorf("%s, to customer: %v", name, err)
				}
				wantAnswer(t, name+", to customer", p.Inner, quoted, 0, 1300)
			}
		}
	})
}

type unfinishedCase struct {
	name      string
	transport frame.Layer
	field     uint16 // where its checksum is
	inner     uint16 // how far behind that header the one begins whose checksum is unfinished
}

var unfinishedCases = []unfinishedCase{
	{"UDP", datagram, 6, 0},
	{"TCP", frame.TCP{SrcPort: 40000, DstPort: 443, Flags: ackFlag}, 16, 0},
	{"a local VTEP's", datagram, 16, 8 + 8 + 14 + 20}, // behind what is quoted: it is forgotten
}

// build makes a frame whose checksum is of the pseudo header alone. quoted is the frame as it is quoted: with the checksum finished over
// what is left of it then.
func (c unfinishedCase) build(dst, src l2.MAC, six bool) (in, quoted []byte, o offload) {
	in = longPacket(dst, src, six, c.transport)
	transport, protocol, addresses := 34, in[23], in[26:34]
	if six {
		transport, protocol, addresses = 54, in[20], in[22:54]
	}
	o = offload{flags: needsChecksum, start: uint16(transport) + c.inner, field: c.field}
	if c.inner > 0 {
		return in, in, o
	}
	field := transport + int(c.field)
	binary.BigEndian.PutUint16(in[field:], onesSum(uint32(protocol)+uint32(len(in)-transport), addresses))
	quoted = slices.Clone(in)
	binary.BigEndian.PutUint16(quoted[field:], ^onesSum(0, in[transport:][:64]))
	return in, quoted, o
}

// sendUnfinished sends a frame that ends with one of this size, of which o tells, and wants it to be too big.
func (r *rig) sendUnfinished(nic string, o offload, in []byte, size int) {
	r.t.Helper()
	o.start += uint16(len(in) - size)
	o.headers = o.start + o.field + 2
	before := r.books()
	r.sendWith(nic, o, in)
	if f := r.compare(before, r.ended(before, 1), nic); f.what != "too-big" {
		r.t.Errorf("by %s: %s, want it too big", nic, f.what)
	}
}

// wantAnswer holds an ICMP error against the frame that it is about.
func wantAnswer(t *testing.T, name string, out, in []byte, tags, mtu int) {
	t.Helper()
	asked, err := frame.Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	p, err := frame.Parse(out)
	if err != nil || frame.Verify(out) != nil || len(p.Tags) != tags {
		t.Errorf("%s: the answer is broken: %v, %v: % x", name, err, frame.Verify(out), out)
		return
	}
	from, to := asked.Addrs()
	src, dst := p.Addrs()
	if p.Ethernet.Src != asked.Ethernet.Dst || p.Ethernet.Dst != asked.Ethernet.Src || src != to || dst != from {
		t.Errorf("%s: from %s %s to %s %s", name, p.Ethernet.Src, src, p.Ethernet.Dst, dst)
	}
	var told, quoted int
	switch {
	case p.ICMP != nil && p.ICMP.Type == 3 && p.ICMP.Code == 4:
		told, quoted = int(p.ICMP.Rest[2])<<8|int(p.ICMP.Rest[3]), 84
	case p.ICMPv6 != nil && p.ICMPv6.Type == 2 && p.ICMPv6.Code == 0:
		told, quoted = int(binary.BigEndian.Uint32(p.ICMPv6.Rest[:])), 104
	}
	if told != mtu {
		t.Errorf("%s: told an MTU of %d, want %d: % x", name, told, mtu, out)
	}
	if want := in[14+4*tags:][:quoted]; !bytes.Equal(p.Payload, want) {
		t.Errorf("%s: quotes\n% x, want\n% x", name, p.Payload, want)
	}
}

// wirePieces: of a frame in pieces only the beginning can be read directly. What is served is recognised all the same.
func wirePieces(t *testing.T, r *rig) {
	if r.engine == state.EngineXDP {
		return // gets no frames in pieces
	}
	for _, name := range []string{"eth2", "eth2p"} {
		r.must(netlink.LinkSetMTU(r.eth[name], 9000))
	}
	defer func() {
		for _, name := range []string{"eth2", "eth2p"} {
			r.must(netlink.LinkSetMTU(r.eth[name], 1600))
		}
	}()
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.Refused.FromCustomer = state.Services{DHCP: true} })
	r.statics()
	options := bytes.Repeat([]byte{1}, 40)
	body := func(first byte) frame.Layer { return frame.Raw(append([]byte{first}, make([]byte, 4999)...)) }
	cases := []struct {
		name   string
		layers []frame.Layer
		want   string
	}{
		{"DHCP offer", []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM}, frame.UDP{SrcPort: 67, DstPort: 68}, body(2)}, "service-dhcp"},
		{"offer behind options", []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, Options: options}, frame.UDP{SrcPort: 67, DstPort: 68}, body(2)}, "service-dhcp"},
		{"other ports behind options", []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, Options: options}, frame.UDP{SrcPort: 67, DstPort: 69}, body(1)}, "too-big"},
		{"DHCPv6 advertise", []frame.Layer{frame.IPv6{Src: vtep6, Dst: peerA6}, frame.UDP{SrcPort: 547, DstPort: 546}, body(2)}, "service-dhcp"},
		{"DHCPv6 reply to a relay", []frame.Layer{frame.IPv6{Src: vtep6, Dst: peerA6}, frame.UDP{SrcPort: 547, DstPort: 547}, body(13)}, "service-dhcp"},
		{"DHCPv6 relay's message", []frame.Layer{frame.IPv6{Src: vtep6, Dst: peerA6}, frame.UDP{SrcPort: 547, DstPort: 547}, body(12)}, "too-big"},
		{"IPv6, other ports", []frame.Layer{frame.IPv6{Src: vtep6, Dst: peerA6}, frame.UDP{SrcPort: 1, DstPort: 2}, body(2)}, "too-big"},
	}
	// Behind a second tag not even the ports of IPv6 are within what can be read: a rogue server on such a circuit would go unseen.
	for _, vlan := range []l2.VLAN{l2.SingleTag(2301), l2.DoubleTag(100, 200)} {
		r.change(func(x *state.Extension, _ *state.Desired) { x.VLAN = vlan })
		for _, c := range cases {
			in := r.onCircuit(ethernet(macVM, macHost, c.layers...))
			before := r.books()
			r.sendWith("eth2", offload{headers: 14}, in)
			if f := r.compare(before, r.ended(before, 1), "eth2"); f.what != c.want {
				t.Errorf("%s on %s: %s, want %s", c.name, vlan, f.what, c.want)
			}
		}
	}
}
