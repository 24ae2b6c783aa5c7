// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// carried is what programs of another layout had counted, by the index of the counter. Programs add to counters at any
// moment and nobody else may; so the sum of before is kept beside them, and added by whoever reads.
type carried struct {
	tallies map[uint32]abi.TcTally
	nics    map[uint32]abi.TcNicTally
}

func readCarried(m map[string]*ebpf.Map) (carried, error) {
	c := carried{map[uint32]abi.TcTally{}, map[uint32]abi.TcNicTally{}}
	return c, errors.Join(readAll(m["carried"], c.tallies), readAll(m["nic_carried"], c.nics))
}

// with adds what was carried over to what the CPUs have counted.
func with[V any](perCPU []V, before map[uint32]V, index uint32) []V {
	if v, ok := before[index]; ok {
		return append(slices.Clip(perCPU), v)
	}
	return perCPU
}

// forgetTally removes the past of an extension's counters.
func (p *Plane) forgetTally(index uint32) error {
	delete(p.carried.tallies, index)
	return ignoreMissing(p.mapNamed("carried").Delete(index))
}

// forgetNIC removes the past of a NIC's counters.
func (p *Plane) forgetNIC(slot uint32) error {
	delete(p.carried.nics, slot)
	return ignoreMissing(p.mapNamed("nic_carried").Delete(slot))
}

// carryCounters keeps what the old programs have counted, and what had been carried over to them. They count no more:
// it may be done again.
func (p *Plane) carryCounters(counters, before string) error {
	old := p.succession.replaced(counters)
	if old == nil {
		return nil
	}
	_, value, ok := p.translations(counters)
	if !ok {
		return nil
	}
	indices := map[uint32]bool{}
	if counters == "counters" {
		for slot := range p.slots.byNumber {
			indices[2*slot], indices[2*slot+1] = true, true
		}
	} else {
		for slot := range p.nics.byNumber {
			indices[slot] = true
		}
	}
	for index := range indices {
		if err := p.carryCounter(counters, before, index, value); err != nil {
			return fmt.Errorf("carry counters over: %w", err)
		}
	}
	var err error
	p.carried, err = readCarried(p.objects.maps)
	return err
}

func (p *Plane) carryCounter(counters, before string, index uint32, value translation) error {
	var perCPU [][]byte
	if err := p.succession.old.maps[counters].Lookup(index, &perCPU); err != nil {
		return ignoreMissing(err) // the old table had fewer
	}
	if m := p.succession.replaced(before); m != nil {
		past := make([]byte, m.ValueSize())
		if err := m.Lookup(index, &past); err == nil {
			perCPU = append(perCPU, past)
		}
	}
	sum := make([]uint64, value.size/8)
	for _, one := range perCPU {
		for i, n := range numbers(value.value(one)) {
			sum[i] += n
		}
	}
	if counters == "counters" {
		if err := addHits(sum, p.succession.replaced("hits"), index); err != nil {
			return err
		}
	}
	return p.mapNamed(before).Put(index, sum)
}

// numbers are a value that has nothing but 64-bit numbers.
func numbers(value []byte) []uint64 {
	list := make([]uint64, len(value)/8)
	for i := range list {
		list[i] = binary.NativeEndian.Uint64(value[8*i:])
	}
	return list
}
