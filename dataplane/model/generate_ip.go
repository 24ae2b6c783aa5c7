// SPDX-License-Identifier: Apache-2.0

package model

// address4 is an IPv4 address of the world, or none.
func (g *Generator) address4() [4]byte {
	for range 8 {
		if a := pick(g, g.World.IPs); a.Is4() {
			return a.As4()
		}
	}
	return [4]byte{0, 0, 0, 0}
}

func (g *Generator) address6() [16]byte {
	for range 8 {
		if a := pick(g, g.World.IPs); a.Is6() {
			return a.As16()
		}
	}
	return [16]byte{}
}

// tos is an IP packet's DSCP and ECN.
func (g *Generator) tos() byte {
	if g.oneIn(2) {
		return byte(g.random.IntN(4))
	}
	return byte(g.random.Uint32())
}

// ipv4 appends an IPv4 packet, right but for one thing now and then.
func (g *Generator) ipv4() {
	b := append16(g.inner, typeIPv4)
	at := len(b)
	b = append(b, 0x45, g.tos(), 0, 0, 0, 1, 0, 0, 64, 0, 0, 0)
	src, dst := g.address4(), g.destination4()
	b = append(append(b, src[:]...), dst[:]...)
	if g.oneIn(8) {
		words := 1 + g.random.IntN(10)
		for range words {
			b = append(b, 1, 1, 1, 1)
		}
		b[at] += byte(words)
	}
	if g.oneIn(2) {
		b[at+6] |= 0x40
	}
	if g.oneIn(10) {
		put16(b, at+6, pick(g, []uint16{0x2000, 0x2001, 0x0001, 0x0100, 0x1fff, 0x8000}))
	}
	g.inner = b
	protocol := g.upper4()
	g.inner[at+9] = protocol
	put16(g.inner, at+2, uint16(len(g.inner)-at))
	if g.oneIn(15) {
		g.spoil4(at)
	}
	finish4(g.inner, at)
	if g.oneIn(30) {
		g.inner[at+10] ^= 0x55 // the inner checksum is the receiver's business
	}
}

// finish4 writes an IPv4 header's checksum.
func finish4(b []byte, at int) {
	put16(b, at+10, 0)
	end := min(at+4*int(b[at]&0xf), len(b))
	put16(b, at+10, ^sumOf(b[at:end]))
}

func (g *Generator) destination4() [4]byte {
	if g.oneIn(5) {
		return pick(g, [][4]byte{{224, 0, 0, 18}, {224, 0, 0, 1}, {224, 0, 0, 102}, {255, 255, 255, 255}, {239, 1, 1, 1}})
	}
	return g.address4()
}

// spoil4 makes a length or the version wrong.
func (g *Generator) spoil4(at int) {
	switch g.random.IntN(5) {
	case 0:
		g.inner[at] = 0x40 | byte(g.random.IntN(16))
	case 1:
		put16(g.inner, at+2, uint16(g.random.IntN(100)))
	case 2:
		put16(g.inner, at+2, get16(g.inner, at+2)+1)
	case 3:
		g.inner[at] = byte(g.random.IntN(16)) << 4
	case 4:
		g.inner = g.inner[:at+g.random.IntN(len(g.inner)-at)]
		for len(g.inner) < at+ipv4Size { // the header stays writable
			g.inner = append(g.inner, 0)
		}
	}
}

// upper4 appends what an IPv4 packet carries and returns its protocol.
func (g *Generator) upper4() byte {
	switch n := g.random.IntN(16); {
	case n < 6:
		g.udp(false)
		return protocolUDP
	case n < 10:
		g.tcp()
		return protocolTCP
	case n < 12:
		g.message(pick(g, []byte{0, 3, 5, 8, 9, 10, 11, 12, 13}))
		return protocolICMP
	case n < 14:
		g.message(pick(g, []byte{0x11, 0x11, 0x12, 0x16, 0x17, 0x22}))
		return protocolIGMP
	case n < 15:
		if g.oneIn(4) {
			return g.authenticated()
		}
		g.message(0x21)
		return protocolVRRP
	}
	g.inner = g.noise(g.inner, g.random.IntN(30))
	return byte(g.random.Uint32())
}

// authenticated appends something behind an authentication header, over IPv4.
func (g *Generator) authenticated() byte {
	at := len(g.inner)
	g.header(protocolAuth)
	switch g.random.IntN(3) {
	case 0:
		g.tcp()
		g.inner[at] = protocolTCP
	case 1:
		g.udp(false)
		g.inner[at] = protocolUDP
	default:
		g.message(0x21)
		g.inner[at] = protocolVRRP
	}
	return protocolAuth
}

// message appends a message that begins with its type.
func (g *Generator) message(kind byte) {
	g.inner = append(g.inner, kind, 0, 0, 0)
	g.inner = g.noise(g.inner, g.random.IntN(24))
	if g.oneIn(20) {
		g.inner = g.inner[:len(g.inner)-min(4, g.random.IntN(5))]
	}
}

// ipv6 appends an IPv6 packet with a chain of extension headers.
func (g *Generator) ipv6() {
	b := append16(g.inner, typeIPv6)
	at := len(b)
	tos := g.tos()
	b = append(b, 0x60|tos>>4, tos<<4, 0, 0, 0, 0, 0, 64)
	src, dst := g.address6(), g.destination6()
	g.inner = append(append(b, src[:]...), dst[:]...)
	g.chain(at + 6)
	put16(g.inner, at+4, uint16(len(g.inner)-at-ipv6Size))
	if g.oneIn(15) {
		g.spoil6(at)
	}
}

func (g *Generator) destination6() [16]byte {
	if g.oneIn(3) {
		return pick(g, [][16]byte{{0: 0xff, 1: 2, 15: 1}, {0: 0xff, 1: 2, 11: 1, 12: 0xff, 15: 2}, {0: 0xff, 1: 2, 15: 0x12}})
	}
	return g.address6()
}

func (g *Generator) spoil6(at int) {
	switch g.random.IntN(4) {
	case 0:
		put16(g.inner, at+4, uint16(g.random.IntN(100)))
	case 1:
		put16(g.inner, at+4, get16(g.inner, at+4)+1)
	case 2:
		g.inner[at] = byte(g.random.IntN(16)) << 4
	case 3:
		g.inner = g.inner[:at+g.random.IntN(len(g.inner)-at)]
	}
}

// chain appends extension headers and the upper header. next is where the number of the first goes.
func (g *Generator) chain(next int) {
	for range g.headers() {
		kind := pick(g, []byte{protocolHopByHop, protocolRouting, protocolFragment, protocolAuth, protocolDestination, protocolDestination,
			protocolMobility, protocolHIP, protocolShim6})
		g.inner[next] = kind
		next = len(g.inner)
		g.header(kind)
	}
	before := len(g.inner)
	kind := g.upper6()
	g.inner[next] = kind
	if g.oneIn(25) && len(g.inner) > before {
		g.inner = g.inner[:before+g.random.IntN(len(g.inner)-before)]
	}
}

// headers is how many extension headers there are: mostly none, sometimes about as many as are allowed.
func (g *Generator) headers() int {
	switch {
	case !g.oneIn(3):
		return 0
	case g.oneIn(4):
		return 6 + g.random.IntN(5)
	}
	return 1 + g.random.IntN(3)
}

func (g *Generator) header(kind byte) {
	size := 0
	if g.oneIn(6) {
		size = g.random.IntN(3)
	}
	switch kind {
	case protocolFragment:
		word := pick(g, []uint16{0, 0, 1, 1, 8, 9, 0xfff8, 6, 7})
		g.inner = append16(append(g.inner, 0, 0), word, 0, 7)
		return
	case protocolAuth:
		g.inner = append(g.inner, 0, byte(4+size))
		g.inner = g.noise(g.inner, 8+4*(4+size)-2)
	default:
		g.inner = append(g.inner, 0, byte(size))
		g.inner = g.noise(g.inner, 6+8*size)
	}
}

// upper6 appends what an IPv6 packet carries and returns its number.
func (g *Generator) upper6() byte {
	switch n := g.random.IntN(16); {
	case n < 4:
		g.udp(true)
		return protocolUDP
	case n < 7:
		g.tcp()
		return protocolTCP
	case n < 14:
		g.icmp6()
		return protocolICMPv6
	case n < 15:
		g.message(0x31)
		return protocolVRRP
	}
	g.inner = g.noise(g.inner, g.random.IntN(30))
	return pick(g, []byte{50, 59, 41, 4, 89, 132, 200, 255})
}

// icmp6 appends an ICMPv6 message; those of neighbour discovery have a target.
func (g *Generator) icmp6() {
	kind := pick(g, []byte{1, 2, 128, 129, 130, 131, 133, 134, 135, 136, 137, 143, 148, 149, 155})
	g.inner = append(g.inner, kind, 0, 0, 0, 0, 0, 0, 0)
	target := g.address6()
	g.inner = append(g.inner, target[:]...)
	g.inner = g.noise(g.inner, g.random.IntN(17))
}
