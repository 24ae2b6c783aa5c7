// SPDX-License-Identifier: Apache-2.0

package model

var ports = []uint16{67, 68, 546, 547, 1985, 2029, 3222, 53, 4789, 1000, 50000}

// udp appends a datagram: what servers and routers send, and others.
func (g *Generator) udp(v6 bool) {
	src, dst := pick(g, ports), pick(g, ports)
	if g.oneIn(3) && !v6 {
		src, dst = 67, 68
	}
	payload := g.random.IntN(40)
	g.inner = append16(g.inner, src, dst, uint16(udpSize+payload), uint16(g.random.Uint32()))
	g.inner = g.noise(g.inner, payload)
	if payload > 0 {
		g.inner[len(g.inner)-payload] = pick(g, []byte{1, 1, 2, 2, 3, 7, 10, 11, 12, 13})
	}
}

// tcp appends a segment, often a SYN with options.
func (g *Generator) tcp() {
	at := len(g.inner)
	g.inner = append16(g.inner, 1000+uint16(g.random.IntN(4)), 443, 0, 1, 0, 0, 0x5000, 0xffff, uint16(g.random.Uint32()), 0)
	g.inner[at+13] = pick(g, []byte{0x02, 0x12, 0x10, 0x18, 0x04, 0xc2})
	if g.oneIn(12) {
		put16(g.inner, at+16, pick(g, []uint16{0, 0xffff, 1, 0xfffe}))
	}
	for range g.random.IntN(5) {
		g.option()
	}
	for (len(g.inner)-at)%4 != 0 {
		g.inner = append(g.inner, byte(g.random.IntN(2)))
	}
	if size := len(g.inner) - at; size <= 60 {
		g.inner[at+12] = byte(size/4) << 4
	}
	if g.oneIn(25) {
		g.inner[at+12] = byte(g.random.IntN(16)) << 4
	}
	g.inner = g.noise(g.inner, g.random.IntN(20))
}

// option appends a TCP option; MSS often, and at odd offsets too.
func (g *Generator) option() {
	switch g.random.IntN(8) {
	case 0, 1, 2:
		g.inner = append16(append(g.inner, 2, 4), pick(g, []uint16{1460, 1440, 1200, 536, 65535, 8960, 1400, 0}))
	case 3, 4:
		g.inner = append(g.inner, 1)
	case 5:
		g.inner = append(g.inner, 3, 3, 7)
	case 6:
		g.inner = append(g.inner, 4, 2)
	case 7:
		g.inner = append(g.inner, byte(g.random.IntN(10)), byte(g.random.IntN(6)))
	}
}
