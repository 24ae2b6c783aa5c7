// SPDX-License-Identifier: Apache-2.0

package model

import (
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Entry is what is known of a MAC. Times are ns.
type Entry struct {
	Place  Place
	Static bool // given by the operator: neither ages nor moves
	Pinned bool // lives in the cloud, at whatever VTEP it is heard from

	Seen        int64 // when it last sent
	Since       int64 // when it came to its place
	Born        int64 // when it was learnt
	Home        Place // where it last stayed for a while, else where it was learnt
	Moves       uint32
	Window      [2]int64 // when the windows of moves began: slow and fast tier
	Counted     [2]uint32
	FrozenUntil int64
	Freezes     int
	Share       [Classes]Bucket // used of its own part of each class
}

const (
	knownAfter  = int64(5 * time.Second) // an older entry is a known source
	stableAfter = int64(5 * time.Second) // a MAC that stayed so long somewhere is at home there
)

func (e *Entry) given() bool { return e.Static || e.Pinned }

// known reports whether the source has a share of its own: invented MACs do not buy one.
func (e *Entry) known(now int64) bool {
	return e != nil && (e.given() || now-e.Born >= knownAfter)
}

func (g *Gateway) addStatics(x *Extension) {
	for _, s := range x.Static {
		e := &Entry{Static: !s.Pinned, Pinned: s.Pinned, Place: AtCustomer}
		switch {
		case s.Pinned:
			e.Place = InCloud
		case s.Side == l2.Cloud:
			e.Place = g.placeOf(s.VTEP)
		}
		x.FDB[s.MAC] = e
	}
}

// live finds an entry that has not aged.
func (x *Extension) live(mac l2.MAC, now int64) *Entry {
	e := x.FDB[mac]
	if e == nil || x.aged(e, now) {
		return nil
	}
	return e
}

func (x *Extension) aged(e *Entry, now int64) bool {
	return !e.given() && now-max(e.Seen, e.FrozenUntil) > int64(x.MACAge)
}

// Sweep takes out what has aged, and reports whether anything had. Lookups judge the age by themselves: this only frees
// the quota.
func (x *Extension) Sweep(now int64) (any bool) {
	for mac, e := range x.FDB {
		if x.aged(e, now) {
			x.forget(mac, e)
			any = true
		}
	}
	return any
}

func (x *Extension) forget(mac l2.MAC, e *Entry) {
	if !e.given() {
		x.Learnt[sideIndex(e.Place)]--
	}
	delete(x.FDB, mac)
}

func sideIndex(p Place) int {
	if p == AtCustomer {
		return 0
	}
	return 1
}

func (x *Extension) full(p Place) bool { return x.Learnt[sideIndex(p)] >= int(x.MACLimit) }

// plan is what stage 7 does with the source.
type plan uint8

const (
	keep plan = iota // nothing
	refresh
	move
	learnNew
)

// lookup finds source and destination, and decides what is to be learnt, in every mode.
func (w *walk) lookup() Reason {
	w.source = w.x.live(w.layers.src, w.now)
	w.findTarget()
	w.asks = w.x.Mode != state.Off
	w.claim = w.judgeSource()
	return None
}

func (w *walk) findTarget() {
	w.target = nil
	if !w.group {
		w.target = w.x.live(w.layers.dst, w.now)
	}
	// At a VTEP not known yet: all get it, unless it is on the side that the frame came from.
	w.flood = w.target == nil || w.target.Place == InCloud && w.direction == l2.ToCloud
}

// macGuards are the guards of stage 6. A loop makes its source seem to move: what is dropped for that has left its
// fingerprint all the same.
func (w *walk) macGuards() Reason {
	if w.claim == MACMove && w.x.Mode == state.Enforce {
		w.fingerprint()
	}
	return w.claim
}

func (w *walk) judgeSource() Reason {
	e := w.source
	if e != nil && e.given() && e.Place.Side() != w.side() {
		return MACPinned
	}
	if w.asks && w.usesProtected() {
		if w.x.Mode == state.Observe { // learnt all the same
			w.planFor(e)
		}
		return AddressProtected
	}
	return w.planFor(e)
}

// planFor decides what to learn of a source, and what the guards of moves and of learning say.
func (w *walk) planFor(e *Entry) Reason {
	switch {
	case e == nil:
		return w.planNew()
	case !e.given() && !w.halved() && w.frozen(e):
		if w.x.Mode == state.Observe {
			w.follow(e)
		}
		return MACMove
	case e.Static || e.Place == w.place:
		w.plan = refresh
	case e.Place.Side() == w.side():
		w.plan = move // to another VTEP
	case w.halved() && !MovesOnPurpose(w.layers.src): // no move is written
		w.plan = refresh
	default:
		if w.planMove(e) {
			return MACMove
		}
		// Who is held here takes the place that was left.
		if w.x.full(w.place) && e.Place.Side() != w.side() && w.flood && w.asks && !MovesOnPurpose(w.layers.src) {
			return MACLimit // its side is full: it is not learnt where it is now
		}
	}
	return w.macStorm(e)
}

// planNew: a new source is learnt while its side has room and not too many are new. Nothing is evicted for it.
func (w *walk) planNew() Reason {
	if reason := w.macStorm(nil); reason != None && w.x.Mode == state.Enforce {
		return reason
	}
	reason := None
	switch {
	case w.x.full(w.place):
		reason = MACLimit
	case w.asks && !w.budgets().Learn.take(w.now, w.x.price.learn, 1):
		reason = MACRate
	default:
		w.plan = learnNew
	}
	if w.x.Mode == state.Observe && reason == MACRate {
		w.plan = learnNew
	}
	if !w.flood {
		return None // a known destination's unicast passes unlearnt
	}
	return reason
}

// macStorm drops what sources flood in a storm's direction that were not learnt before it began.
func (w *walk) macStorm(e *Entry) Reason {
	h := &w.x.Hold
	if w.now >= h.MACStormUntil || !w.flood || h.MACStormWays&state.WayOf(w.direction) == 0 {
		return None
	}
	if e != nil && (e.given() || e.Born <= h.MACStormSince) {
		return None
	}
	return MACRate
}

// learn is stage 7.
func (w *walk) learn() Reason {
	switch w.plan {
	case learnNew:
		w.learnSource()
	case refresh:
		w.source.Seen = w.now
		if w.source.Pinned && w.side() == l2.Cloud {
			w.source.Place = w.place
		}
		w.change(Refreshed)
	case move:
		w.moveTo(w.place)
		w.change(Moved)
		w.signal(Signal{Sign: SignMoved})
	}
	if w.layers.src == w.layers.dst { // known by now
		w.findTarget()
	}
	return None
}

func (w *walk) learnSource() {
	if e := w.x.FDB[w.layers.src]; e != nil { // it has aged
		w.x.forget(w.layers.src, e)
	}
	w.source = &Entry{Place: w.place, Home: w.place, Seen: w.now, Since: w.now, Born: w.now}
	w.x.FDB[w.layers.src] = w.source
	w.x.Learnt[sideIndex(w.place)]++
	w.change(Learnt)
}

func (w *walk) change(act Act) {
	w.result.Changes = append(w.result.Changes, Change{act, w.layers.src, w.source.Place})
}

func (w *walk) signal(s Signal) {
	s.MAC = w.layers.src
	w.result.Signals = append(w.result.Signals, s)
}
