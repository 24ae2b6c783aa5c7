// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// flightRecords is RECORDS of bpf/abi.h.
const flightRecords = 32

// Recorded returns what the flight recorder has of an extension, oldest first: the last frames that flooded,
// and samples of those that were dropped.
func (p *Plane) Recorded(ext l2.Name) ([]state.RecordedFrame, error) {
	var frames []state.RecordedFrame
	err := p.withSlot(ext, func(slot uint32) error {
		c, err := p.conversion()
		if err != nil {
			return err
		}
		var records []abi.TcRecord
		for i := range uint32(flightRecords) {
			var r abi.TcRecord
			if err := p.mapNamed("flight").Lookup(slot*flightRecords+i, &r); err != nil {
				return fmt.Errorf("read flight recorder: %w", err)
			}
			if r.Time != 0 && r.Slot == slot {
				records = append(records, r)
			}
		}
		slices.SortStableFunc(records, func(a, b abi.TcRecord) int { return cmp.Compare(a.Time, b.Time) })
		for i := range records {
			frames = append(frames, c.frameOf(&records[i]))
		}
		return nil
	})
	return frames, err
}

func (c conversion) frameOf(r *abi.TcRecord) state.RecordedFrame {
	f := c.verdictOf(r)
	f.Bytes = slices.Clone(r.Bytes[:min(int(r.Captured), len(r.Bytes), int(r.Size))])
	return f
}

// verdictOf is all of a record but the frame's bytes.
func (c conversion) verdictOf(r *abi.TcRecord) state.RecordedFrame {
	f := state.RecordedFrame{At: c.time(r.Time), Direction: directionOf(r.Dir), Size: int(r.Size)}
	if r.Reason != 0 {
		f.Reason = reasonName(int(r.Reason))
	}
	if r.Would != 0 {
		f.WouldDrop = reasonName(int(r.Would))
	}
	return f
}

func directionOf(dir uint8) l2.Direction {
	if dir == 0 {
		return l2.ToCloud
	}
	return l2.ToCustomer
}
