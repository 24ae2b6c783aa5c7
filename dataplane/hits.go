// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/state"
)

// hitsPerCPU is how many hits a CPU's part has: of both directions of each slot.
const hitsPerCPU = 2 * maxExtensions

// sizeHits gives each CPU its part.
func sizeHits(spec *ebpf.CollectionSpec) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	if m := spec.Maps["hits"]; m != nil {
		m.MaxEntries = uint32(cpus) * hitsPerCPU
	}
	return nil
}

// tallies are what the programs have counted of extensions, by the index of slot and direction. Frames of recent flows have
// counters of their own (struct hits of bpf/abi.h): whoever wants the whole must add both.
type tallies struct {
	judged lookup[abi.TcTally]
	hits   *ebpf.Map
}

func (p *Plane) talliesEach() tallies {
	return tallies{lookupEach[abi.TcTally](p.mapNamed("counters")), p.mapNamed("hits")}
}

// talliesAll reads the counters of so many slots in batches.
func (p *Plane) talliesAll(slots uint32) (tallies, error) {
	judged, err := lookupAll[abi.TcTally](p.mapNamed("counters"), 2*slots, true)
	return tallies{judged, p.mapNamed("hits")}, err
}

// sum is all that CPUs have counted, with what programs of another layout had.
func (t tallies) sum(index uint32, before carried) (state.Counters, error) {
	judged, err := t.judged(index)
	if err != nil {
		return state.Counters{}, err
	}
	h, err := sumHits(t.hits, index)
	if err != nil {
		return state.Counters{}, err
	}
	c := sumTallies(with(judged, before.tallies, index))
	c.Rx.Frames += h.Frames
	c.Rx.Bytes += h.Bytes
	c.Tx.Frames += h.Frames
	c.Tx.Bytes += h.Bytes
	return c, nil
}

// sumHits is what all CPUs have counted by an index of slot and direction. The map's memory is read as it is: a system call for each
// CPU and extension would take longer than all else of a status.
func sumHits(m *ebpf.Map, index uint32) (sum abi.TcHits, err error) {
	var one abi.TcHits
	for at := index; at < m.MaxEntries(); at += hitsPerCPU {
		if err := readElement(m, at, &one); err != nil {
			return sum, err
		}
		sum.Frames += one.Frames
		sum.Bytes += one.Bytes
	}
	return sum, nil
}

// resetHits clears what all CPUs have counted by an index.
func resetHits(m *ebpf.Map, index uint32) error {
	memory, err := m.Memory()
	if err != nil {
		return fmt.Errorf("map memory of %s: %w", m, err)
	}
	zero := make([]byte, m.ValueSize())
	for at := index; at < m.MaxEntries(); at += hitsPerCPU {
		if _, err := memory.WriteAt(zero, int64(at)*int64(len(zero))); err != nil {
			return fmt.Errorf("clear %d in %s: %w", at, m, err)
		}
	}
	return nil
}

// readElement reads an element of an array from its memory. Values have whole words, so that elements follow each other without a gap.
func readElement[V any](m *ebpf.Map, index uint32, into *V) error {
	memory, err := m.Memory()
	if err != nil {
		return fmt.Errorf("map memory of %s: %w", m, err)
	}
	raw := unsafe.Slice((*byte)(unsafe.Pointer(into)), unsafe.Sizeof(*into))
	if _, err := memory.ReadAt(raw, int64(index)*int64(m.ValueSize())); err != nil {
		return fmt.Errorf("read %d in %s: %w", index, m, err)
	}
	return nil
}

// addHits adds what another layout has counted of recent flows to a tally, whose first numbers are frames and bytes received,
// then sent. A layout without such counters has them in the tally; one before had them in a per-CPU array.
func addHits(sum []uint64, old *ebpf.Map, index uint32) error {
	if old == nil || old.ValueSize() != uint32(unsafe.Sizeof(abi.TcHits{})) {
		return nil
	}
	h, err := hitsOf(old, index)
	sum[0] += h.Frames
	sum[1] += h.Bytes
	sum[2] += h.Frames
	sum[3] += h.Bytes
	return ignoreMissing(err)
}

// hitsOf is what all CPUs have counted by an index, in a map of any version.
func hitsOf(old *ebpf.Map, index uint32) (sum abi.TcHits, err error) {
	if old.Type() != ebpf.PerCPUArray {
		return sumHits(old, index)
	}
	var perCPU []abi.TcHits
	err = old.Lookup(index, &perCPU)
	for _, one := range perCPU {
		sum.Frames += one.Frames
		sum.Bytes += one.Bytes
	}
	return sum, err
}
