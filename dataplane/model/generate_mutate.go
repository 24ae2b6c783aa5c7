// SPDX-License-Identifier: Apache-2.0

package model

// longestFrame bounds what mutation makes longer.
const longestFrame = 1800

// mutate changes a few bytes of what arrives, cuts it, or makes it longer.
func (g *Generator) mutate() {
	for range 1 + g.random.IntN(3) {
		if len(g.out) <= ethernetHeader {
			return
		}
		at := g.random.IntN(len(g.out))
		switch g.random.IntN(6) {
		case 0, 1:
			g.out[at] ^= 1 << g.random.IntN(8)
		case 2:
			g.out[at] = byte(g.random.Uint32())
		case 3:
			g.out = g.out[:max(ethernetHeader, at)]
		case 4:
			if len(g.out) < longestFrame {
				g.out = g.noise(g.out, g.random.IntN(40))
			}
		case 5:
			g.swapWords(at)
		}
	}
}

func (g *Generator) swapWords(at int) {
	if other := g.random.IntN(len(g.out)); at+2 <= len(g.out) && other+2 <= len(g.out) {
		a, b := get16(g.out, at), get16(g.out, other)
		put16(g.out, at, b)
		put16(g.out, other, a)
	}
}

// splice puts the end of an earlier frame behind the beginning of this one.
func (g *Generator) splice() {
	other := g.recent[g.random.IntN(len(g.recent))]
	if len(other) <= ethernetHeader || len(g.inner) <= ethernetHeader {
		return
	}
	at := ethernetHeader + g.random.IntN(min(len(g.inner), len(other))-ethernetHeader)
	g.inner = append(g.inner[:at], other[at:]...)
}
