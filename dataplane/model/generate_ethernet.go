// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/drawbridge-l2/drawbridge/l2"

// ethernet makes a whole inner frame.
func (g *Generator) ethernet(fromCloud bool) {
	b := g.inner[:0]
	dst, src := g.destination(fromCloud), g.source(fromCloud)
	b = append(append(b, dst[:]...), src[:]...)
	g.inner = g.tags(b)
	switch n := g.random.IntN(32); {
	case n < 10:
		g.ipv4()
	case n < 20:
		g.ipv6()
	case n < 24:
		g.arp()
	case n < 26:
		g.llc()
	case n < 28:
		g.snap()
	case n < 29:
		g.inner = g.noise(append16(g.inner, pick(g, controlTypes)), 46)
	case n < 30:
		g.inner = g.noise(append16(g.inner, uint16(g.random.IntN(0x10000))), g.random.IntN(60))
	default:
		g.inner = g.noise(append16(g.inner, typeProbe), g.random.IntN(60))
	}
	g.pad()
}

var controlTypes = []uint16{typePause, typeSlow, typeLLDP, typeCFM}

// pad fills up to the shortest frame, or to a size that may be too big.
func (g *Generator) pad() {
	size := 0
	switch {
	case g.oneIn(40):
		size = g.World.Longest - 3 + g.random.IntN(7)
	case g.oneIn(3):
		size = paddedTo
	case g.oneIn(20):
		size = len(g.inner) + g.random.IntN(80)
	}
	if missing := size - len(g.inner); missing > 0 {
		g.inner = g.noise(g.inner, missing)
	}
}

// tags puts up to five tags behind the addresses.
func (g *Generator) tags(b []byte) []byte {
	if !g.oneIn(6) {
		return b
	}
	depth := 1
	for depth < 5 && g.oneIn(3) {
		depth++
	}
	for range depth {
		vid := pick(g, []uint16{0, 10, 10, 10, 20, 20, 30, 4095})
		b = append16(b, pick(g, tagTypes), g.priority()|vid)
	}
	return b
}

var groups = []l2.MAC{
	{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}, {0x01, 0x00, 0x5e, 0x00, 0x00, 0x12}, {0x01, 0x00, 0x5e, 0x00, 0x00, 0x66},
	{0x01, 0x00, 0x5e, 0x10, 0x00, 0x07}, {0x33, 0x33, 0x00, 0x00, 0x00, 0x01}, {0x33, 0x33, 0xff, 0x00, 0x00, 0x02},
	{0x01, 0x1b, 0x19}, {0x03, 0xbf, 0x0a, 0x01, 0x00, 0x09}, probeGroup,
}

func (g *Generator) destination(fromCloud bool) l2.MAC {
	other, own := g.World.Stations[1], g.World.Stations[0]
	if fromCloud {
		other, own = own, other
	}
	switch n := g.random.IntN(32); {
	case n < 13:
		return pick(g, other)
	case n < 16:
		return pick(g, own)
	case n < 21:
		return l2.Broadcast
	case n < 26:
		return pick(g, groups)
	case n < 28:
		return g.reserved()
	case n < 29:
		return l2.MAC{0x02, 0xbf, 0x0a, 0x01, 0x00, byte(g.random.IntN(4))} // NLB, where it is unicast
	case n < 30:
		return pick(g, redundant)
	}
	return l2.MAC{0x02, 0x77, 0, 0, byte(g.random.Uint32()), byte(g.random.Uint32())}
}

// reserved is a control frame's destination, or its neighbour.
func (g *Generator) reserved() l2.MAC {
	last := byte(g.random.IntN(0x50))
	switch g.random.IntN(4) {
	case 0:
		return l2.MAC{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xca + byte(g.random.IntN(5))}
	case 1:
		return l2.MAC{0x00, 0xe0, 0x2b, 0, 0, last}
	case 2:
		return l2.MAC{0x01, 0x00, 0x0c, 0, 0, byte(g.random.IntN(2))}
	}
	return l2.MAC{0x01, 0x80, 0xc2, 0, 0, last}
}

var redundant = []l2.MAC{
	{0x00, 0x00, 0x5e, 0x00, 0x01, 0x07}, {0x00, 0x00, 0x5e, 0x00, 0x02, 0x07}, {0x00, 0x00, 0x0c, 0x07, 0xac, 0x01},
	{0x00, 0x00, 0x0c, 0x9f, 0xf1, 0x02}, {0x00, 0x05, 0x73, 0xa0, 0x0f, 0xff}, {0x00, 0x07, 0xb4, 0x01, 0x02, 0x03},
	{0x00, 0x00, 0x0c, 0x9f, 0xe1, 0x02}, {0x00, 0x05, 0x73, 0xa0, 0x10, 0x00}, {0x00, 0x00, 0x5e, 0x00, 0x03, 0x07}, // none
}

func (g *Generator) source(fromCloud bool) l2.MAC {
	own, other := g.World.Stations[0], g.World.Stations[1]
	if fromCloud {
		own, other = other, own
	}
	switch n := g.random.IntN(32); {
	case n < 24:
		return pick(g, own)
	case n < 26:
		return pick(g, other)
	case n < 27:
		return pick(g, redundant)
	case n < 28:
		return pick(g, g.World.Own)
	case n < 29:
		return pick(g, []l2.MAC{{}, l2.Broadcast, {0x01, 0x00, 0x5e, 1, 1, 1}, {0x03, 0, 0, 0, 0, 1}})
	}
	return l2.MAC{0x06, 0x55, 0, 0, byte(g.random.Uint32()), byte(g.random.Uint32())}
}

func (g *Generator) llc() {
	follows := 3 + g.random.IntN(60)
	length := follows
	if g.oneIn(2) {
		length = g.random.IntN(70)
	}
	sap := pick(g, []byte{0x42, 0xaa, 0xfe, 0xe0})
	g.inner = append(append16(g.inner, uint16(length)), sap, sap, 3)
	g.inner = g.noise(g.inner, follows-3)
}

func (g *Generator) snap() {
	oui := pick(g, [][3]byte{{}, {}, {0, 0, 0xf8}, {0, 0, 0x0c}, {8, 0, 7}})
	kind := pick(g, []uint16{typeIPv4, typeARP, typeIPv6, 0x8137, 0x809b, 0x0026, 0x05ff, typeLLDP, 0x2000, 0x2003, 0x2004,
		0x0104, 0x0111, typeVLAN, typeSVLAN, 0x9100, typeProbe})
	follows := g.random.IntN(50)
	g.inner = append16(g.inner, uint16(snapSize+follows))
	g.inner = append(g.inner, 0xaa, 0xaa, 0x03, oui[0], oui[1], oui[2])
	g.inner = g.noise(append16(g.inner, kind), follows)
}

func (g *Generator) arp() {
	b := append16(g.inner, typeARP, 1, typeIPv4, 0x0604, uint16(1+g.random.IntN(2)))
	b = append(b, b[6:12]...)
	sender := g.address4()
	b = append(b, sender[:]...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	target := g.address4()
	g.inner = append(b, target[:]...)
	if g.oneIn(20) {
		g.inner[len(g.inner)-arpSize+g.random.IntN(8)] = byte(g.random.IntN(9))
	}
}
