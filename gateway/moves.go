// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// movesLogged is how many moves of MACs are logged a tick and extension, and how many that were frozen;
// the others are counted in one record, so that a flapping MAC does not push everything else out of the log.
const movesLogged = 5

// moveLimiter bounds the records about moves between two ticks.
type moveLimiter struct {
	moved, frozen perExtension
}

// perExtension counts, and says whether there is still room in the log.
type perExtension map[l2.Name]uint64

func (p *perExtension) room(ext l2.Name) bool {
	if *p == nil {
		*p = perExtension{}
	}
	(*p)[ext]++
	return (*p)[ext] <= movesLogged
}

// freeze returns the record of a MAC that was frozen, or false when it is only counted.
func (m *moveLimiter) freeze(ext l2.Name, e event.MACFrozen) (event.Record, bool) {
	if !m.frozen.room(ext) {
		return event.Record{}, false
	}
	until := e.Until.UTC().Truncate(time.Second)
	return event.Record{
		Extension: string(ext),
		Kind:      event.MACFreeze,
		Severity:  event.Warning,
		Message:   fmt.Sprintf("%s moved too often: it stays at %s until %s, and frames from %s with this source are dropped", e.MAC, e.Home, until.Format(time.TimeOnly), e.From),
		Detail:    map[string]any{"mac": e.MAC.String(), "home": e.Home.String(), "from": e.From.String(), "until": until.Format(time.RFC3339)},
	}, true
}

// record returns the move's record, or false when it is only counted.
func (m *moveLimiter) record(ext l2.Name, e event.MACMoved) (event.Record, bool) {
	if !m.moved.room(ext) {
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
	out := append(m.moved.rest(event.MACMove, "%d more moves of MACs within the last tick"),
		m.frozen.rest(event.MACFreeze, "%d more MACs were frozen within the last tick")...)
	clear(m.moved)
	clear(m.frozen)
	return out
}

// rest returns one record for each extension that had no room for all.
func (p perExtension) rest(kind event.Kind, message string) []event.Record {
	var out []event.Record
	for _, ext := range slices.Sorted(maps.Keys(p)) {
		if p[ext] <= movesLogged {
			continue
		}
		more := p[ext] - movesLogged
		out = append(out, event.Record{
			Extension: string(ext),
			Kind:      kind,
			Severity:  event.Warning,
			Message:   fmt.Sprintf(message, more),
			Detail:    map[string]any{"more": more},
		})
	}
	return out
}
