// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
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
	changed map[uint32]bool
}

func readBanks(m *ebpf.Map, slots map[uint32]string) (banks, error) {
	b := banks{inForce: map[uint32]uint32{}, changed: map[uint32]bool{}}
	for slot := range slots {
		var bank uint32
		if err := m.Lookup(slot, &bank); err != nil {
			return b, fmt.Errorf("read bank of slot %d: %w", slot, err)
		}
		b.inForce[slot] = bank
		b.changed[slot] = true // by an earlier process, perhaps just now
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
func (b *banks) waitForReaders() error {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); errno != 0 {
		return fmt.Errorf("wait for programs to leave old records: %w", errno)
	}
	clear(b.changed)
	return nil
}

// writeRecords writes the records that differ into the banks that are not in force, and turns the slots to
// them. It returns the slots that it turned: circuits and segments must follow.
func (p *Plane) writeRecords(from, to tables) (map[uint32]bool, error) {
	turned := map[uint32]bool{}
	wait := false
	for slot, x := range to.records {
		old, ok := from.records[slot]
		if !ok || old != x {
			turned[slot] = true
			wait = wait || p.banks.changed[slot]
		}
	}
	if wait {
		if err := p.banks.waitForReaders(); err != nil {
			return nil, err
		}
	}
	for slot := range turned {
		if err := p.turn(slot, to.records[slot]); err != nil {
			return nil, fmt.Errorf("write record of slot %d: %w", slot, err)
		}
		if old, ok := from.records[slot]; ok && tripsOtherwise(old.extension, to.records[slot].extension) {
			if err := p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_LET_DOWN, Slot: slot}); err != nil {
				return nil, err
			}
		}
	}
	return turned, nil
}

// tripsOtherwise reports whether what a trip does has changed: what was only observed must not hold suddenly, and
// what was held must not go on when trips are only to be reported.
func tripsOtherwise(a, b abi.TcExtension) bool {
	return a.Mode != b.Mode || a.Flags&extTrip != b.Flags&extTrip
}

func (p *Plane) turn(slot uint32, r record) error {
	bank, index := uint32(bankFirst), 2*slot
	if p.banks.inForce[slot] == bankFirst {
		bank, index = bankSecond, 2*slot+1
	}
	if err := p.mapNamed("guards").Put(index, r.guards); err != nil {
		return err
	}
	r.extension.Record = index
	if err := p.mapNamed("extensions").Put(index, r.extension); err != nil {
		return err
	}
	if err := p.mapNamed("banks").Put(slot, bank); err != nil {
		return err
	}
	p.banks.inForce[slot] = bank
	p.banks.changed[slot] = true
	return nil
}

// pointTo makes keys lead to the records of their slots: those that are new, and those whose slot turned.
func pointTo[K comparable](m *ebpf.Map, b *banks, from, to map[K]uint32, turned map[uint32]bool) error {
	for k, slot := range to {
		if old, ok := from[k]; ok && old == slot && !turned[slot] {
			continue
		}
		if err := m.Put(k, b.record(slot)); err != nil {
			return fmt.Errorf("write %s: %w", m.String(), err)
		}
	}
	return nil
}
