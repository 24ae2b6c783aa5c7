// SPDX-License-Identifier: Apache-2.0

package api

import (
	"slices"
	"sync"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

// causes is the closed set of guards.md: a metric's label must not take any text that comes along.
var causes = []string{"link", "loop", "mac-storm", "operator", "overload"}

// unknownCause is any other, of a record that a later version left in the log.
const unknownCause = "unknown"

// trip names a counter of trips.
type trip struct{ extension, cause string }

// tripCounter counts the trips in the event log, each once, as far as the log has them when it is asked.
type tripCounter struct {
	mu     sync.Mutex // guards the following
	last   uint64     // seq of the last record counted
	counts map[trip]uint64
}

func newTripCounter() *tripCounter { return &tripCounter{counts: make(map[trip]uint64)} }

// count adds what the log has got since the last call, and returns the counters of the named extensions;
// the others' are forgotten.
func (c *tripCounter) count(events func(since uint64) []Event, extensions map[string]bool) map[trip]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rec := range events(c.last) {
		c.last = rec.Seq
		if isTrip(rec) {
			c.counts[trip{rec.Extension, causeOf(rec)}]++
		}
	}
	out := make(map[trip]uint64, len(c.counts))
	for t, n := range c.counts {
		if extensions[t.extension] {
			out[t] = n
		} else {
			delete(c.counts, t)
		}
	}
	return out
}

// isTrip reports whether a record is about a bridge that was raised, by whatever cause. The operator's word
// and a lost link have kinds of their own.
func isTrip(rec Event) bool {
	switch rec.Kind {
	case event.Trip:
		return true
	case event.Raised, event.Link, event.ConfigError:
		return rec.Extension != "" && rec.Detail["cause"] != nil
	}
	return false
}

// causeOf is the cause that a trip's detail names.
func causeOf(rec Event) string {
	if cause, ok := rec.Detail["cause"].(string); ok && slices.Contains(causes, cause) {
		return cause
	}
	return unknownCause
}

// tripSamples tells every cause of every extension, also those that never were: Prometheus' increase() sees no step in a
// series that begins with the first trip.
func tripSamples(s *scrape, out *samples) {
	extensions(func(out *samples, name string, _ *state.ExtensionStatus) {
		for _, cause := range causes {
			out.add(s.trips[trip{name, cause}], cause, name)
		}
		if n := s.trips[trip{name, unknownCause}]; n > 0 {
			out.add(n, unknownCause, name)
		}
	})(s, out)
}
