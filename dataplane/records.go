// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// The banks of bpf/abi.h: each slot has two records, of which one is in force.
const (
	bankNone   = 0
	bankFirst  = 1
	bankSecond = 2
)

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of membarrier(2).
const membarrierGlobal = 1

// banks says which record of each slot is in force, and which slots changed since the last time that
// all programs were known to have left the records they had found.
type banks struct {
	inForce map[uint32]uint32
	changed map[uint32]uint64 // the number of the change
	change  uint64            // the number of the last one
}

func readBanks(m *ebpf.Map, slots map[uint32]string) (banks, error) {
	b := banks{inForce: map[uint32]uint32{}, changed: map[uint32]uint64{}}
	for slot := range slots {
		var bank uint32
		if err := m.Lookup(slot, &bank); err != nil {
			return b, fmt.Errorf("read bank of slot %d: %w", slot, err)
		}
		b.inForce[slot] = bank
		b.changed[slot] = 0 // by an earlier process, perhaps just now
	}
	return b, nil
}

// record is the index in the map of extensions.
func (b *banks) record(slot uint32) uint32 {
	if b.inForce[slot] == bankSecond {
		return 2*slot + 1
	}
	return 2 * slot
}

// waitForReaders returns when no program uses a record that it found before: membarrier waits for an RCU
// grace period.
func waitForReaders() error {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		return fmt.Errorf("wait for programs to leave old records: %w", errno)
	}
	return nil
}

// left notes that programs have left the records that were in force before a change.
func (b *banks) left(change uint64) {
	for slot, changed := range b.changed {
		if changed <= change {
			delete(b.changed, slot)
		}
	}
}

// leaveRecords waits, beside everything else, until programs have left the records that were in force before: the next change
// of the same extensions then need not.
func (p *Plane) leaveRecords() {
	if len(p.banks.changed) == 0 {
		return
	}
	change := p.banks.change
	go func() {
		if waitForReaders() != nil {
			return // the next change waits, and says so
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.banks.left(change)
	}()
}

// writeRecords writes the records that differ into the banks that are not in force, and turns the slots to
// them. It returns the slots that it turned: circuits and segments must follow.
func (p *Plane) writeRecords(from, to tables) (map[uint32]bool, error) {
	turned := map[uint32]bool{}
	wait := false
	for slot, x := range to.records {
		if old, ok := from.records[slot]; !ok || *old != *x {
			turned[slot] = true
			_, changed := p.banks.changed[slot]
			wait = wait || changed
		}
	}
	if wait {
		if err := waitForReaders(); err != nil {
			return nil, err
		}
		p.banks.left(p.banks.change)
	}
	if err := p.turn(turned, to.records); err != nil {
		return nil, fmt.Errorf("write records: %w", err)
	}
	for slot := range turned {
		if old, ok := from.records[slot]; ok && tripsOtherwise(&old.extension, &to.records[slot].extension) {
			if err := p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_LET_DOWN, Slot: slot}); err != nil {
				return nil, err
			}
		}
	}
	return turned, nil
}

// tripsOtherwise reports whether what a trip does has changed: what was only observed must not hold suddenly, and
// what was held must not go on when trips are only to be reported.
func tripsOtherwise(a, b *abi.TcExtension) bool {
	return a.Mode != b.Mode || a.Flags&extTrip != b.Flags&extTrip
}

// turn writes records into the banks that are not in force, then turns the slots to them. When it fails, the books say
// that nothing has turned: the records that circuits and segments lead to are untouched.
func (p *Plane) turn(slots map[uint32]bool, records map[uint32]*record) error {
	p.banks.change++
	room := min(len(slots), writeBatch)
	guards, extensions := batchOf[uint32, abi.TcLimits](room), batchOf[uint32, abi.TcExtension](room)
	turns := batchOf[uint32, uint32](len(slots))
	flush := func() error {
		err := errors.Join(guards.put(p.mapNamed("guards")), extensions.put(p.mapNamed("extensions")))
		guards.empty()
		extensions.empty()
		return err
	}
	for slot := range slots {
		bank, index := uint32(bankFirst), 2*slot
		if p.banks.inForce[slot] == bankFirst {
			bank, index = bankSecond, 2*slot+1
		}
		x := records[slot].extension
		x.Record = index
		guards.add(index, records[slot].guards.Value())
		extensions.add(index, x)
		turns.add(slot, bank)
		p.banks.changed[slot] = p.banks.change
		if len(guards.keys) == room {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if err := turns.put(p.mapNamed("banks")); err != nil {
		return err
	}
	for i, slot := range turns.keys {
		p.banks.inForce[slot] = turns.values[i]
	}
	return nil
}

// pointTo makes keys lead to the records of their slots: those that are new, and those whose slot turned.
func pointTo[K comparable](m *ebpf.Map, b *banks, from, to map[K]uint32, turned map[uint32]bool) error {
	var changed batch[K, uint32]
	for k, slot := range to {
		if old, ok := from[k]; !ok || old != slot || turned[slot] {
			changed.add(k, b.record(slot))
		}
	}
	return changed.put(m)
}
