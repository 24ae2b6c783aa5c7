// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Cause is why a bridge trips.
type Cause string

// The closed set of causes.
const (
	Loop     Cause = "loop"      // frames go in a circle
	MACStorm Cause = "mac-storm" // new MACs come faster than they may be learnt
	Overload Cause = "overload"  // a class of floods is over its budget for long
	Operator Cause = "operator"  // somebody raised it
	Link     Cause = "link"      // circuit or underlay is not there
)

// Settings is what of an extension's configuration matters here. The zero value enforces, and only reports
// trips.
type Settings struct {
	Mode       state.GuardMode
	Auto       bool // a trip may act; false: it is only reported
	MACLimit   uint32
	MACRate    uint32   // new MACs a second
	InnerVLANs []l2.VID // that may follow the circuit's tag
	InnerAll   bool     // any may: what still drops would be another circuit's
	FloodAllow []Prefix // floods that are wanted
	FloodRate  uint64   // frames a second of them all
}

// Prefix is a set of MAC addresses, written as in a configuration.
type Prefix interface {
	Contains(l2.MAC) bool
	String() string
}

// acts reports whether a trip does more than being reported.
func (s Settings) acts() bool { return s.Mode == state.Enforce && s.Auto }

// Machine is the trips of one extension. Five causes raise a bridge, each with a state of its own:
//
//	          sign of a loop,                    deadline passed in the kernel,
//	          or found held                      or the operator's lower
//	loop:      calm ──────────► (unexplained ──►) tripped ───────────────────► calm
//	          5 of 10 seconds                    deadline passed, or lower
//	mac-storm: calm ──────────────────────────► tripped ─────────────────────► calm
//	          9 of 10 seconds                    10 quiet seconds, or lower
//	overload:  calm ──────────────────────────► tripped ─────────────────────► calm
//	operator:  lowered ── raise ──► raised ── lower ──► lowered
//	link:      up ── link lost ──► down ── link back ──► up
//
// What is seen of it, the first that holds: down (link), raised (operator), half-raised (loop, while the
// kernel holds it), lowered. A mac-storm limits newcomers and an overload is limited already: the bridge
// stays lowered. While the bridge is down or raised, nothing trips.
//
// Whether the kernel holds a loop is the kernel's word alone: Held brings it, and signs only come earlier.
// Not safe for concurrent use.
type Machine struct {
	settings Settings
	raised   bool // operator
	down     bool // link
	loop     loopTrip
	storm    macStorm
	overload overload
	meters   map[meterKey]*meter // who is behind drops; gone when nothing was dropped for a while
	advice   advisor
	epoch    time.Time // seconds are counted from here; zero before the first drop
}

// New returns the machine of an extension about which nothing is known yet.
func New(s Settings) *Machine { return &Machine{settings: s} }

// Configure replaces the settings.
func (m *Machine) Configure(s Settings) { m.settings = s }

// Raise takes the operator's word: raised until he says otherwise.
func (m *Machine) Raise(raised bool) { m.raised = raised }

// LinkDown says whether circuit or underlay is not there.
func (m *Machine) LinkDown(down bool) { m.down = down }

// silent reports that nothing may trip.
func (m *Machine) silent() bool { return m.raised || m.down || m.settings.Mode == state.Off }

// Bridge is what is seen of the bridge, and since when when a loop half-raised it.
func (m *Machine) Bridge() (b state.Bridge, reason string, since time.Time) {
	switch {
	case m.down:
		return state.Down, "", time.Time{}
	case m.raised:
		return state.RaisedUp, "", time.Time{}
	case m.loop.held && m.settings.Mode == state.Enforce:
		return state.HalfRaised, m.loop.reason, m.loop.since
	}
	return state.Lowered, "", time.Time{}
}

// Holds reports whether the operator's lower has something to let down.
func (m *Machine) Holds() bool {
	return m.loop.state != calm || m.storm.active || m.overload.active
}

// Busy reports whether time alone may lead to something: Tick and Held are wanted a few times a second.
func (m *Machine) Busy() bool { return m.Holds() || len(m.meters) > 0 }

// Tick lets time pass.
func (m *Machine) Tick(now time.Time) []Action {
	var out actions
	m.tickLoop(now, &out)
	m.tickStorm(now, &out)
	m.tickOverload(now, &out)
	m.tickMeters(now, &out)
	return out
}

// Held takes what the kernel holds, the zero value when it holds nothing.
func (m *Machine) Held(h state.Hold, now time.Time) []Action {
	var out actions
	m.heldLoop(h, now, &out)
	m.heldStorm(h, now, &out)
	return out
}

// LetDown takes the operator's lower: what was held is let go, and the back-off begins anew. The kernel
// was let down already.
func (m *Machine) LetDown(now time.Time) []Action {
	var out actions
	m.endLoop(now, byOperator, &out)
	m.endStorm(now, byOperator, &out)
	m.endOverload(now, byOperator, &out)
	m.storm = macStorm{}
	return out
}

// Gone says that the extension is no longer configured: nothing stays open in the log.
func (m *Machine) Gone(now time.Time) []Action {
	var out actions
	m.endLoop(now, byRemoval, &out)
	m.endStorm(now, byRemoval, &out)
	m.endOverload(now, byRemoval, &out)
	return out
}

// Dropped takes a sample of the frames that a guard dropped.
func (m *Machine) Dropped(e event.GuardDropped, now time.Time) []Action {
	if m.silent() {
		return nil
	}
	if m.epoch.IsZero() {
		m.epoch = now
	}
	var out actions
	second := max(0, int64(now.Sub(m.epoch)/time.Second))
	d := m.meter(e, now)
	d.add(e, second, now)
	switch {
	case m.tooManyNew(e, d, second):
		m.learningExceeded(e.Direction, second, now, &out)
	case isStorm(e.Reason):
		m.stormDropped(e.Direction, second, now, &out)
	}
	return out
}
