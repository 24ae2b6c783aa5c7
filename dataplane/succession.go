// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/state"
)

// succession is a generation of maps that takes the place of another. Its order is
//
//	made → filled → in its place → programs exchanged → caught up → the old one gone
//
// Until programs are exchanged all frames are judged by the old programs over the old maps; each exchange is
// atomic, and both generations are whole. A process that ends at any point is followed by one that goes on from there.
type succession struct {
	old   *generation
	anew  map[string]bool
	taken bool // the new maps are in their place, and programs may work on them
}

// reached tells tests.
func (p *Plane) reached(step string) {
	if p.step != nil && p.succession != nil {
		p.step(step)
	}
}

// resume goes on with a succession whose process ended before it was through. Nothing is old: nil.
func resume(old *generation, current map[string]*ebpf.Map) *succession {
	s := &succession{old: old, anew: map[string]bool{}, taken: true}
	if len(old.maps) == 0 {
		return nil
	}
	for name, m := range old.maps {
		if mapID(m) != mapID(current[name]) {
			s.anew[name] = true
		}
	}
	return s
}

func mapID(m *ebpf.Map) ebpf.MapID {
	if m == nil {
		return 0
	}
	info, err := m.Info()
	if err != nil {
		return 0
	}
	id, _ := info.ID()
	return id
}

func (s *succession) close() error {
	if s == nil {
		return nil
	}
	return s.old.close()
}

// replaced is the old map that has a successor; nil when there is none.
func (s *succession) replaced(name string) *ebpf.Map {
	if s == nil || !s.anew[name] {
		return nil
	}
	return s.old.maps[name]
}

// translations between the old map's layout and the new one's.
func (p *Plane) translations(name string) (key, value translation, ok bool) {
	from, to := p.succession.old.layouts[name], wantedLayout(p.objects.specs[name])
	from.value = p.succession.old.renumbered(name, from.value, formatsOf(p.objects.specs))
	key, keys := translate(from.key, to.key)
	value, values := translate(from.value, to.value, needed[name]...)
	return key, value, keys && values && key.lossless(from.key)
}

// inherit takes over, while maps are still empty, what gives everything else its number.
func (p *Plane) inherit() error {
	if p.succession == nil || p.succession.taken {
		return nil
	}
	for name := range identities {
		old := p.succession.replaced(name)
		if old == nil {
			continue
		}
		if err := p.carryTable(name, old, 0); err != nil {
			return err
		}
	}
	return nil
}

// succeedTo takes from the old maps what must be known of them before anything is written.
func (p *Plane) succeedTo() error {
	if p.succession.anew["vteps"] {
		if err := p.forgetHops(); err != nil {
			return err
		}
	}
	if !p.succession.anew["gateways"] {
		return nil
	}
	var err error
	if p.tables.gateway, err = p.formerGateway(); err != nil {
		return err
	}
	p.banks, err = p.formerBanks()
	return err
}

// formerGateway is what the old gateway's record tells that must go on: the nonce, as long as both generations mean
// the same by what they hand over, the clock, and the count of changes.
func (p *Plane) formerGateway() (g abi.TcGateway, err error) {
	old := p.succession.replaced("gateways")
	_, value, ok := p.translations("gateways")
	if old == nil || !ok {
		return g, nil
	}
	b := make([]byte, old.ValueSize())
	if err := old.Lookup(uint32(0), &b); err != nil {
		return g, fmt.Errorf("read former gateway: %w", err)
	}
	was := bytesAs[abi.TcGateway](value.value(b))
	g.Tick, g.Generation = was.Tick, was.Generation
	if formats := p.succession.old.formats; formats.known && formats.sameWithin(formatsOf(p.objects.specs), "handover") {
		g.Nonce = was.Nonce
	}
	return g, nil
}

// formerBanks are the banks of before, exchanged: what is written next gets the number that it had, so that frames
// under way from old programs to new ones find it.
func (p *Plane) formerBanks() (banks, error) {
	old := p.succession.replaced("banks")
	if old == nil {
		return banks{inForce: map[uint32]uint32{}, changed: map[uint32]uint64{}}, nil
	}
	b, err := readBanks(old, p.slots.byNumber)
	for slot, bank := range b.inForce {
		switch bank {
		case bankFirst:
			b.inForce[slot] = bankSecond
		case bankSecond:
			b.inForce[slot] = bankFirst
		}
	}
	return b, err
}

// succeed fills the new maps with what is wanted, and then exchanges the programs. A failure leaves frames to the old
// programs, and what was filled in to the next attempt.
func (p *Plane) succeed(d *state.Desired, before, wanted tables) error {
	if err := p.prepare(before, wanted); err != nil {
		return errors.Join(err, p.write(wanted, before))
	}
	undo, err := p.attachAll(d)
	if err != nil {
		return errors.Join(err, undo.run(), p.write(wanted, before))
	}
	undo.forget()
	return nil
}

// prepare fills the new maps before the first program works on them, and puts them in their place.
func (p *Plane) prepare(from, to tables) error {
	s := p.succession
	if !s.taken {
		for name, each := range carriedWhole {
			if old := s.replaced(name); old != nil {
				if err := p.carryTable(name, old, each); err != nil {
					return err
				}
			}
		}
	}
	p.reached("tables carried")
	if err := p.writeChanged(from, to); err != nil {
		return err
	}
	p.reached("configured")
	if err := p.carryMACs(); err != nil {
		return err
	}
	p.reached("MACs carried")
	if s.taken {
		return nil
	}
	if err := p.pins.makeRoom(); err != nil {
		return err
	}
	p.reached("between")
	if err := p.pins.succeed(); err != nil {
		return err
	}
	s.taken = true
	p.reached("in place")
	return nil
}

// finish takes over what the old programs still did until they were exchanged, and lets go of the old maps.
func (p *Plane) finish() error {
	s := p.succession
	if err := waitForReaders(); err != nil {
		return err
	}
	p.reached("programs exchanged")
	err := errors.Join(
		p.carryMACs(),
		p.carryHolds(),
		p.carryCounters("counters", "carried"),
		p.carryCounters("nic_counters", "nic_carried"),
		p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_REARM}),
	)
	if err != nil {
		return err
	}
	p.reached("caught up")
	if err := removeFolder(p.pins.oldMaps()); err != nil {
		return err
	}
	p.succession = nil
	return s.close()
}

// removeStrangers removes the pins of maps that only other versions have.
func (p *Plane) removeStrangers() error {
	entries, err := os.ReadDir(p.pins.maps())
	if err != nil {
		return fmt.Errorf("read %s: %w", p.pins.maps(), err)
	}
	var errs []error
	for _, e := range entries {
		if p.objects.maps[e.Name()] == nil {
			errs = append(errs, os.Remove(p.pins.mapPath(e.Name())))
		}
	}
	return errors.Join(errs...)
}
