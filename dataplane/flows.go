// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
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
	firstSets   = 1 << 12 // are used before any station is known
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

// setsFor is how many sets so many stations need: a set has two flows, and a station two to each that it talks to.
func setsFor(stations uint64) uint64 {
	sets := uint64(firstSets)
	for sets < 2*stations && sets < mostSets {
		sets *= 2
	}
	return sets
}

// fit is how many of the sets that there is room for are used: few while there are few stations, so that their flows stay
// together in the caches. A change ends all flows, so it comes seldom: twice what is needed when there are too few, and when
// there are eight times too many.
func fit(used, room uint32, stations uint64) uint32 {
	need := setsFor(stations)
	if uint64(used) >= need && uint64(used) < 8*need {
		return used
	}
	return uint32(min(2*need, uint64(room)))
}

// fitFlows makes the part of the recent flows that is used follow the number of stations.
func (p *Plane) fitFlows() error {
	if len(p.slots.byNumber) == 0 {
		return nil
	}
	states, err := lookupAll[abi.TcExtensionState](p.mapNamed("states"), p.slots.beyond(), false)
	if err != nil {
		return fmt.Errorf("count stations: %w", err)
	}
	stations := uint64(len(p.tables.statics))
	for slot := range p.slots.byNumber {
		s, err := states(slot)
		if err != nil {
			return fmt.Errorf("count stations: %w", err)
		}
		stations += uint64(s[0].Learnt[0]) + uint64(s[0].Learnt[1])
	}
	g := p.tables.gateway
	if g.FlowMask = fit(g.FlowMask+1, g.FlowSets, stations) - 1; g == p.tables.gateway {
		return nil
	}
	if err := p.writeGateway(g); err != nil {
		return err
	}
	p.tables.gateway = g
	return nil
}
