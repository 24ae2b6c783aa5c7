// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Flight returns the flight recorder's frames of an extension by their number, and how many it took so far: whoever
// asks often misses none, and else knows how many were missed.
func (p *Plane) Flight(ext l2.Name) (state.Flight, error) {
	var out state.Flight
	err := p.withSlot(ext, func(slot uint32) error {
		c, err := p.conversion()
		if err != nil {
			return err
		}
		var s abi.TcSuspicion
		if err := p.mapNamed("suspicions").Lookup(slot, &s); err != nil {
			return fmt.Errorf("read flight recorder: %w", err)
		}
		out.Taken, out.Mode = s.Recorded, state.GuardMode(p.tables.records[slot].extension.Mode)
		for n := s.Recorded - min(s.Recorded, flightRecords); n != s.Recorded; n++ {
			var r abi.TcRecord
			if err := p.mapNamed("flight").Lookup(slot*flightRecords+n%flightRecords, &r); err != nil {
				return fmt.Errorf("read flight recorder: %w", err)
			}
			out.Frames = append(out.Frames, c.frameOf(&r))
		}
		return nil
	})
	return out, err
}
