// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Read takes one reading of all counters. A reading in flight may differ by the frames in flight.
func (p *Plane) Read() (state.Reading, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	r := state.Reading{
		Interfaces:   map[string]state.InterfaceReading{},
		Extensions:   map[l2.Name]state.ExtensionReading{},
		KernelMemory: p.objects.memory(),
	}
	if p.desired == nil {
		return r, nil
	}
	for _, n := range p.desired.NICs {
		if err := p.readNIC(r, n.Name, 1, 1); err != nil {
			return r, err
		}
	}
	for _, u := range p.desired.Underlay.Uplinks {
		if err := p.readNIC(r, u.Name, 2, 4); err != nil {
			return r, err
		}
	}
	if err := p.readTunnelLoss(r); err != nil {
		return r, err
	}
	return r, p.readExtensions(r)
}

// readExtensions reads all counters in batches when there are many: a lookup each costs more in system
// calls than in copying.
func (p *Plane) readExtensions(r state.Reading) error {
	counted := p.talliesEach()
	states := lookupEach[abi.TcExtensionState](p.mapNamed("states"))
	if n := len(p.desired.Extensions); n > readSingly {
		slots := p.slots.beyond()
		var err error
		if counted, err = p.talliesAll(slots); err != nil {
			return err
		}
		if states, err = lookupAll[abi.TcExtensionState](p.mapNamed("states"), slots, false); err != nil {
			return err
		}
	}
	for i := range p.desired.Extensions {
		x := &p.desired.Extensions[i]
		e, err := p.readExtension(x, counted, states)
		if err != nil {
			return fmt.Errorf("read counters of extension %s: %w", x.Name, err)
		}
		r.Extensions[x.Name] = e
	}
	return nil
}

// readNIC reads a NIC's counters; first to last are the reasons that its role can have.
func (p *Plane) readNIC(r state.Reading, name string, first, last int) error {
	var perCPU []abi.TcNicTally
	slot, ok := p.nics.byName[name]
	if !ok {
		return nil
	}
	if err := p.mapNamed("nic_counters").Lookup(slot, &perCPU); err != nil {
		return fmt.Errorf("read counters of %s: %w", name, err)
	}
	perCPU = with(perCPU, p.carried.nics, slot)
	n := state.InterfaceReading{Drops: map[string]uint64{}}
	for reason := first; reason <= last; reason++ {
		n.Drops[reasonName(reason)] = 0
	}
	for i := range perCPU {
		c := &perCPU[i]
		n.Rx.Frames += c.RxFrames
		n.Rx.Bytes += c.RxBytes
		n.Passed += c.Passed
		for reason := first; reason <= last; reason++ {
			n.Drops[reasonName(reason)] += c.Drops[reason]
		}
	}
	r.Interfaces[name] = n
	return nil
}

// readTunnelLoss counts what was handed to the tunnel device and never came out of it, at the first
// uplink: the device does not tell by which one a packet came.
func (p *Plane) readTunnelLoss(r state.Reading) error {
	var to, from uint64
	for _, u := range p.desired.Underlay.Uplinks {
		var perCPU []abi.TcNicTally
		slot := p.nics.byName[u.Name]
		if err := p.mapNamed("nic_counters").Lookup(slot, &perCPU); err != nil {
			return fmt.Errorf("read counters of %s: %w", u.Name, err)
		}
		perCPU = with(perCPU, p.carried.nics, slot)
		for i := range perCPU {
			to += perCPU[i].ToTunnel
			from += perCPU[i].FromTunnel
		}
	}
	if to > from {
		first := p.desired.Underlay.Uplinks[0].Name
		n := r.Interfaces[first]
		n.Lost = to - from
		r.Interfaces[first] = n
	}
	return nil
}

func (p *Plane) readExtension(x *state.Extension, counted tallies, states lookup[abi.TcExtensionState]) (state.ExtensionReading, error) {
	var e state.ExtensionReading
	slot, ok := p.slots.byName[string(x.Name)]
	if !ok {
		return e, nil
	}
	for dir, c := range []*state.Counters{&e.ToCloud, &e.ToCustomer} {
		sum, err := counted.sum(slot*2+uint32(dir), p.carried)
		if err != nil {
			return e, err
		}
		*c = sum
	}
	s, err := states(slot)
	if err != nil {
		return e, err
	}
	e.Customer, e.Cloud = int(s[0].Learnt[0]), int(s[0].Learnt[1])
	for _, m := range x.Static {
		if m.Side == l2.Customer {
			e.Customer++
		} else {
			e.Cloud++
		}
	}
	return e, nil
}

func sumTallies(perCPU []abi.TcTally) state.Counters {
	c := state.Counters{Drops: map[string]uint64{}, WouldDrop: map[string]uint64{}}
	for i := range perCPU {
		t := &perCPU[i]
		c.Rx.Frames += t.RxFrames
		c.Rx.Bytes += t.RxBytes
		c.Tx.Frames += t.TxFrames
		c.Tx.Bytes += t.TxBytes
		c.Copies += t.Copies
		c.Generated += t.Generated
		addReasons(c.Drops, t.Drops[:])
		addReasons(c.WouldDrop, t.WouldDrop[:])
	}
	return c
}

func addReasons(into map[string]uint64, counts []uint64) {
	for reason, n := range counts {
		if n > 0 {
			into[reasonName(reason)] += n
		}
	}
}

// resetCounters clears a slot before another extension gets it.
func (p *Plane) resetCounters(slot uint32) error {
	judged, hits := p.mapNamed("counters"), p.mapNamed("hits")
	return errors.Join(
		resetPerCPU[abi.TcTally](judged, slot*2), resetPerCPU[abi.TcTally](judged, slot*2+1),
		resetHits(hits, slot*2), resetHits(hits, slot*2+1),
		p.forgetTally(slot*2), p.forgetTally(slot*2+1),
	)
}

// resetPerCPU clears one element of a per-CPU array.
func resetPerCPU[V any](m *ebpf.Map, key uint32) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	if err := m.Put(key, make([]V, cpus)); err != nil {
		return fmt.Errorf("clear counters: %w", err)
	}
	return nil
}
