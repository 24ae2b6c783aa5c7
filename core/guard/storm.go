// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
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

const (
	reasonMACRate  = "mac-rate"
	reasonMACLimit = "mac-limit"
)

// isStorm reports whether a drop reason is a storm guard's.
func isStorm(reason string) bool { return strings.HasPrefix(reason, "storm-") }

// macStorm is the trip of new MACs that come too fast.
type macStorm struct {
	active   bool
	acted    bool // the data path was told
	ways     state.Ways
	since    time.Time
	learnt   time.Time // sources that were learnt by then are known
	until    time.Time
	over     time.Time
	level    int       // how often the hold was doubled
	exceeded [2]marked // by direction; not while a storm drops as mac-rate by itself
}

// tooManyNew reports whether a sample shows that MACs come faster than they may be learnt: by itself, or
// as one of too many newcomers while the quota is full.
func (m *Machine) tooManyNew(e event.GuardDropped, d *meter, second int64) bool {
	switch e.Reason {
	case reasonMACRate:
		return true
	case reasonMACLimit:
		if d.newcomers == nil {
			d.newcomers = &newcomers{}
		}
		return d.newcomers.add(e.Source, second) > min(int(m.settings.MACRate), newcomersSeen)
	}
	return false
}

// learningExceeded counts a second in which the learning rate was exceeded.
func (m *Machine) learningExceeded(dir l2.Direction, second int64, now time.Time, out *actions) {
	s := &m.storm
	if s.active && s.ways&state.WayOf(dir) != 0 {
		return // the drop may be the storm guard's own effect
	}
	x := &s.exceeded[dir&1]
	x.mark(second)
	if x.count() < stormSeconds {
		return
	}
	if s.active {
		m.widenStorm(dir, out)
		return
	}
	s.level++
	if s.over.IsZero() || now.Sub(s.over) >= stormCalm {
		s.level = 0
	}
	hold := stormHoldAt(s.level)
	s.active, s.acted, s.ways, s.since, s.until = true, m.settings.acts(), state.WayOf(dir), now, now.Add(hold)
	s.learnt = m.epoch.Add(time.Duration(x.oldest()) * time.Second)
	m.tellStorm(dir, x.count(), hold, out)
	s.exceeded = [2]marked{}
	if s.acted {
		out.add(SetMACStorm{s.ways, s.learnt, s.until})
	}
}

// widenStorm has a storm that is held mute the other direction too, where new MACs come too fast as well. It ends with the first.
func (m *Machine) widenStorm(dir l2.Direction, out *actions) {
	m.storm.ways |= state.WayOf(dir)
	if m.storm.acted {
		out.add(SetMACStorm{m.storm.ways, m.storm.learnt, m.storm.until})
	}
}

func stormHoldAt(level int) time.Duration { return min(stormHold<<min(level, 8), stormHoldMost) }

func (m *Machine) tellStorm(dir l2.Direction, exceeded int, hold time.Duration, out *actions) {
	done, action := m.reportedOnly(), "none"
	if m.storm.acted {
		done = fmt.Sprintf("for %s what sources that were not learnt before flood %s is dropped", hold, toward(dir))
		action = string(MACStorm)
	}
	_, culprits := m.droppers(dir, func(reason string) bool { return reason == reasonMACRate || reason == reasonMACLimit })
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
	if s.active && s.acted && m.settings.acts() && now.Before(s.until) && h.MACStormUntil.Before(s.until.Add(-storeSlack)) {
		out.add(SetMACStorm{s.ways, s.learnt, s.until})
	}
}

func (m *Machine) endStorm(now time.Time, why end, out *actions) {
	s := &m.storm
	if !s.active {
		return
	}
	message := "over"
	if s.acted {
		message = "over; floods of new sources pass again"
	}
	out.released(MACStorm, why, message, now.Sub(s.since))
	*s = macStorm{over: now, level: s.level}
}

// overload is the trip of floods that are over their budget for long. A source that becomes known while it
// floods drops for another reason than before (storm-source), so that seconds are counted by direction.
type overload struct {
	active  bool
	since   time.Time
	last    time.Time // drop of any storm guard
	seconds [2]marked // by direction, in which a class was over its budget
}

// stormDropped takes a drop of a storm guard.
func (m *Machine) stormDropped(dir l2.Direction, second int64, now time.Time, out *actions) {
	o := &m.overload
	o.last = now
	over := &o.seconds[dir&1]
	over.mark(second)
	if o.active || over.count() < overloadSeconds {
		return
	}
	o.active, o.since = true, now
	reason, culprits := m.droppers(dir, isStorm)
	done := "it is limited, and the bridge stays lowered"
	if m.settings.Mode == state.Observe {
		done = m.reportedOnly()
	}
	text := fmt.Sprintf("overload: %s %s over its budget in %d of 10 seconds%s", reason, toward(dir), over.count(), named(culprits))
	out.trip(Overload, text, done, map[string]any{
		"direction": dir.String(), "drop_reason": reason, "seconds_over": over.count(), "action": "none", "culprits": culprits,
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
