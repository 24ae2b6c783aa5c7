// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"maps"
	"slices"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// movesLogged is how many moves of MACs are logged a tick and extension; the others are counted in
// one record, so that a flapping MAC does not push everything else out of the log.
const movesLogged = 5

// moveLimiter bounds the records about moves between two ticks.
type moveLimiter struct {
	seen map[l2.Name]uint64
}

// record returns the move's record, or false when it is only counted.
func (m *moveLimiter) record(ext l2.Name, e event.MACMoved) (event.Record, bool) {
	if m.seen == nil {
		m.seen = map[l2.Name]uint64{}
	}
	m.seen[ext]++
	if m.seen[ext] > movesLogged {
		return event.Record{}, false
	}
	return event.Record{
		Extension: string(ext),
		Kind:      event.MACMove,
		Severity:  event.Info,
		Message:   fmt.Sprintf("%s moved from %s to %s", e.MAC, e.From, e.To),
		Detail:    map[string]any{"mac": e.MAC.String(), "from": e.From.String(), "to": e.To.String()},
	}, true
}

// tick returns one record for each extension whose moves were not all logged, and starts anew.
func (m *moveLimiter) tick() []event.Record {
	var out []event.Record
	for _, ext := range slices.Sorted(maps.Keys(m.seen)) {
		if m.seen[ext] <= movesLogged {
			continue
		}
		more := m.seen[ext] - movesLogged
		out = append(out, event.Record{
			Extension: string(ext),
			Kind:      event.MACMove,
			Severity:  event.Warning,
			Message:   fmt.Sprintf("%d more moves of MACs within the last tick", more),
			Detail:    map[string]any{"more": more},
		})
	}
	clear(m.seen)
	return out
}
