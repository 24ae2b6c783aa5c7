// SPDX-License-Identifier: Apache-2.0

package model

import "net/netip"

// aboutPath is what a router says about a packet of ours: mostly that it is too big, mostly one to a VTEP.
func (g *Generator) aboutPath() {
	w := &g.World
	b := append(append(g.out[:0], w.Gateway[:]...), 0x02, 0, 0, 0, 0xaa, 0x20)
	for g.oneIn(4) {
		b = append16(b, typeVLAN, 0)
	}
	to := pick(g, w.Peers)
	if g.oneIn(4) {
		to = w.Stranger
	}
	if w.VTEP.Is6() {
		b = g.aboutPath6(append16(b, typeIPv6), to)
	} else {
		b = g.aboutPath4(append16(b, typeIPv4), to)
	}
	if g.oneIn(6) {
		b = b[:len(b)-g.random.IntN(40)]
	}
	g.out = b
}

func (g *Generator) aboutPath4(b []byte, to netip.Addr) []byte {
	at := len(b)
	b = g.outer4(b, &tunnel{
		from: g.World.Stranger, to: g.World.VTEP, protocol: pick(g, []byte{protocolICMP, protocolICMP, protocolICMP, protocolUDP}),
		options: pick(g, []int{0, 0, 1, 10}), fragment: pick(g, []uint16{0, 0, 0, 0x2000, 0x0010}),
	})
	b = append(b, pick(g, []byte{unreachable, unreachable, unreachable, 11}), pick(g, []byte{fragNeeded, fragNeeded, 1}), 0, 0, 0, 0, 2, 88)
	b = append(g.outer4(b, &tunnel{from: g.World.VTEP, to: to, protocol: protocolUDP}), 0xc3, 0x50, 0x12, 0xb5, 0, 40, 0, 0)
	put16(b, at+2, uint16(len(b)-at))
	finish4(b, at)
	return b
}

func (g *Generator) aboutPath6(b []byte, to netip.Addr) []byte {
	at, src, dst, quoted := len(b), g.World.Stranger.As16(), g.World.VTEP.As16(), to.As16()
	chain := []byte{}
	for g.oneIn(2) {
		chain = append(chain, pick(g, []byte{protocolHopByHop, protocolDestination, protocolRouting, protocolAuth, protocolFragment}))
	}
	upper := pick(g, []byte{protocolICMPv6, protocolICMPv6, protocolICMPv6, protocolUDP})
	next := append(chain, upper)
	b = append(b, 0x60, 0, 0, 0, 0, 0, next[0], 64)
	b = append(append(b, src[:]...), dst[:]...)
	for i := range chain {
		b = append(b, next[i+1], 0, 0, pick(g, []byte{0, 0, 0, 1, 8}), 0, 0, 0, 0)
	}
	b = append(b, pick(g, []byte{packetTooBig, packetTooBig, packetTooBig, 1}), 0, 0, 0, 0, 0, 5, 0)
	b = append(b, 0x60, 0, 0, 0, 0, 8, protocolUDP, 64)
	b = append(append(b, dst[:]...), quoted[:]...)
	b = append(b, 0xc3, 0x50, 0x12, 0xb5, 0, 8, 0, 0)
	put16(b, at+4, uint16(len(b)-at-ipv6Size))
	return b
}
