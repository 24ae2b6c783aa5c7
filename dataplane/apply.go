// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Apply makes the kernel equal to d: all or nothing. When it fails the former state is put back and the
// error says what could not be done. Nothing is unguarded at any moment: programs are attached before
// circuits exist, an extension's record is replaced atomically in each direction, and what is no longer
// wanted is taken out of the tables before its programs are detached. Applying the same again changes
// nothing.
func (p *Plane) Apply(d *state.Desired) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.compare(d)
	p.begin()
	before := p.tables
	if !c.whole {
		before = p.tables.of(p.slotsOf(c))
	}
	wanted, err := p.compile(d, c.extensions)
	if err == nil {
		err = p.storeNames()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("apply: %w", err), p.giveBack())
	}
	if p.succession != nil {
		err = p.succeed(d, before, wanted)
	} else {
		err = p.change(d, before, wanted)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("apply: %w", err), p.giveBack())
	}
	if c.whole {
		p.tables = wanted
	} else {
		p.tables = p.tables.with(before, wanted)
	}
	p.desired = d
	p.unclean = p.cleanUp(d) != nil // d is in force all the same: Check tries again, and says so
	p.leaveRecords()
	return nil
}

// change attaches programs, and then writes what they shall work with.
func (p *Plane) change(d *state.Desired, before, wanted tables) error {
	undo, err := p.attachAll(d)
	if err != nil {
		return errors.Join(err, undo.run())
	}
	if err := p.writeChanged(before, wanted); err != nil {
		return errors.Join(err, p.write(wanted, before), undo.run())
	}
	undo.forget()
	return nil
}

func (p *Plane) writeChanged(from, to tables) error {
	if from.equal(to) {
		return nil
	}
	return p.write(from, to)
}

// write brings the maps from one content to another, adding before removing.
func (p *Plane) write(from, to tables) error {
	m := p.objects.maps
	if err := putChanged(m["inner_vlans"], from.inner, to.inner); err != nil {
		return err
	}
	if err := putChanged(m["protected"], from.shielded, to.shielded); err != nil {
		return err
	}
	if from.gateway != to.gateway {
		if err := p.writeGateway(to.gateway); err != nil {
			return err
		}
		if from.gateway.Vtep != to.gateway.Vtep || from.gateway.Uplink != to.gateway.Uplink {
			if err := p.forgetHops(); err != nil {
				return err
			}
		}
	}
	if err := putChanged(m["nics"], from.nics, to.nics); err != nil {
		return err
	}
	turned, err := p.writeRecords(from, to)
	if err != nil {
		return err
	}
	if err := p.writeStatics(from, to); err != nil {
		return err
	}
	if err := pointTo(m["segments"], &p.banks, from.segments, to.segments, turned); err != nil {
		return err
	}
	if err := pointTo(m["circuits"], &p.banks, from.circuits, to.circuits, turned); err != nil {
		return err
	}
	gone := errors.Join(
		deleteGone(m["circuits"], from.circuits, to.circuits),
		deleteGone(m["segments"], from.segments, to.segments),
		deleteGone(m["nics"], from.nics, to.nics),
		deleteGone(m["inner_vlans"], from.inner, to.inner),
		deleteGone(m["protected"], from.shielded, to.shielded),
	)
	// All is written: flows that programs have cached must be judged anew. What they learn from now on is
	// by the new records, so a sweep leaves nothing of the old.
	gone = errors.Join(gone, p.writeGateway(to.gateway))
	p.unswept = p.unswept || leavesEntries(from, to)
	return gone
}

// writeGateway writes the record with the next generation, which ends all cached flows.
func (p *Plane) writeGateway(g abi.TcGateway) error {
	p.generation++
	g.Generation = p.generation
	if err := p.objects.maps["gateways"].Put(uint32(0), g); err != nil {
		return fmt.Errorf("write gateway: %w", err)
	}
	return nil
}

func putChanged[K, V comparable](m *ebpf.Map, from, to map[K]V) error {
	var changed batch[K, V]
	for k, v := range to {
		if old, ok := from[k]; !ok || old != v {
			changed.add(k, v)
		}
	}
	return changed.put(m)
}

func deleteGone[K comparable, V any](m *ebpf.Map, from, to map[K]V) error {
	for k := range from {
		if _, ok := to[k]; ok {
			continue
		}
		if err := ignoreMissing(m.Delete(k)); err != nil {
			return fmt.Errorf("delete from %s: %w", m.String(), err)
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

func (p *Plane) writeStatics(from, to tables) error {
	for k, e := range to.statics {
		if old, ok := from.statics[k]; ok && (old == e || old.flags == fdbPinned && e.flags == fdbPinned) {
			continue
		}
		a := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_PUT, Place: e.place, Flags: e.flags}
		a.Key.Slot, a.Key.Mac = k.Slot, k.Mac
		if err := p.admin(a); err != nil {
			return fmt.Errorf("write static MAC: %w", err)
		}
	}
	for k := range from.statics {
		if _, ok := to.statics[k]; ok {
			continue
		}
		a := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_DELETE}
		a.Key.Slot, a.Key.Mac = k.Slot, k.Mac
		if err := p.admin(a); err != nil {
			return fmt.Errorf("delete static MAC: %w", err)
		}
	}
	return nil
}

// leavesEntries reports whether FDB entries may now lead nowhere: an extension, a peer, or a part of the
// ageing time is gone.
func leavesEntries(from, to tables) bool {
	for slot, old := range from.records {
		r, ok := to.records[slot]
		if !ok || r.extension.MacAge < old.extension.MacAge || lostPeer(old, r) {
			return true
		}
	}
	return false
}

func lostPeer(old, r *record) bool {
	if old.guards == r.guards && old.extension.PeerCount == r.extension.PeerCount {
		return false
	}
	was, is := old.guards.Value(), r.guards.Value()
	now := is.Peer[:r.extension.PeerCount]
	for _, peer := range was.Peer[:old.extension.PeerCount] {
		if !slices.Contains(now, peer) {
			return true
		}
	}
	return false
}

// sweep takes out, in one walk through the FDB, all entries that lead nowhere, and ends cached flows to
// them.
func (p *Plane) sweep() error {
	if err := p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_SWEEP}); err != nil {
		return err
	}
	p.unswept = false
	return p.writeGateway(p.tables.gateway)
}

// admin runs fdb_admin in the kernel.
func (p *Plane) admin(a abi.AdminAdmin) error {
	now, err := p.clock()
	if err != nil {
		return err
	}
	a.Now = uint64(now.Nanoseconds())
	code, err := p.runAdmin(&a)
	if err != nil {
		return fmt.Errorf("change FDB: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("change FDB: the kernel answers %d (table full?)", int32(code))
	}
	return nil
}

// forgetHops makes the programs look every next hop up again.
func (p *Plane) forgetHops() error {
	for index, addr := range p.vteps.byIndex {
		if err := p.objects.maps["vteps"].Put(index, abi.TcVtep{Addr: keyOf(addr)}); err != nil {
			return fmt.Errorf("reset next hops of VTEP %s: %w", addr, err)
		}
	}
	return nil
}

// cleanUp lets go of what d no longer needs. A slot or an index is free for others only after the entries
// that name it are gone; until then it keeps its name, so that a process which ends in between is
// followed by one that does the rest.
func (p *Plane) cleanUp(d *state.Desired) error {
	if p.succession != nil {
		if err := p.finish(); err != nil {
			return err
		}
	}
	if err := errors.Join(p.detachUnwanted(d), p.removeStrangers()); err != nil {
		return err
	}
	gone := p.goneExtensions(d)
	if err := p.end(gone); err != nil {
		return err
	}
	if p.unswept || len(gone) > 0 {
		if err := p.sweep(); err != nil {
			return err
		}
	}
	for _, name := range gone {
		if err := p.freeExtension(name); err != nil {
			return err
		}
	}
	return errors.Join(p.freeNICs(d), p.vteps.keep(p.objects, peersOf(d)))
}

// end makes extensions' slots nobody's, and waits until no program counts for them any more: a counter that was read before it is
// cleared, and written after, would be the slot's next extension's.
func (p *Plane) end(gone []string) error {
	if len(gone) == 0 {
		return nil
	}
	ended := batchOf[uint32, uint32](len(gone))
	for _, name := range gone {
		ended.add(p.slots.byName[name], bankNone)
	}
	if err := ended.put(p.mapNamed("banks")); err != nil {
		return fmt.Errorf("end %d extensions, %s the first: %w", len(gone), gone[0], err)
	}
	return waitForReaders()
}

func (p *Plane) freeExtension(name string) error {
	slot := p.slots.byName[name]
	if err := p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_RESET, Slot: slot}); err != nil {
		return err
	}
	if err := p.resetCounters(slot); err != nil {
		return err
	}
	p.banks.inForce[slot] = bankNone
	return p.slots.free(p.mapNamed("names"), name)
}

// freeNICs frees the counters of NICs that are no longer used. A NIC that has gone away, and that an
// extension waits for, keeps its own.
func (p *Plane) freeNICs(d *state.Desired) error {
	used := map[string]bool{}
	for i := range d.Extensions {
		used[d.Extensions[i].NIC] = true
	}
	for _, n := range d.NICs {
		used[n.Name] = true
	}
	for _, u := range d.Underlay.Uplinks {
		used[u.Name] = true
	}
	for name, slot := range p.nics.byName {
		if used[name] {
			continue
		}
		if err := errors.Join(resetPerCPU[abi.TcNicTally](p.mapNamed("nic_counters"), slot), p.forgetNIC(slot)); err != nil {
			return err
		}
		if err := p.nics.free(p.mapNamed("nic_names"), name); err != nil {
			return err
		}
	}
	return nil
}

func peersOf(d *state.Desired) map[netip.Addr]bool {
	used := map[netip.Addr]bool{}
	for i := range d.Extensions {
		for _, addr := range d.Extensions[i].Peers {
			used[addr] = true
		}
	}
	return used
}

// introduce makes the gateway's record tell the nonce and the length of a tick before any program is
// attached. An earlier process's nonce is kept: frames with it may be on their way.
func (p *Plane) introduce() error {
	g := &p.tables.gateway
	if g.Nonce == 0 {
		var b [4]byte
		if _, err := rand.Read(b[:]); err != nil {
			return fmt.Errorf("make nonce: %w", err)
		}
		g.Nonce = binary.NativeEndian.Uint32(b[:]) | 1
	}
	if g.Tick == 0 {
		tick, err := p.measureTick()
		if err != nil {
			return err
		}
		g.Tick = tick
	}
	p.nonce, p.tick = g.Nonce, g.Tick
	return p.writeGateway(*g)
}
