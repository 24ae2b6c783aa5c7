// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// MACs limits what is learnt, and says what is known without learning.
type MACs struct {
	Limit     uint32 // learnt on each side, 1 to 1048576
	Rate      uint32 // learnt in a second
	Age       time.Duration
	Moves     MoveLimit // between the sides, before a MAC is frozen
	FastMoves MoveLimit // the same in a shorter time
	Pinned    []l2.MAC  // live in the cloud, never learnt from the customer
	Static    []StaticMAC
}

// StaticMAC is a station whose place the operator gave.
type StaticMAC struct {
	MAC  l2.MAC
	Side l2.Side
	VTEP netip.Addr // of a station in the cloud, one of the peers; else invalid
}

// staticPlace is where a static MAC stands.
type staticPlace struct{ mac, vtep place }

const (
	maxMACLimit = 1 << 20 // learnt on each side
	// IEEE 802.1Q's ageing time ranges from 10 s to 1,000,000 s; below it only a test is served.
	minAge = time.Second
	maxAge = 1_000_000 * time.Second
)

var (
	macLimitAllowed = fmt.Sprintf("1 to %d", maxMACLimit)
	ageAllowed      = fmt.Sprintf("%s to %ds", written(minAge), maxAge/time.Second)
)

const stationAllowed = "the address of one station such as 02:00:00:00:00:01"

func defaultMACs() MACs {
	return MACs{
		Limit:     1024,
		Rate:      100,
		Age:       300 * time.Second,
		Moves:     MoveLimit{Count: 5, Window: 180 * time.Second}, // RFC 7432 §15.1
		FastMoves: MoveLimit{Count: 3, Window: time.Second},
	}
}

func (g *guardReader) macs(path string, n *node) {
	m := &g.guard.MACs
	fast := false
	g.mapping(path, n, []field{
		number(g.reader, "limit", macLimitAllowed, numberIn[uint32](1, maxMACLimit), &m.Limit),
		value(g.reader, "rate", learnRateAllowed, parseLearnRate, &m.Rate),
		value(g.reader, "age", ageAllowed, durationIn(minAge, maxAge), &m.Age),
		value(g.reader, "moves", movesAllowed, parseMoves, &m.Moves),
		{key: "fast-moves", read: func(path string, n *node) {
			fast = read(g.reader, path, n, movesAllowed, parseMoves, &m.FastMoves)
		}},
		{key: "pinned", read: g.pinnedMACs},
		{key: "static", read: g.staticMACs},
	})
	if fast {
		g.checkFastMoves(join(path, "fast-moves"), n.get("fast-moves").at)
		return
	}
	m.FastMoves.Count = min(m.FastMoves.Count, m.Moves.Count)
	m.FastMoves.Window = min(m.FastMoves.Window, m.Moves.Window)
}

// checkFastMoves refuses a fast tier that the slow one always forestalls.
func (g *guardReader) checkFastMoves(path string, at place) {
	fast, slow := g.guard.MACs.FastMoves, g.guard.MACs.Moves
	switch {
	case fast.Count > slow.Count:
		g.add(at, "%s: %d moves are never reached, since %d within %s (macs.moves) freeze a MAC: at most %d is allowed",
			path, fast.Count, slow.Count, written(slow.Window), slow.Count)
	case fast.Window > slow.Window:
		g.add(at, "%s: %s is longer than the %s of macs.moves: at most that is allowed", path, written(fast.Window), written(slow.Window))
	}
}

func (g *guardReader) pinnedMACs(path string, n *node) {
	g.pinned = map[l2.MAC]place{}
	for _, item := range g.items(path, n, "MAC addresses") {
		var mac l2.MAC
		if !read(g.reader, path, item, stationAllowed, parseStation, &mac) {
			continue
		}
		if first, twice := g.pinned[mac]; twice {
			g.add(item.at, "%s: %s is there twice, first %s: once is allowed", path, mac, g.where(first))
			continue
		}
		g.pinned[mac] = item.at
		g.guard.MACs.Pinned = append(g.guard.MACs.Pinned, mac)
	}
	g.checkPinned(path)
}

func (g *guardReader) staticMACs(path string, n *node) {
	seen := map[l2.MAC]place{}
	for _, item := range g.items(path, n, "maps of mac, side and vtep") {
		s, at, ok := g.staticMAC(path, item)
		if !ok {
			continue
		}
		if first, twice := seen[s.MAC]; twice {
			g.add(at.mac, "%s: %s is there twice, first %s: once is allowed", path, s.MAC, g.where(first))
			continue
		}
		seen[s.MAC] = at.mac
		g.guard.MACs.Static = append(g.guard.MACs.Static, s)
		g.static = append(g.static, at)
	}
	g.checkPinned(path)
}

// staticMAC reads one entry, and reports whether it is whole.
func (g *guardReader) staticMAC(path string, n *node) (s StaticMAC, at staticPlace, ok bool) {
	side := false
	g.mapping(path, n, []field{
		{key: "mac", need: stationAllowed, read: func(path string, n *node) {
			if read(g.reader, path, n, stationAllowed, parseStation, &s.MAC) {
				at.mac = n.at
			}
		}},
		{key: "side", need: "customer or cloud", read: func(path string, n *node) {
			parse := chosen([]option[l2.Side]{{"customer", l2.Customer}, {"cloud", l2.Cloud}})
			side = read(g.reader, path, n, "customer or cloud", parse, &s.Side)
		}},
		{key: "vtep", read: func(path string, n *node) {
			if read(g.reader, path, n, "one of the extension's peers", parseVTEP, &s.VTEP) {
				at.vtep = n.at
			}
		}},
	})
	vtep := n.get("vtep")
	switch {
	case side && s.Side == l2.Customer && vtep != nil:
		g.add(vtep.home(), "%s: a station on the customer's side is behind no VTEP: leave vtep out, or write side: cloud", join(path, "vtep"))
		return s, at, false
	case side && s.Side == l2.Cloud && vtep == nil && !n.partly:
		g.add(n.at, "%s: vtep is missing: a station in the cloud needs one of the extension's peers", path)
		return s, at, false
	}
	return s, at, side && at.mac.known() && (vtep == nil || at.vtep.known())
}

// checkPinned refuses a MAC that is both static and pinned, at the one that stands later. Each of the two
// lists calls it when it is read: the later one finds the other.
func (g *guardReader) checkPinned(path string) {
	for i, s := range g.guard.MACs.Static {
		pinned, both := g.pinned[s.MAC]
		if !both {
			continue
		}
		at, first := pinned, g.static[i].mac
		if first.line > at.line || first.line == at.line && first.column > at.column {
			at, first = first, at
		}
		why := "which places it already"
		if s.Side == l2.Customer {
			why = "but pinned means the cloud, and static says customer"
		}
		g.add(at, "%s: %s is in macs.pinned and in macs.static, first %s, %s: one of them is allowed", path, s.MAC, g.where(first), why)
	}
}

// checkVTEPs refuses static MACs behind a VTEP that is not among the extension's peers. No peers means
// that they could not be read.
func (g *guardReader) checkVTEPs(peers []netip.Addr) {
	if len(peers) == 0 {
		return
	}
	for i, s := range g.guard.MACs.Static {
		if s.VTEP.IsValid() && !slices.Contains(peers, s.VTEP) {
			g.add(g.static[i].vtep, "%s.macs.static.vtep: %s is not among the extension's peers: one of overlay.peers is allowed", g.path, s.VTEP)
		}
	}
}
