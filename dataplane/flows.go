// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// Recent flows: all CPUs' parts together take at most so many bytes, and at most this share of the machine's memory. A part has at
// least and at most so many sets.
const (
	flowsMemory = 256 << 20
	flowsShare  = 128
	fewestSets  = 128
	mostSets    = 1 << 18
	firstSets   = 1 << 12 // are used before any flow is known
)

// setsPerCPU is how many sets of recent flows each of the CPUs gets on a machine with so many bytes of memory: a power of two.
func setsPerCPU(cpus int, memory uint64) uint32 {
	n, size := uint64(mostSets), uint64(unsafe.Sizeof(abi.TcFlowSet{}))
	for n > fewestSets && n*uint64(cpus)*size > min(flowsMemory, memory/flowsShare) {
		n /= 2
	}
	return uint32(n)
}

// sizeFlows makes the map of recent flows fit the machine.
func sizeFlows(spec *ebpf.CollectionSpec) error {
	m := spec.Maps["recent_flows"]
	if m == nil {
		return nil
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	var machine unix.Sysinfo_t
	if err := unix.Sysinfo(&machine); err != nil {
		return fmt.Errorf("ask for the machine's memory: %w", err)
	}
	m.MaxEntries = setsPerCPU(cpus, uint64(machine.Totalram)*uint64(machine.Unit)) * uint32(cpus)
	return nil
}

// flowSets is how many sets of recent flows each CPU has in the map that is there; 1, of which nothing comes, when there is none.
func (o *objects) flowSets() (uint32, error) {
	m := o.maps["recent_flows"]
	if m == nil {
		return 1, nil
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return 0, fmt.Errorf("count CPUs: %w", err)
	}
	return max(1, m.MaxEntries()/uint32(cpus)), nil
}

// So many sets of a part tell how full it is: flows are spread by a hash, so the first are like all others. At each look they are read of
// so many CPUs' parts, in turn. Their memory is not mapped: all of it would be the daemon's.
const (
	sampledSets = 128
	sampledCPUs = 8
)

// A part that is fuller than this share grows, or flows displace each other. One that is emptier for sparseLooks looks in a row
// shrinks. Few lines that are well used stay in the caches; a change ends all flows, so it comes seldom.
const (
	fullShare   = 0.75
	sparseShare = 1. / 16
	sparseLooks = 120 // a minute, at two looks a second
)

// setsFor is how many sets so many stations need when each sends to one other and half of them are heard here: a set has three flows.
func setsFor(stations uint64) uint64 {
	sets := uint64(1)
	for 4*sets < stations {
		sets *= 2
	}
	return sets
}

// fit is how many of the sets that there is room for are used next, when so great a share of their places is taken. It grows at
// once to what the stations need at least.
func (p *Plane) fit(used, room uint32, taken float64, stations func() (uint64, error)) (uint32, error) {
	if taken >= sparseShare || used <= firstSets {
		p.sparse = 0
	} else {
		p.sparse++
	}
	switch {
	case taken > fullShare && used < room:
		n, err := stations()
		return uint32(min(max(2*uint64(used), setsFor(n)), uint64(room))), err
	case p.sparse >= sparseLooks:
		p.sparse = 0
		return used / 2, nil
	}
	return used, nil
}

// stations is how many there are, learnt and static.
func (p *Plane) stations() (uint64, error) {
	states, err := lookupAll[abi.TcExtensionState](p.mapNamed("states"), p.slots.beyond(), false)
	if err != nil {
		return 0, fmt.Errorf("count stations: %w", err)
	}
	n := uint64(len(p.tables.statics))
	for slot := range p.slots.byNumber {
		s, err := states(slot)
		if err != nil {
			return 0, fmt.Errorf("count stations: %w", err)
		}
		n += uint64(s[0].Learnt[0]) + uint64(s[0].Learnt[1])
	}
	return n, nil
}

// takenPlaces is the share of the places for flows that are taken, of the CPU that has most of those that are looked at.
func (p *Plane) takenPlaces(m *ebpf.Map, now time.Duration) (float64, error) {
	g := &p.tables.gateway
	sets := make([]abi.TcFlowSet, min(sampledSets, g.FlowMask+1))
	cpus, most := m.MaxEntries()/g.FlowSets, 0
	for range min(sampledCPUs, cpus) {
		p.lookedAt = (p.lookedAt + 1) % cpus
		for i := range sets {
			if err := readFlows(m, p.lookedAt*g.FlowSets+uint32(i), &sets[i]); err != nil {
				return 0, err
			}
		}
		most = max(most, liveFlows(sets, p.generation, now))
	}
	return float64(most) / float64(len(sets)*len(sets[0].Flow)), nil
}

// readFlows reads a set, of which another version may know more.
func readFlows(m *ebpf.Map, index uint32, set *abi.TcFlowSet) error {
	raw := make([]byte, m.ValueSize())
	if err := m.Lookup(index, &raw); err != nil {
		return fmt.Errorf("read recent flows: %w", err)
	}
	copy(asBytes(set), raw)
	return nil
}

// Eras and deadlines of flows: FLOW_ERA, FLOW_UNIT and FLOW_END of bpf/abi.h.
const (
	flowEra  = 34
	flowUnit = 27
	flowEnd  = 1<<8 - 1
)

// liveFlows counts flows whose deadline is still to come.
func liveFlows(sets []abi.TcFlowSet, generation uint32, now time.Duration) (live int) {
	era := generation + uint32(now>>flowEra)
	unit := uint32(now>>flowUnit) % (1 << (flowEra - flowUnit))
	for i := range sets {
		if sets[i].Era != era {
			continue
		}
		for _, f := range sets[i].Flow {
			if f.Life&flowEnd > unit {
				live++
			}
		}
	}
	return live
}

// fitFlows makes the part of the recent flows that is used follow how many there are.
func (p *Plane) fitFlows() error {
	m := p.objects.maps["recent_flows"]
	if m == nil || len(p.slots.byNumber) == 0 {
		return nil
	}
	now, err := p.clock()
	if err != nil {
		return err
	}
	taken, err := p.takenPlaces(m, now)
	if err != nil {
		return err
	}
	g := p.tables.gateway
	used, err := p.fit(g.FlowMask+1, g.FlowSets, taken, p.stations)
	if g.FlowMask = used - 1; err != nil || g == p.tables.gateway {
		return err
	}
	if err := p.writeGateway(g); err != nil {
		return err
	}
	p.tables.gateway = g
	return nil
}
