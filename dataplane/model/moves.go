// SPDX-License-Identifier: Apache-2.0

package model

import (
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	firstFreeze   = int64(30 * time.Second)
	longestFreeze = int64(30 * time.Minute)
)

// planMove decides about a source that is heard on the other side, and reports whether the frame is to be
// dropped for it.
func (w *walk) planMove(e *Entry) (drop bool) {
	w.plan = move
	if w.x.full(w.place) { // takes no mover either: it is not learnt where it is now
		w.plan = refresh
		if w.x.Mode == state.Enforce && !MovesOnPurpose(w.layers.src) {
			w.plan = keep
		}
		return false
	}
	if !w.asks || MovesOnPurpose(w.layers.src) {
		return false
	}
	w.settle(e)
	if !w.countMove(e) {
		return false
	}
	if w.x.Mode == state.Observe {
		w.hold(e)
		w.follow(e)
		return true
	}
	w.plan = keep
	return w.freeze(e)
}

// follow writes the place of a MAC that is only held on paper, in mode observe: traffic must find it.
func (w *walk) follow(e *Entry) {
	w.plan = refresh
	if e.Place.Side() == w.side() || !w.x.full(w.place) {
		w.x.relocate(e, w.place)
		e.Since = w.now
	}
}

// frozen reports whether a source is held on the other side.
func (w *walk) frozen(e *Entry) bool {
	return w.asks && w.now < e.FrozenUntil && e.Place.Side() != w.side()
}

// countMove counts a move in both windows, each of which starts with its first move, and reports whether one
// of them has reached its limit.
func (w *walk) countMove(e *Entry) (reached bool) {
	for i, limit := range [2]MoveLimit{w.x.Guards.Moves, w.x.Guards.FastMoves} {
		if e.Counted[i] == 0 || w.now-e.Window[i] >= int64(limit.Window) {
			e.Window[i], e.Counted[i] = w.now, 0
		}
		e.Counted[i]++ // a limit of 0 is none
		reached = reached || limit.Count > 0 && e.Counted[i] >= limit.Count
	}
	return reached
}

// freeze holds a MAC where it was last stable, and reports whether the frame came from elsewhere. Where home has no
// room it is held all the same, but not brought there.
func (w *walk) freeze(e *Entry) (drop bool) {
	w.hold(e)
	if e.Home.Side() == e.Place.Side() || !w.x.full(e.Home) {
		w.x.relocate(e, e.Home)
	}
	w.result.Changes = append(w.result.Changes, Change{Frozen, w.layers.src, e.Home})
	w.signal(Signal{Sign: SignFrozen, Until: e.FrozenUntil})
	if e.Home.Side() != w.side() {
		return true
	}
	w.plan = refresh
	return false
}

// hold writes until when a MAC is frozen: twice as long each time.
func (w *walk) hold(e *Entry) {
	hold := longestFreeze
	if e.Freezes < 7 {
		hold = min(hold, firstFreeze<<e.Freezes)
	}
	e.Freezes++
	e.FrozenUntil = w.now + hold
	e.Counted = [2]uint32{}
	e.Since = w.now
}

// settle makes the place where an entry stayed for a while its home.
func (w *walk) settle(e *Entry) {
	if w.now-e.Since >= stableAfter {
		e.Home = e.Place
	}
}

// moveTo writes a move.
func (w *walk) moveTo(p Place) {
	e := w.source
	w.settle(e)
	w.x.relocate(e, p)
	e.Seen, e.Since = w.now, w.now
	e.Moves++
}

func (x *Extension) relocate(e *Entry, p Place) {
	if !e.given() {
		x.Learnt[sideIndex(e.Place)]--
		x.Learnt[sideIndex(p)]++
	}
	e.Place = p
}

// MovesOnPurpose reports whether an address is one that first-hop redundancy protocols move: VRRP's
// (RFC 9568 §7.3), HSRP's and GLBP's.
func MovesOnPurpose(m l2.MAC) bool {
	for _, p := range [...]Prefix{
		{l2.MAC{0x00, 0x00, 0x5e, 0x00, 0x01}, 40}, {l2.MAC{0x00, 0x00, 0x5e, 0x00, 0x02}, 40}, // VRRP for IPv4, IPv6
		{l2.MAC{0x00, 0x00, 0x0c, 0x07, 0xac}, 40}, {l2.MAC{0x00, 0x00, 0x0c, 0x9f, 0xf0}, 36}, // HSRP, version 2
		{l2.MAC{0x00, 0x05, 0x73, 0xa0}, 36}, // HSRP for IPv6
		{l2.MAC{0x00, 0x07, 0xb4}, 24},       // GLBP
	} {
		if p.Contains(m) {
			return true
		}
	}
	return false
}
