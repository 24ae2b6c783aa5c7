// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Memory is what the event log tells of one cause: the last trip, and whether it was released. The zero
// value knows of none.
type Memory struct {
	Open   bool // tripped and not released
	Reason string
	Since  time.Time  // of the trip
	Acted  bool       // it did more than report
	Until  time.Time  // of a mac-storm
	Ways   state.Ways // likewise
	Level  int        // of a mac-storm's back-off
	Over   time.Time  // when it was released; zero while open
}

// Remember takes the next record of the log into what is known. Records come in their order. It returns
// false for a record that is about no trip.
func Remember(known map[Cause]Memory, r event.Record) bool {
	text, _ := r.Detail["cause"].(string)
	cause := Cause(text)
	switch {
	case cause != Loop && cause != MACStorm && cause != Overload:
		return false
	case r.Kind == event.Trip:
		known[cause] = tripMemory(r)
	case r.Kind == event.Released:
		mem := known[cause]
		mem.Open, mem.Over = false, r.Time
		if r.Detail["by"] == string(byOperator) {
			mem = Memory{} // his word ends the back-off too
		}
		known[cause] = mem
	default:
		return false
	}
	return true
}

// tripMemory reads what tripLoop and its like wrote. Numbers from a file are floats.
func tripMemory(r event.Record) Memory {
	mem := Memory{Open: true, Since: r.Time, Acted: r.Detail["action"] != "none"}
	mem.Reason, _ = r.Detail["reason"].(string)
	switch level := r.Detail["level"].(type) {
	case float64:
		mem.Level = int(level)
	case int:
		mem.Level = level
	}
	mem.Ways = state.WayOf(l2.ToCloud)
	if r.Detail["direction"] == l2.ToCustomer.String() {
		mem.Ways = state.WayOf(l2.ToCustomer)
	}
	if text, ok := r.Detail["until"].(string); ok {
		mem.Until, _ = time.Parse(time.RFC3339Nano, text) // a torn one is over
	}
	return mem
}

// Recall continues what an earlier daemon told, with what the kernel holds now. What the kernel does not
// hold any more is released.
func (m *Machine) Recall(known map[Cause]Memory, h state.Hold, now time.Time) []Action {
	if mem := known[Loop]; mem.Open {
		m.loop = loopTrip{state: tripped, held: mem.Acted, reason: mem.Reason, since: mem.Since, until: now.Add(reportQuiet)}
	}
	mem := known[MACStorm]
	m.storm = macStorm{active: mem.Open, acted: mem.Acted, ways: mem.Ways, since: mem.Since, learnt: mem.Since, until: mem.Until, over: mem.Over, level: mem.Level}
	if mem.Open && mem.Acted {
		m.storm.until = now
		if h.MACStormUntil.After(now) {
			m.storm.until = h.MACStormUntil
		}
	}
	if mem := known[Overload]; mem.Open {
		m.overload = overload{active: true, since: mem.Since, last: now}
	}
	return append(m.Held(h, now), m.Tick(now)...)
}
