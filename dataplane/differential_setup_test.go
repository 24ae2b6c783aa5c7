// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// setup is what one episode is configured with, in a form that a file can hold.
type setup struct {
	IPv6           bool // the underlay's family
	MTU            int
	IgnoreReserved bool
	ZeroChecksum6  bool
	Passthrough    bool
	Loops          bool
	Pace, Pause    time.Duration
	Extensions     []extensionSetup
}

// extensionSetup is one extension of an episode.
type extensionSetup struct {
	VLAN     string
	TPID     uint16
	PCP      uint8
	Peers    int  // how many of the usual two
	Stray    bool // one more VTEP that no route leads to
	Mode     state.GuardMode
	Raised   bool
	Down     bool
	AllowAll bool
	Inner    []l2.VID
	Static   bool // some stations are static, one is pinned
	MACLimit uint32
	MACAge   time.Duration
	MSS      uint16 // 0: what fits; 1: off
	Guards   model.Guards
}

// setupOf makes the setup of a seed: one or three extensions, each with guards that are likely to fire.
func setupOf(seed uint64) setup {
	random := rand.New(rand.NewPCG(seed, 0x7363656e6172696f))
	s := setup{
		IPv6:           random.IntN(4) == 0,
		MTU:            []int{1600, 1500}[random.IntN(2)],
		IgnoreReserved: random.IntN(4) == 0,
		ZeroChecksum6:  random.IntN(2) == 0,
		Passthrough:    random.IntN(6) == 0,
		Pace:           []time.Duration{0, 10 * time.Microsecond, time.Millisecond, 30 * time.Millisecond}[random.IntN(4)],
		Pause:          []time.Duration{2 * time.Second, 20 * time.Second, 400 * time.Second}[random.IntN(3)],
	}
	circuits := []extensionSetup{
		{VLAN: "2301", TPID: 0x8100}, {VLAN: "untagged"}, {VLAN: "100.200", TPID: 0x88a8}, {VLAN: "100", TPID: 0x8100},
		{VLAN: "100.201", TPID: 0x8100}, {VLAN: "7", TPID: 0x88a8},
	}
	random.Shuffle(len(circuits), func(i, j int) { circuits[i], circuits[j] = circuits[j], circuits[i] })
	for i := range []int{1, 1, 1, 3}[random.IntN(4)] {
		x := circuits[i]
		x.choose(random)
		x.Guards = guardsOf(random)
		if x.Mode == state.Observe { // a MAC that is frozen on paper only: the contract leaves open where it is
			x.Guards.Moves.Count, x.Guards.FastMoves.Count = 0, 0
		}
		if random.IntN(3) == 0 {
			x.Guards.Moves.Count, x.Guards.FastMoves.Count = 0, 0
		}
		if x.Guards.Moves.Count > 0 { // when a frozen MAC ages the contract leaves open, too
			x.MACAge = 24 * time.Hour
		}
		if x.Guards.Loops {
			s.Loops, s.Pace = true, 20*time.Millisecond
		}
		s.Extensions = append(s.Extensions, x)
	}
	return s
}

func (x *extensionSetup) choose(random *rand.Rand) {
	x.PCP = []uint8{0, 5, state.PCPFromDSCP}[random.IntN(3)]
	x.Peers = 1 + random.IntN(2)
	x.Stray = random.IntN(4) == 0
	x.Mode = []state.GuardMode{state.Enforce, state.Enforce, state.Enforce, state.Observe, state.Off}[random.IntN(5)]
	x.Raised, x.Down = random.IntN(40) == 0, random.IntN(40) == 0
	x.AllowAll = random.IntN(3) == 0
	if random.IntN(2) == 0 {
		x.Inner = []l2.VID{10, 20}
	}
	x.Static = random.IntN(2) == 0
	x.MACLimit = []uint32{1024, 1024, 20, 8}[random.IntN(4)]
	x.MACAge = []time.Duration{300 * time.Second, 10 * time.Second}[random.IntN(2)]
	x.MSS = []uint16{0, 1, 1200}[random.IntN(3)]
}

// guardsOf chooses limits that the few thousand frames of an episode reach.
func guardsOf(random *rand.Rand) model.Guards {
	g := model.Defaults()
	some := func(n int) bool { return random.IntN(n) == 0 }
	for c := range g.Storm {
		n := []uint64{500, 100, 20, 10}[random.IntN(4)]
		g.Storm[c].Frames = model.Rate{PerSecond: n, Burst: []uint64{n, 2 * n, n / 2, 4}[random.IntN(4)]}
		if some(4) {
			g.Storm[c].Bytes = model.Rate{PerSecond: 5000, Burst: 5000}
		}
	}
	g.Flood.Rate = []model.Rate{{PerSecond: 20, Burst: 20}, {PerSecond: 20000, Burst: 20000}}[random.IntN(2)]
	for _, p := range []model.Prefix{
		{MAC: l2.MAC{0x03, 0xbf}, Bits: 16}, {MAC: l2.MAC{0x02, 0xbf}, Bits: 16}, {MAC: l2.MAC{0x01, 0x00, 0x5e, 0x10}, Bits: 24},
	} {
		if some(3) {
			g.Flood.Allow = append(g.Flood.Allow, p)
		}
	}
	g.LearnRate = []uint32{100, 5, 1}[random.IntN(3)]
	if some(3) {
		g.Moves, g.FastMoves = model.MoveLimit{Count: 4, Window: 10 * time.Second}, model.MoveLimit{Count: 2, Window: time.Second}
	}
	for _, a := range []netip.Addr{ipVM, vtep6} {
		if some(3) {
			g.Protect = append(g.Protect, a)
		}
	}
	for i := range g.Serve {
		g.Serve[i] = model.Sides(random.IntN(4))
	}
	if some(2) {
		g.Tunnelled = model.Protocols(random.IntN(1 << 13))
	}
	for dir := range g.Bandwidth {
		if some(6) {
			g.Bandwidth[dir] = model.Rate{PerSecond: 50_000, Burst: 5_000}
		}
	}
	if some(8) {
		g.CPU = 10
	}
	g.Loops, g.Trip = some(3), !some(4)
	return g
}
