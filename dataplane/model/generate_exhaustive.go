// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/drawbridge-l2/drawbridge/l2"

// space is a small space of frames that is run through as a whole.
type space struct {
	size int
	make func(g *Generator, n int)
}

// spaces are all of them.
var spaces = []space{
	{65536 * (maxTags + 1) * 2, (*Generator).everyType},
	{len(reservedBlocks) * 256 * 2, (*Generator).everyReserved},
	{8 * (ethernetHeader + ipv6Size + udpSize + vxlanSize), (*Generator).everyOuterBit},
	{256 * 2 * 2, (*Generator).everyProtocol},
	{256 * 4 * 2, (*Generator).everyICMPv6},
	{256 * 2, (*Generator).everySize},
}

// Exhaustive is how many frames the small spaces have together.
func Exhaustive() (n int) {
	for _, s := range spaces {
		n += s.size
	}
	return n
}

// Member makes one frame of the small spaces, by its number from 0 to Exhaustive.
func (g *Generator) Member(n int) *Arrival {
	g.arrival = Arrival{}
	for _, s := range spaces {
		if n < s.size {
			s.make(g, n)
			break
		}
		n -= s.size
	}
	g.arrival.Bytes = g.out
	return &g.arrival
}

// arrive brings the inner frame in by the first circuit, or by a tunnel of its extension.
func (g *Generator) arrive(underlay bool) {
	g.arrival.Underlay = underlay
	if underlay {
		g.arrival.NIC = g.World.Uplink
		g.wrap(g.World.Peers[0], -1)
		return
	}
	c := g.World.Circuits[0]
	g.arrival.NIC = c.NIC
	g.out = withTags(g.out, g.inner, c.VLAN, 0)
}

// stations makes the inner frame's addresses: known unicast.
func (g *Generator) stations(underlay bool) {
	src, dst := g.World.Stations[0][0], g.World.Stations[1][0]
	if underlay {
		src, dst = dst, src
	}
	g.inner = append(append(g.inner[:0], dst[:]...), src[:]...)
}

// everyType is every EtherType behind up to four tags.
func (g *Generator) everyType(n int) {
	underlay, depth, kind := n&1 == 1, n>>1/65536, n>>1%65536
	g.stations(underlay)
	for i := range depth {
		g.inner = append16(g.inner, tagTypes[(n+i)%len(tagTypes)], 10)
	}
	g.inner = append16(g.inner, uint16(kind))
	for range 46 {
		g.inner = append(g.inner, 0)
	}
	g.arrive(underlay)
}

var reservedBlocks = []l2.MAC{
	{0x01, 0x80, 0xc2, 0, 0, 0}, {0x00, 0xe0, 0x2b, 0, 0, 0}, {0x01, 0x00, 0x0c, 0xcc, 0xcc, 0}, {0x01, 0x00, 0x0c, 0, 0, 0},
	{0x01, 0x80, 0xc2, 0, 1, 0}, {0x01, 0x00, 0x0c, 0xcd, 0xcd, 0}, {0x01, 0x00, 0x5e, 0, 0, 0},
}

// everyReserved is every address of the blocks that hold control frames, and of their neighbours.
func (g *Generator) everyReserved(n int) {
	underlay := n&1 == 1
	g.stations(underlay)
	copy(g.inner, reservedBlocks[n>>1/256][:])
	g.inner[5] = byte(n >> 1)
	g.inner = append16(g.inner, typeProbe)
	for range 46 {
		g.inner = append(g.inner, 0)
	}
	g.arrive(underlay)
}

// everyOuterBit is a tunnel packet with one bit changed.
func (g *Generator) everyOuterBit(n int) {
	g.stations(true)
	g.inner = append(append16(g.inner, typeProbe), make([]byte, 46)...)
	g.arrive(true)
	g.out[n/8] ^= 0x80 >> (n % 8)
}

// everyProtocol is every IP protocol number, over IPv4 and IPv6.
func (g *Generator) everyProtocol(n int) {
	underlay, v6, protocol := n&1 == 1, n&2 == 2, byte(n>>2)
	g.stations(underlay)
	if v6 {
		g.inner = append(append16(g.inner, typeIPv6), 0x60, 0, 0, 0, 0, 40, protocol, 64)
		g.inner = append(g.inner, make([]byte, 32)...)
	} else {
		g.inner = append(append16(g.inner, typeIPv4), 0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2)
		finish4(g.inner, ethernetHeader)
	}
	g.inner = append(g.inner, make([]byte, 40)...)
	g.arrive(underlay)
}

// everyICMPv6 is every message type: whole, and in fragments.
func (g *Generator) everyICMPv6(n int) {
	underlay, form, kind := n&1 == 1, n>>1&3, byte(n>>3)
	g.stations(underlay)
	first, fragment := byte(protocolICMPv6), []byte(nil)
	if form > 0 {
		first, fragment = protocolFragment, []byte{protocolICMPv6, 0, 0, []byte{0, 1, 8}[form-1], 0, 0, 0, 7}
	}
	g.inner = append(append16(g.inner, typeIPv6), 0x60, 0, 0, 0, 0, byte(24+len(fragment)), first, 255)
	g.inner = append(g.inner, make([]byte, 32)...)
	g.inner = append(append(g.inner, fragment...), kind)
	g.inner = append(g.inner, make([]byte, 23)...)
	g.arrive(underlay)
}

// everySize is an opaque frame from 14 bytes on.
func (g *Generator) everySize(n int) {
	underlay := n&1 == 1
	g.stations(underlay)
	g.inner = append(append16(g.inner, typeProbe), make([]byte, n>>1)...)
	g.arrive(underlay)
}
