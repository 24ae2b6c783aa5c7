// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	stormSeconds    = 5 // of ten in which the learning rate was exceeded
	stormHold       = 10 * time.Second
	stormHoldMost   = 5 * time.Minute
	stormCalm       = 5 * time.Minute // after it the back-off begins anew
	overloadSeconds = 9               // of ten in which a class was over its budget
	overloadQuiet   = 10 * time.Second
	// storeSlack is how much the kernel's deadline may differ from the one that was asked for.
	storeSlack = time.Second
)

const reasonMACRate = "mac-rate"

// isStorm reports whether a drop reason is a storm guard's.
func isStorm(reason string) bool { return strings.HasPrefix(reason, "storm-") }

// macStorm is the trip of new MACs that come too fast.
type macStorm struct {
	active   bool
	acted    bool // the data path was told
	since    time.Time
	learnt   time.Time // sources that were learnt by then are known
	until    time.Time
	over     time.Time
	level    int       // how often the hold was doubled
	exceeded [2]marked // by direction; not while a storm drops as mac-rate by itself
}

// learningExceeded counts a second in which the learning rate was exceeded.
func (m *Machine) learningExceeded(dir l2.Direction, second int64, now time.Time, out *actions) {
	s := &m.storm
	if s.active {
		return // the drop may be the storm guard's own effect
	}
	x := &s.exceeded[dir&1]
	x.mark(second)
	if x.count() < stormSeconds {
		return
	}
	s.level++
	if s.over.IsZero() || now.Sub(s.over) >= stormCalm {
		s.level = 0
	}
	hold := stormHoldAt(s.level)
	s.active, s.acted, s.since, s.until = true, m.settings.acts(), now, now.Add(hold)
	s.learnt = m.epoch.Add(time.Duration(x.oldest()) * time.Second)
	m.tellStorm(dir, x.count(), hold, out)
	s.exceeded = [2]marked{}
	if s.acted {
		out.add(SetMACStorm{s.learnt, s.until})
	}
}

func stormHoldAt(level int) time.Duration { return min(stormHold<<min(level, 8), stormHoldMost) }

func (m *Machine) tellStorm(dir l2.Direction, exceeded int, hold time.Duration, out *actions) {
	done, action := m.reportedOnly(), "none"
	if m.storm.acted {
		done = fmt.Sprintf("for %s floods of sources that were not learnt before are dropped", hold)
		action = string(MACStorm)
	}
	culprits := m.culprits(dir, reasonMACRate)
	reason := fmt.Sprintf("mac-storm: new MACs came %s faster than they are learnt in %d of 10 seconds%s", toward(dir), exceeded, named(culprits))
	out.trip(MACStorm, reason, done, map[string]any{
		"direction": dir.String(), "seconds_over": exceeded, "hold_seconds": seconds(hold), "level": m.storm.level,
		"until": m.storm.until.UTC().Format(time.RFC3339Nano), "action": action, "culprits": culprits,
	})
}

func (m *Machine) tickStorm(now time.Time, out *actions) {
	if m.storm.active && !now.Before(m.storm.until) {
		m.endStorm(now, byItself, out)
	}
}

// heldStorm makes the kernel hold what was decided, when it did not take it.
func (m *Machine) heldStorm(h state.Hold, now time.Time, out *actions) {
	s := &m.storm
	if s.active && s.acted && now.Before(s.until) && h.MACStormUntil.Before(s.until.Add(-storeSlack)) {
		out.add(SetMACStorm{s.learnt, s.until})
	}
}

func (m *Machine) endStorm(now time.Time, why end, out *actions) {
	s := &m.storm
	if !s.active {
		return
	}
	out.released(MACStorm, why, "over; new sources flood again", now.Sub(s.since))
	*s = macStorm{over: now, level: s.level}
}

// overload is the trip of a class that is over its budget for long.
type overload struct {
	active bool
	since  time.Time
	last   time.Time // drop of any storm guard
}

// stormDropped takes a drop of a storm guard.
func (m *Machine) stormDropped(d *meter, now time.Time, out *actions) {
	o := &m.overload
	o.last = now
	if o.active || d.seconds.count() < overloadSeconds {
		return
	}
	o.active, o.since = true, now
	culprits := d.culprits()
	reason := fmt.Sprintf("overload: %s %s over its budget in %d of 10 seconds%s", d.key.reason, toward(d.key.direction), d.seconds.count(), named(culprits))
	done := "it is limited, and the bridge stays lowered"
	if m.settings.Mode == state.Observe {
		done = m.reportedOnly()
	}
	out.trip(Overload, reason, done, map[string]any{
		"direction": d.key.direction.String(), "drop_reason": d.key.reason, "seconds_over": d.seconds.count(),
		"action": "none", "culprits": culprits,
	})
}

func (m *Machine) tickOverload(now time.Time, out *actions) {
	if m.overload.active && now.Sub(m.overload.last) >= overloadQuiet {
		m.endOverload(now, byItself, out)
	}
}

func (m *Machine) endOverload(now time.Time, why end, out *actions) {
	o := &m.overload
	if !o.active {
		return
	}
	out.released(Overload, why, "within all budgets again", now.Sub(o.since))
	*o = overload{}
}

// toward prints a direction as words of a sentence.
func toward(d l2.Direction) string {
	if d == l2.ToCustomer {
		return "to customer"
	}
	return "to cloud"
}
