// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// World is what generated frames are about: names and addresses that mean something to the gateway under
// test, so that frames reach its deeper stages.
type World struct {
	Circuits []Attachment
	Uplink   string
	Gateway  l2.MAC // the uplink's
	VTEP     netip.Addr
	Port     uint16
	Peers    []netip.Addr // VTEPs of some extension
	Stranger netip.Addr   // a VTEP of none
	VNIs     []l2.VNI
	Own      []l2.MAC    // the gateway's addresses
	Stations [2][]l2.MAC // where they live mostly: customer, cloud
	IPs      []netip.Addr
	Longest  int           // near this size frames become too big
	Loops    bool          // frames come back, by either side, and so do probes
	Busy     bool          // frames take time
	Pace     time.Duration // between frames, about
	Pause    time.Duration // the longest, now and then
}

// Attachment is a circuit.
type Attachment struct {
	NIC  string
	VLAN l2.VLAN
}

// Arrival is a frame that arrives. Bytes are valid until the next one.
type Arrival struct {
	Underlay bool
	NIC      string
	Bytes    []byte
	Step     time.Duration // since the frame before it
	Probe    uint64        // unless 0, a probe with this nonce is sent before
	Work     time.Duration // what frames of the first extension have taken of a core before
}

// Generator makes arrivals without end, the same for the same world and seed. Most are right but for
// one thing, since a frame that is wrong everywhere reaches no further than the first stage.
type Generator struct {
	World World

	random  *rand.Rand
	inner   []byte // the frame without the circuit's tags or outer headers
	out     []byte
	recent  [16][]byte // inner frames that came before
	next    int
	nonce   uint64 // of the last probe
	arrival Arrival
}

// NewGenerator starts at a seed.
func NewGenerator(w World, seed uint64) *Generator {
	return &Generator{World: w, random: rand.New(rand.NewPCG(seed, 0x6272696467650a))}
}

// Next makes the next arrival.
func (g *Generator) Next() *Arrival {
	underlay := g.oneIn(2)
	g.content(underlay)
	g.keep()
	g.arrival = Arrival{Underlay: underlay, Step: g.step()}
	if g.World.Loops && g.oneIn(100) {
		g.nonce = g.random.Uint64() | 1
		g.arrival.Probe = g.nonce
	}
	if g.World.Busy && g.oneIn(20) {
		g.arrival.Work = time.Duration(g.random.Int64N(int64(20 * time.Millisecond)))
	}
	if underlay {
		g.arrival.NIC = g.World.Uplink
	}
	switch {
	case underlay && g.oneIn(60):
		g.aboutPath()
	case underlay:
		g.encapsulate()
	default:
		g.attach()
	}
	if g.oneIn(8) {
		g.mutate()
	}
	g.arrival.Bytes = g.out
	return &g.arrival
}

// content makes the inner frame: a new one, or one of the last, by whichever side.
func (g *Generator) content(fromCloud bool) {
	if old := g.earlier(); len(old) > 0 {
		g.inner = append(g.inner[:0], old...)
		return
	}
	if g.World.Loops && g.oneIn(50) {
		g.probe()
		return
	}
	g.ethernet(fromCloud)
	if g.oneIn(12) {
		g.splice()
	}
}

// earlier is a frame that comes again now and then; where there are loops, one of the last few comes often.
func (g *Generator) earlier() []byte {
	back, often := len(g.recent), 5
	if g.World.Loops {
		back, often = 4, 2
	}
	if !g.oneIn(often) {
		return nil
	}
	return g.recent[(g.next+len(g.recent)-1-g.random.IntN(back))%len(g.recent)]
}

// probe is what a probe looks like when it comes back: ours, or with a nonce that nobody sent.
func (g *Generator) probe() {
	nonce := g.nonce
	if g.oneIn(4) {
		nonce = g.random.Uint64()
	}
	b := append(append(g.inner[:0], probeGroup[:]...), g.World.Own[0][:]...)
	b = binary.BigEndian.AppendUint64(append16(b, typeProbe), nonce)
	g.inner = g.noise(b, 38)
}

func (g *Generator) keep() {
	g.recent[g.next] = append(g.recent[g.next][:0], g.inner...)
	g.next = (g.next + 1) % len(g.recent)
}

// step is the time since the frame before: mostly about the world's pace, now and then much more, so that
// deadlines pass.
func (g *Generator) step() time.Duration {
	pace := g.World.Pace
	switch {
	case pace == 0 || !g.World.Loops && g.oneIn(4):
		return 0
	case g.oneIn(3000): // new sources become known, and known ones are forgotten
		return time.Duration(g.random.Int64N(int64(g.World.Pause) + 1))
	case g.oneIn(50):
		pace *= 20
	}
	return time.Duration(g.random.Int64N(int64(2*pace) + 1))
}

// attach puts the tags of a circuit on, or of none.
func (g *Generator) attach() {
	c := g.World.Circuits[g.random.IntN(len(g.World.Circuits))]
	g.arrival.NIC = c.NIC
	if len(g.inner) < 12 {
		g.out = append(g.out[:0], g.inner...)
		return
	}
	g.out = append(g.out[:0], g.inner[:12]...)
	tpid, vids := uint16(c.VLAN.TPID()), [2]uint16{uint16(c.VLAN.Outer()), uint16(c.VLAN.Inner())}
	depth := c.VLAN.Depth()
	switch {
	case depth == 0 && g.oneIn(3): // a priority tag
		depth, tpid = 1, pick(g, []uint16{typeVLAN, typeSVLAN})
	case g.oneIn(40):
		depth = g.random.IntN(3)
	case g.oneIn(40):
		tpid = pick(g, tagTypes)
	case g.oneIn(40):
		vids[g.random.IntN(2)] = pick(g, []uint16{0, 1, 7, 100, 200, 4095})
	}
	for i := range depth {
		g.out = append16(g.out, tpid, g.priority()|vids[i])
		tpid = typeVLAN
		if g.oneIn(100) {
			tpid = pick(g, tagTypes)
		}
	}
	g.out = append(g.out, g.inner[12:]...)
}

// priority is a tag's PCP and DEI.
func (g *Generator) priority() uint16 { return uint16(g.random.IntN(16)) << 12 }

var tagTypes = []uint16{typeVLAN, typeSVLAN, 0x9100, 0x9200, 0x9300}

func (g *Generator) oneIn(n int) bool { return g.random.IntN(n) == 0 }

func pick[T any](g *Generator, from []T) T { return from[g.random.IntN(len(from))] }

func append16(b []byte, words ...uint16) []byte {
	for _, w := range words {
		b = append(b, byte(w>>8), byte(w))
	}
	return b
}

func put16(b []byte, at int, w uint16) { b[at], b[at+1] = byte(w>>8), byte(w) }

// noise appends n bytes, mostly zero: what is behind a header seldom matters.
func (g *Generator) noise(b []byte, n int) []byte {
	for range n {
		b = append(b, 0)
	}
	if n > 0 && g.oneIn(2) {
		b[len(b)-1-g.random.IntN(n)] = byte(g.random.Uint32())
	}
	return b
}
