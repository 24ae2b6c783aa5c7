// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// encapsulate puts outer headers in front of the inner frame: right, or with one fault.
func (g *Generator) encapsulate() {
	fault := -1
	if g.oneIn(6) {
		fault = g.random.IntN(tunnelFaults)
	}
	g.wrap(pick(g, g.World.Peers), fault)
}

// tunnelFaults is how many kinds of faults wrap knows.
const tunnelFaults = 22

// tunnel is what a fault may change before the headers are written.
type tunnel struct {
	dst      l2.MAC
	kind     uint16
	from, to netip.Addr
	port     uint16
	vni      l2.VNI
	vxlan    [8]byte
	options  int    // words of IPv4 options
	fragment uint16 // of IPv4's or a fragment header's offset and flags
	headed   bool   // over IPv6: there is a fragment header
	protocol byte
	zero     bool // no UDP checksum
}

func (g *Generator) wrap(from netip.Addr, fault int) {
	w := &g.World
	t := tunnel{
		dst: w.Gateway, from: from, to: w.VTEP, port: w.Port, vni: pick(g, w.VNIs), vxlan: [8]byte{0x08}, protocol: protocolUDP,
		kind: typeIPv4, zero: !from.Is6() && g.oneIn(2),
	}
	if from.Is6() {
		t.kind = typeIPv6
	}
	g.faulty(&t, fault)
	b := append(append(g.out[:0], t.dst[:]...), 0x02, 0, 0, 0, 0xaa, 0x20)
	b = append16(b, t.kind)
	at := len(b)
	if from.Is6() {
		b = g.outer6(b, &t)
	} else {
		b = g.outer4(b, &t)
	}
	udp := len(b)
	b = append16(b, 50000, t.port, uint16(udpSize+vxlanSize+len(g.inner)), 0)
	if !t.zero {
		put16(b, udp+6, uint16(1+g.random.IntN(0xffff)))
	}
	put16(t.vxlan[:], 4, uint16(t.vni>>8))
	t.vxlan[6] = byte(t.vni)
	b = append(append(b, t.vxlan[:]...), g.inner...)
	if !from.Is6() {
		put16(b, at+2, uint16(len(b)-at))
		finish4(b, at)
	} else {
		put16(b, at+4, uint16(len(b)-at-ipv6Size))
	}
	g.out = b
	g.faultyBytes(at, udp, fault)
}

// faulty makes the faults that are choices.
func (g *Generator) faulty(t *tunnel, fault int) {
	switch fault {
	case 0:
		t.dst = pick(g, []l2.MAC{{2, 9, 9, 9, 9, 9}, l2.Broadcast, {0x01, 0, 0x5e, 1, 1, 1}, g.World.Own[0]})
	case 1:
		t.from = g.World.Stranger
	case 2:
		t.to = t.from
	case 3:
		t.port++
	case 4:
		t.vni = l2.VNI(g.random.IntN(1 << 24))
	case 5:
		t.vxlan[0] ^= 1 << g.random.IntN(8)
	case 6:
		t.vxlan[pick(g, []int{1, 2, 3, 7})] ^= 1 << g.random.IntN(8)
	case 7:
		t.options = 1 + g.random.IntN(3)
	case 8:
		t.fragment, t.headed = pick(g, []uint16{0x2000, 0x2010, 0x0010, 0x1fff}), true
	case 9:
		t.protocol = byte(g.random.Uint32())
	case 10:
		t.zero = true
	case 11:
		t.kind = pick(g, []uint16{typeARP, typeIPv6, typeIPv4, typeVLAN, 0x88b5})
	case 12:
		t.from, t.vxlan[0] = g.World.Stranger, 0
	case 13:
		t.from, t.fragment, t.headed = g.World.Stranger, pick(g, []uint16{0x2000, 0x0010}), true
	}
}

// faultyBytes makes the faults that are wrong lengths, checksums and bits.
func (g *Generator) faultyBytes(at, udp, fault int) {
	b := g.out
	switch fault {
	case 14:
		put16(b, udp+4, get16(b, udp+4)+uint16(g.random.IntN(5))-2)
	case 15:
		put16(b, udp+4, uint16(g.random.IntN(40)))
	case 16:
		length := at + 2
		if g.World.VTEP.Is6() {
			length = at + 4
		}
		put16(b, length, get16(b, length)+uint16(g.random.IntN(5))-2)
		if !g.World.VTEP.Is6() {
			finish4(b, at)
		}
	case 17:
		b[at+10] ^= 1 << g.random.IntN(8)
	case 18:
		g.out = b[:ethernetHeader+g.random.IntN(len(b)-ethernetHeader)]
	case 19:
		g.out = g.noise(b, 1+g.random.IntN(20))
	case 20:
		bit := g.random.IntN(8 * (udp + udpSize + vxlanSize))
		b[bit/8] ^= 1 << (bit % 8)
	case 21:
		b[at] = byte(g.random.Uint32())
	}
}

func (g *Generator) outer4(b []byte, t *tunnel) []byte {
	src, dst := t.from.As4(), [4]byte{}
	if t.to.Is4() {
		dst = t.to.As4()
	}
	b = append(b, 0x45+byte(t.options), g.tos(), 0, 0, 0, 0)
	b = append16(b, t.fragment)
	b = append(b, 64, t.protocol, 0, 0)
	b = append(append(b, src[:]...), dst[:]...)
	for range t.options {
		b = append(b, 1, 1, 1, 1)
	}
	return b
}

func (g *Generator) outer6(b []byte, t *tunnel) []byte {
	src, dst := t.from.As16(), t.to.As16()
	tos, next := g.tos(), t.protocol
	if t.headed {
		next = protocolFragment
	}
	b = append(b, 0x60|tos>>4, tos<<4, 0, 0, 0, 0, next, 64)
	b = append(append(b, src[:]...), dst[:]...)
	if t.headed {
		b = append(b, t.protocol, 0)
		b = append16(b, t.fragment<<3|t.fragment>>13&1, 0, 7)
	}
	return b
}
