// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// holdTold is how long after its deadline a hold is still told of: whoever looks every so often shall see it end.
const holdTold = 10 * time.Second

// The enum hold of bpf/abi.h.
const (
	holdMACStorm   = 1
	holdRecording  = 2
	holdHalfRaised = 3
)

// withSlot does something with an extension's slot.
func (p *Plane) withSlot(ext l2.Name, do func(slot uint32) error) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	slot, ok := p.slots.byName[string(ext)]
	if !ok {
		return fmt.Errorf("extension %s is not in the data plane", ext)
	}
	return do(slot)
}

// hold asks fdb_admin to set a deadline in the kernel.
func (p *Plane) hold(slot, what uint32, since, until time.Duration) error {
	return p.admin(abi.AdminAdmin{
		Act: abi.AdminAdminActADMIN_HOLD, Slot: slot, Hold: what, Since: uint64(since), Until: uint64(until),
	})
}

// SetMACStorm makes what sources learnt after since flood in some directions be dropped until a time.
func (p *Plane) SetMACStorm(ext l2.Name, ways state.Ways, since, until time.Time) error {
	return p.withSlot(ext, func(slot uint32) error {
		c, err := p.conversion()
		if err != nil {
			return err
		}
		return p.admin(abi.AdminAdmin{
			Act: abi.AdminAdminActADMIN_HOLD, Slot: slot, Hold: holdMACStorm, Flags: uint16(ways),
			Since: uint64(c.program(since)), Until: uint64(c.program(until)),
		})
	})
}

// LetDown ends what guards hold up: half-raised, and a storm of MACs.
func (p *Plane) LetDown(ext l2.Name) error {
	return p.withSlot(ext, func(slot uint32) error {
		return p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_LET_DOWN, Slot: slot})
	})
}

// Holds returns what the data path holds of the extensions where a deadline lies in the future, or has passed
// within the last seconds. Of an extension that only observes nothing is held.
func (p *Plane) Holds() (map[l2.Name]state.Hold, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	holds := map[l2.Name]state.Hold{}
	if p.desired == nil || len(p.slots.byNumber) == 0 {
		return holds, nil
	}
	c, err := p.conversion()
	if err != nil {
		return nil, err
	}
	states, err := lookupAll[abi.TcExtensionState](p.mapNamed("states"), p.slots.beyond(), false)
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	for slot, name := range p.slots.byNumber {
		s, err := states(slot)
		if err != nil {
			return nil, fmt.Errorf("read holds of %s: %w", name, err)
		}
		if p.tables.records[slot].extension.Mode != uint8(state.Enforce) {
			continue
		}
		if h := c.holdOf(&s[0]); h != (state.Hold{}) {
			holds[l2.Name(name)] = h
		}
	}
	return holds, nil
}

// conversion turns the programs' time into that of people, and back. Both clocks were read at one moment.
type conversion struct {
	people   time.Time
	programs time.Duration
}

func (p *Plane) conversion() (conversion, error) {
	now, err := p.clock()
	return conversion{time.Now(), now}, err
}

func (c conversion) time(programs uint64) time.Time {
	return c.people.Add(time.Duration(programs) - c.programs)
}

func (c conversion) program(t time.Time) time.Duration {
	return max(1, c.programs+t.Sub(c.people))
}

func (c conversion) holdOf(s *abi.TcExtensionState) state.Hold {
	var h state.Hold
	if told := uint64(max(0, c.programs-holdTold)); s.HalfRaisedUntil > told {
		h.HalfRaisedUntil, h.Level = c.time(s.HalfRaisedUntil), int(s.Level)
	}
	if told := uint64(max(0, c.programs-holdTold)); s.MacStormUntil > told {
		h.MACStormUntil = c.time(s.MacStormUntil)
	}
	return h
}
