// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// walk is one frame on its way through the stages.
type walk struct {
	gateway   *Gateway
	now       int64
	direction l2.Direction
	place     Place // where it came from
	outerTOS  uint8
	tagged    []byte // room for what leaves

	x      *Extension
	frame  []byte // without the circuit's tags
	layers layers
	source *Entry // nil while it is not known
	target *Entry
	group  bool
	flood  bool   // broadcast, multicast or unknown unicast
	link   bool   // a control frame that was let through
	asks   bool   // the MAC guards are asked: not off, and no earlier guard would have dropped the frame
	plan   plan   // what stage 7 does
	claim  Reason // what the MAC guards have against the source
	result Result
}

// stage is one stage of the pipeline: it returns what it has against the frame. A guard is governed by the
// extension's mode.
type stage struct {
	check func(*walk) Reason
	guard bool
}

// stages are those of guards in their order: the first that matches counts the frame.
var stages = [...]stage{
	{(*walk).raised, false},
	{(*walk).malformed, false},
	{(*walk).elsewhere, false},
	{(*walk).innerVLAN, true},
	{(*walk).badSource, false},
	{(*walk).controlFrame, true},
	{(*walk).lookup, false},
	{(*walk).macGuards, true},
	{(*walk).learn, false},
	{(*walk).fingerprint, false},
	{(*walk).halfRaised, true},
	{(*walk).services, true},
	{(*walk).sides, false},
	{(*walk).tooBig, false},
	{(*walk).storm, true},
	{(*walk).bandwidth, true},
	{(*walk).cpu, true},
	{(*walk).nextHop, false},
}

func (g *Gateway) start(now int64, direction l2.Direction) *walk {
	w := &g.walk
	w.gateway, w.now, w.direction = g, now, direction
	w.outerTOS, w.flood, w.link, w.plan, w.claim = 0, false, false, keep, None
	w.result.reset(direction)
	return w
}

// run takes a frame through the stages and counts its end.
func (w *walk) run(x *Extension, frame []byte) {
	w.x, w.frame = x, frame
	r := &w.result
	r.Extension, r.Size = x, len(frame)
	c := w.counters()
	c.RxFrames++
	c.RxBytes += uint64(len(frame))
	if r.Reason = w.judge(); r.Reason != None {
		c.Drops[r.Reason]++
		return
	}
	r.Verdict, r.Flooded = Forwarded, w.flood
	c.TxFrames++
	c.TxBytes += uint64(len(frame))
	if w.flood && w.direction == l2.ToCloud {
		c.Copies += uint64(len(r.Leaves))
	}
}

// judge returns the reason of the first stage that drops. In mode observe every guard is asked, and the first that would
// drop is counted.
func (w *walk) judge() Reason {
	for i := range stages {
		s := &stages[i]
		if s.guard && w.x.Mode == state.Off {
			continue
		}
		reason := s.check(w)
		switch {
		case reason == None:
		case s.guard && w.x.Mode == state.Observe:
			w.wouldDrop(reason)
		default:
			return reason
		}
	}
	return None
}

func (w *walk) wouldDrop(reason Reason) {
	if w.result.WouldDrop == None {
		w.result.WouldDrop = reason
		w.counters().WouldDrop[reason]++
	}
}

func (w *walk) counters() *Counters { return &w.x.Counters[w.direction] }

func (w *walk) budgets() *Budgets { return &w.x.Budgets[w.direction] }

// side is the side that the frame came from.
func (w *walk) side() l2.Side { return w.place.Side() }

func (w *walk) raised() Reason {
	if w.x.Raised {
		return Raised
	}
	return None
}

// malformed: what the parser cannot classify. A mark of congestion that the inner packet cannot take is dropped
// with it (RFC 6040 §4.2).
func (w *walk) malformed() Reason {
	if !w.layers.read(w.frame) || !w.takesMark() {
		return Malformed
	}
	w.group = w.layers.dst.IsGroup()
	return None
}

// elsewhere: on the customer's wire inner tags may make a frame another circuit's, or nobody's.
func (w *walk) elsewhere() Reason {
	if w.direction != l2.ToCustomer || w.layers.tags == 0 {
		return None
	}
	w.tagged = withTags(w.tagged, w.frame, w.x.VLAN, 0)
	if x, _ := w.gateway.circuitOf(w.x.NIC, w.tagged); x != w.x {
		return InnerVLAN
	}
	return None
}

func (w *walk) innerVLAN() Reason {
	for _, vid := range w.layers.vids[:w.layers.tags] {
		if !w.x.takesInner(vid) {
			return InnerVLAN
		}
	}
	return None
}

func (x *Extension) takesInner(vid uint16) bool {
	if x.Inner.AllowAll {
		return true
	}
	for _, allowed := range x.Inner.Allowed {
		if uint16(allowed) == vid {
			return true
		}
	}
	return false
}

// badSource recognises our own probes: they have a source of ours.
func (w *walk) badSource() Reason {
	src := w.layers.src
	if !src.IsZero() && !src.IsGroup() && !slices.Contains(w.x.own, src) {
		return None
	}
	w.probeReturns()
	return BadSource
}

func (w *walk) controlFrame() Reason {
	p, is := w.layers.control(w.frame)
	if !is {
		return None
	}
	if p&w.x.Guards.Tunnelled == 0 {
		return ControlFrame
	}
	w.link = true
	return None
}

// sides: nothing returns to the side that it came from.
func (w *walk) sides() Reason {
	switch {
	case w.target == nil || w.target.Place.Side() != w.side():
		return None
	case w.direction == l2.ToCloud:
		return SameSide
	}
	return SplitHorizon
}

func (w *walk) bandwidth() Reason {
	if w.budgets().Bandwidth.take(w.now, w.x.price.bandwidth[w.direction], len(w.frame)) {
		return None
	}
	return Bandwidth
}

// cpu: what was done for earlier frames may have used up the share of a core.
func (w *walk) cpu() Reason {
	price := w.x.price.cpu
	if price.limits() && w.x.CPU.Next > uint64(w.now)+price.burst {
		return CPUBudget
	}
	return None
}

// Work charges what was done for frames of an extension. It has happened: so it may be more than there is room for, but
// it shuts nobody out for long.
func (x *Extension) Work(now int64, took time.Duration) {
	price := x.price.cpu
	next := max(x.CPU.Next, uint64(now)) + uint64(took)*price.cost>>fraction
	x.CPU.Next = min(next, uint64(now)+2*price.burst)
}
