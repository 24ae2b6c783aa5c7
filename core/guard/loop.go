// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	// explainWithin is how long a hold may be without the signal that explains it: the signal may be on
	// its way. After it people are told what is known.
	explainWithin = 300 * time.Millisecond
	// reportQuiet ends a loop that is only reported. It is longer than the time between probes.
	reportQuiet = 10 * time.Second
	// lateBy is how far the kernel's and our reading of one moment may be apart: two of its ticks.
	lateBy = 20 * time.Millisecond
)

// phase is where a loop's trip is.
type phase uint8

const (
	calm        phase = iota
	unexplained       // the kernel holds, and nobody was told yet
	tripped           // it was told
)

// loopTrip is what is known of a loop.
type loopTrip struct {
	state  phase
	held   bool // by the kernel; false while tripped: only reported
	reason string
	since  time.Time
	until  time.Time // of a loop that is only reported
	over   time.Time // the last one's end: signs from before it are late
}

// Sign takes a sign of a loop.
func (m *Machine) Sign(e event.LoopSign, now time.Time) []Action {
	var out actions
	if m.silent() || m.loop.late(e) {
		return nil
	}
	if !e.Tripped {
		out.add(ProbeNow{})
		return out
	}
	l := &m.loop
	l.held = l.held || !e.Until.IsZero()
	l.until = now.Add(reportQuiet)
	if l.state == tripped {
		return nil
	}
	if l.state == calm {
		l.since = earlier(e.At, now)
	}
	m.tellLoop(loopReason(e), e.Until.Sub(now), signDetail(e), now, &out)
	return out
}

// late reports whether a sign belongs to a trip that is over.
func (l *loopTrip) late(e event.LoopSign) bool {
	return l.state == calm && !l.over.IsZero() && e.At.Add(lateBy).Before(l.over)
}

// heldLoop compares with the kernel. It is the only way out of a loop that is held.
func (m *Machine) heldLoop(h state.Hold, now time.Time, out *actions) {
	l := &m.loop
	held := h.HalfRaisedUntil.After(now)
	switch {
	case !held && l.state == unexplained:
		*l = loopTrip{over: l.over} // it passed before anybody knew why: its signal, which is late then, tells of it all the same
	case !held && l.held:
		m.endLoop(now, byItself, out)
	case held && l.state == calm && !m.silent():
		*l = loopTrip{state: unexplained, held: true, reason: JustTripped, since: now, over: l.over}
	case held && l.state != calm:
		l.held = true
		m.explain(h.HalfRaisedUntil.Sub(now), now, out)
	}
}

// tickLoop ends a loop that is only reported.
func (m *Machine) tickLoop(now time.Time, out *actions) {
	if l := &m.loop; l.state == tripped && !l.held && !now.Before(l.until) {
		m.endLoop(now, byItself, out)
	}
}

// explain tells of a hold whose signal did not come.
func (m *Machine) explain(left time.Duration, now time.Time, out *actions) {
	if m.loop.state == unexplained && now.Sub(m.loop.since) >= explainWithin && !m.silent() {
		m.tellLoop(unexplainedReason, left, map[string]any{"evidence": "unknown"}, now, out)
	}
}

// JustTripped is the reason of a bridge that the kernel half-raised a moment ago.
const JustTripped = "loop: the data path found one"

const unexplainedReason = JustTripped + "; the signal that says how was lost"

func (m *Machine) tellLoop(reason string, left time.Duration, detail map[string]any, now time.Time, out *actions) {
	l := &m.loop
	l.state, l.reason = tripped, reason
	done := m.reportedOnly()
	detail["action"] = "none"
	if l.held && m.settings.Mode == state.Enforce {
		done = "half-raised: floods are held, known unicast goes on"
		detail["action"] = state.HalfRaised.String()
		if left > 0 {
			detail["hold_seconds"] = seconds(left)
		}
	}
	detail["culprits"] = m.busiest()
	out.trip(Loop, reason, done, detail)
}

// reportedOnly says why a trip does nothing.
func (m *Machine) reportedOnly() string {
	if m.settings.Mode == state.Observe {
		return "only reported, since mode is observe"
	}
	return "only reported, since trip.auto is false"
}

// endLoop ends what there is of a loop.
func (m *Machine) endLoop(now time.Time, why end, out *actions) {
	l := &m.loop
	was := *l
	if was.state == calm {
		return
	}
	*l = loopTrip{over: now}
	m.meters = nil // they blame the loop's victims
	if was.state == unexplained {
		return
	}
	message := "no further sign"
	if b, _, _ := m.Bridge(); was.held && b == state.Lowered {
		message += "; lowered again"
	}
	out.released(Loop, why, message, now.Sub(was.since))
	if why != byRemoval {
		out.add(ProbeEagerly{})
	}
}

// loopReason is a sign in words.
func loopReason(e event.LoopSign) string {
	side := "the customer's side"
	if e.Side == l2.Cloud {
		side = "the cloud's side"
	}
	switch e.Evidence {
	case event.ByProbe:
		return "loop: our own probe came back from " + side
	case event.ByCrossing:
		return "loop: the same frames came in from both sides"
	}
	return fmt.Sprintf("loop: the same frames came in from %s again and again", side)
}

func signDetail(e event.LoopSign) map[string]any {
	d := map[string]any{"evidence": string(e.Evidence), "side": e.Side.String()}
	if !e.MAC.IsZero() && e.Evidence != event.ByProbe { // a probe's source is our own NIC
		d["mac"] = e.MAC.String()
	}
	if e.IP.IsValid() {
		d["ip"] = e.IP.String()
	}
	if e.VLAN != 0 {
		d["vlan"] = int(e.VLAN)
	}
	return d
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
