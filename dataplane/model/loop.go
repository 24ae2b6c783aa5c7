// SPDX-License-Identifier: Apache-2.0

package model

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"maps"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Hold is what a guard holds, by deadlines in ns.
type Hold struct {
	HalfRaisedUntil              int64
	Level                        int // how often in a row it was half-raised, less one
	MACStormSince, MACStormUntil int64
	MACStormWays                 state.Ways // the storm's
}

// Loop is what speaks for a loop.
type Loop struct {
	Probes   map[uint64]int64  // sent, by nonce
	Prints   map[uint64]*Print // by a hash of the frame
	crossed  int64             // when a fingerprint crossed, and which
	crossing uint64
	returned map[l2.MAC]int64 // when a source's frames came back to where they came from
	told     int64            // when the last suspicion was told of
}

// Print is a frame that floods and may come again.
type Print struct {
	First     int64 // when its window began
	Slot      int   // where a table keeps it that has room for few: another print there displaces it
	side      l2.Side
	crossings int
	returns   int
}

const (
	printWindow = int64(100 * time.Millisecond)
	probeWindow = int64(time.Second)
	// Suspicions are told of no more often.
	suspicionPause = int64(10 * time.Millisecond)
	printBytes     = 128 // behind the addresses
	manyTimes      = 4   // crossings or returns of one fingerprint
	manySources    = 3
	// Hosts repeat where they are, and after a fail-over many do so at once: as often, it is more than that.
	manyAnnouncements = 8

	firstHold   = int64(2 * time.Second)
	longestHold = int64(300 * time.Second)
	calmAfter   = int64(300 * time.Second)
)

var (
	probeGroup = l2.MAC{0x03, 0x44, 0x42, 0x00, 0x00, 0x01}
	printSeed  = maphash.MakeSeed()
)

// SendProbe notes a probe of ours, which leaves each way: to the customer and to every VTEP. The nonce is what a frame
// holds, in wire order.
func (g *Gateway) SendProbe(x *Extension, now int64, nonce uint64) {
	if x.Loop.Probes == nil {
		x.Loop.Probes = map[uint64]int64{}
	}
	if x.down || x.Raised {
		return
	}
	x.Loop.Probes[nonce] = now
	x.Counters[l2.ToCustomer].Generated++
	for _, p := range x.peers {
		if !g.Unresolved[g.VTEP(p)] {
			x.Counters[l2.ToCloud].Generated++
		}
	}
}

// probeReturns trips when a frame is a live probe of this extension that came back. Its nonce proves it, whatever was made of
// its addresses.
func (w *walk) probeReturns() {
	l := &w.layers
	if l.kind != typeProbe || l.tags > 0 || len(w.frame) < l.payload+8 {
		return
	}
	nonce := binary.BigEndian.Uint64(w.frame[l.payload:])
	receiver := w.x
	for _, w.x = range w.gateway.Extensions {
		sent, is := w.x.Loop.Probes[nonce]
		if is && w.now-sent <= probeWindow && (w.x == receiver || receiver.Mode != state.Off && w.x.Loop.isSuspected(w.now)) {
			w.trip(SignProbe)
		}
	}
	w.x = receiver
}

// isSuspected: another extension that sees this one's probe makes a loop of what was a suspicion just now.
func (l *Loop) isSuspected(now int64) bool { return l.told > 0 && now-l.told <= printWindow }

// fingerprint compares what floods with what flooded before. One source that repeats its frames is a
// storm, not a loop; nor is a fail-over of first-hop redundancy, when both routers say the same from one address.
func (w *walk) fingerprint() Reason {
	if MovesOnPurpose(w.layers.src) {
		return None
	}
	if !w.flood || !w.x.Guards.Loops || w.x.Mode == state.Off {
		return None
	}
	loop := &w.x.Loop
	key := w.printOf()
	p := loop.Prints[key]
	if p == nil || w.now-p.First > printWindow {
		w.result.Print = &Print{First: w.now, side: w.side(), returns: returnsOf(w.side())}
		loop.remember(key, w.result.Print)
		return None
	}
	if p.side != w.side() {
		p.side = w.side()
		p.crossings++
		w.crosses(key, p)
		return None
	}
	p.returns += returnsOf(w.side())
	if w.side() == l2.Customer && (p.returns == manyTimes || p.returns == manyAnnouncements) {
		early := p.returns < manyAnnouncements && w.announces()
		w.suspect(SignHairpin, !early && w.isLastHairpin())
	}
	return None
}

// printOf is a frame's fingerprint: addresses, length, and the first bytes behind them. Padding that a link adds to a short
// frame makes no difference.
func (w *walk) printOf() uint64 {
	var b [12 + printBytes]byte
	copy(b[:], w.frame)
	return maphash.Bytes(printSeed, binary.BigEndian.AppendUint32(b[:], uint32(max(len(w.frame), paddedTo))))
}

func returnsOf(s l2.Side) int {
	if s == l2.Customer {
		return 1
	}
	return 0
}

// manyPrints is when old ones are forgotten.
const manyPrints = 1 << 10

func (l *Loop) remember(key uint64, p *Print) {
	if l.Prints == nil {
		l.Prints = map[uint64]*Print{}
	}
	if len(l.Prints) >= manyPrints {
		maps.DeleteFunc(l.Prints, func(_ uint64, old *Print) bool { return p.First-old.First > printWindow })
	}
	l.Prints[key] = p
}

// Displace forgets what a table forgets when another print takes its place.
func (l *Loop) Displace(by *Print) {
	maps.DeleteFunc(l.Prints, func(_ uint64, p *Print) bool { return p != by && p.Slot == by.Slot })
}

// crosses: a frame that entered from one side enters from the other. Two different ones within the window make a loop; the
// same one has to come back and forth.
func (w *walk) crosses(key uint64, p *Print) {
	loop := &w.x.Loop
	another := false
	if p.crossings == 1 {
		another = loop.crossed > 0 && loop.crossing != key && w.now-loop.crossed <= printWindow
		loop.crossed, loop.crossing = w.now, key
	}
	w.suspect(SignCrossing, another || p.crossings >= manyTimes)
}

// announces: a frame that says where a station is, as gratuitous ARP, RARP and neighbour advertisements do.
func (w *walk) announces() bool {
	l := &w.layers
	switch {
	case l.arp:
		return bytes.Equal(w.frame[l.payload+14:l.payload+18], w.frame[l.payload+24:l.payload+28])
	case l.kind == typeRARP || l.carried == typeRARP:
		return true
	}
	kind, ok := l.isICMPv6(w.frame)
	return ok && (kind == icmp6NeighborAdvert || kind == icmp6Redirect)
}

// isLastHairpin notes that a source's frame comes back to the customer's side, and reports whether as many sources' do as
// make a loop.
func (w *walk) isLastHairpin() bool {
	loop := &w.x.Loop
	if loop.returned == nil {
		loop.returned = map[l2.MAC]int64{}
	}
	loop.returned[w.layers.src] = w.now
	sources := 0
	for mac, at := range loop.returned {
		if w.now-at > printWindow {
			delete(loop.returned, mac)
			continue
		}
		sources++
	}
	return sources >= manySources
}

// suspect tells of a sign of a loop; enough of them trip, or hold longer what has tripped. One alone is never more than a
// suspicion: the probe that it causes tells.
func (w *walk) suspect(s Sign, enough bool) {
	if enough {
		w.trip(s)
		return
	}
	if l := &w.x.Loop; l.told == 0 || w.now-l.told >= suspicionPause {
		l.told = w.now
	}
	w.signal(Signal{Sign: s})
}

// trip half-raises the bridge, or holds it longer; in mode observe only so that what would be dropped is counted.
func (w *walk) trip(s Sign) {
	h := &w.x.Hold
	if w.x.Mode == state.Off || !w.x.Guards.Trip {
		w.signal(Signal{Sign: s})
		return
	}
	if w.now >= h.HalfRaisedUntil {
		if h.HalfRaisedUntil == 0 || w.now-h.HalfRaisedUntil >= calmAfter {
			h.Level = 0
		} else if h.Level < 8 {
			h.Level++
		}
	}
	h.HalfRaisedUntil = max(h.HalfRaisedUntil, w.now+min(firstHold<<h.Level, longestHold))
	if w.x.Mode == state.Observe {
		w.signal(Signal{Sign: s})
		return
	}
	w.signal(Signal{Sign: s, Tripped: true, Until: h.HalfRaisedUntil})
}

// halved reports whether the bridge is half-raised: known unicast flows, no move is written.
func (w *walk) halved() bool {
	return w.x.Mode == state.Enforce && w.now < w.x.Hold.HalfRaisedUntil
}

func (w *walk) halfRaised() Reason {
	if w.flood && w.now < w.x.Hold.HalfRaisedUntil {
		return HalfRaised
	}
	return None
}
