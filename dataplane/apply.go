// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

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
	before := p.tables
	wanted, err := p.compile(d)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	if p.adopted && p.desired == nil { // programs of an earlier version may not have known this field
		before.gateway.Tick = 0
	}
	attached, err := p.attachMissing(d)
	if err != nil {
		return errors.Join(fmt.Errorf("apply: %w", err), p.detach(attached))
	}
	if err := p.writeChanged(before, wanted); err != nil {
		return errors.Join(fmt.Errorf("apply: %w", err), p.write(wanted, before), p.detach(attached))
	}
	p.tables = wanted
	p.desired = d
	p.unclean = p.cleanUp(d) != nil // d is in force all the same: Check tries again, and says so
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
	if err := p.writeStates(from, to); err != nil {
		return err
	}
	if err := putChanged(m["inner_vlans"], from.inner, to.inner); err != nil {
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
	if err := p.writeStatics(from, to); err != nil {
		return err
	}
	if err := putChanged(m["segments"], from.segments, to.segments); err != nil {
		return err
	}
	if err := putChanged(m["circuits"], from.circuits, to.circuits); err != nil {
		return err
	}
	gone := errors.Join(
		deleteGone(m["circuits"], from.circuits, to.circuits),
		deleteGone(m["segments"], from.segments, to.segments),
		deleteGone(m["nics"], from.nics, to.nics),
		deleteGone(m["inner_vlans"], from.inner, to.inner),
	)
	// All is written: now flows that programs have cached must be judged anew.
	return errors.Join(gone, p.writeGateway(to.gateway), p.purge(from, to))
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
	for k, v := range to {
		if old, ok := from[k]; ok && old == v {
			continue
		}
		if err := m.Put(k, v); err != nil {
			return fmt.Errorf("write %s: %w", m.String(), err)
		}
	}
	return nil
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

// writeStates writes each slot's ageing time, in place: the rest of the record is the programs'.
func (p *Plane) writeStates(from, to tables) error {
	m := p.objects.maps["states"]
	for slot, age := range to.ages {
		old, known := from.ages[slot]
		if known && old == age {
			continue
		}
		var s abi.TcExtensionState
		if err := m.Lookup(slot, &s); err != nil {
			return fmt.Errorf("read state of slot %d: %w", slot, err)
		}
		if s.MacAge == age {
			continue
		}
		fresh := s.MacAge == 0
		s.MacAge = age
		if err := m.Put(slot, s); err != nil {
			return fmt.Errorf("write state of slot %d: %w", slot, err)
		}
		if fresh {
			continue
		}
		// Timers of a longer age are armed already: take out what is too old by the new one.
		if err := p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_PURGE_EXPIRED, Slot: slot, Age: age}); err != nil {
			return err
		}
	}
	return nil
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

// purge takes FDB entries out that no longer lead anywhere: those of extensions that are gone, and those
// at VTEPs that an extension no longer has.
func (p *Plane) purge(from, to tables) error {
	now := map[uint32]abi.TcExtension{}
	for _, x := range to.segments {
		now[x.Slot] = x
	}
	for _, old := range from.segments {
		x, ok := now[old.Slot]
		switch {
		case !ok:
			if err := p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_PURGE_ALL, Slot: old.Slot}); err != nil {
				return err
			}
			if err := p.objects.maps["states"].Put(old.Slot, abi.TcExtensionState{}); err != nil {
				return fmt.Errorf("clear state of slot %d: %w", old.Slot, err)
			}
		case lostPeer(old, x):
			if err := p.purgePeers(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// purgePeers keeps, of an extension's entries in the cloud, those at its peers.
func (p *Plane) purgePeers(x abi.TcExtension) error {
	var kept abi.TcVtepSet
	for _, index := range x.Peer[:x.PeerCount] {
		kept.Bits[index/64] |= 1 << (index % 64)
	}
	if err := p.objects.maps["kept_vteps"].Put(uint32(0), kept); err != nil {
		return fmt.Errorf("tell kept VTEPs: %w", err)
	}
	return p.admin(abi.AdminAdmin{Act: abi.AdminAdminActADMIN_PURGE_PEERS, Slot: x.Slot})
}

func lostPeer(old, x abi.TcExtension) bool {
	for _, o := range old.Peer[:old.PeerCount] {
		found := false
		for _, n := range x.Peer[:x.PeerCount] {
			found = found || n == o
		}
		if !found {
			return true
		}
	}
	return false
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

// cleanUp lets go of what d no longer needs.
func (p *Plane) cleanUp(d *state.Desired) error {
	var errs []error
	errs = append(errs, p.detachUnwanted(d))
	extensions, used := map[string]bool{}, map[netip.Addr]bool{}
	for _, x := range d.Extensions {
		extensions[string(x.Name)] = true
		for _, addr := range x.Peers {
			used[addr] = true
		}
	}
	for name := range p.slots.byName {
		if !extensions[name] {
			errs = append(errs, p.resetCounters(p.slots.byName[name]), p.slots.free(p.mapNamed("names"), name))
		}
	}
	return errors.Join(append(errs, p.vteps.keep(p.objects, used))...)
}

// readNonce takes the nonce of earlier programs, which may have frames on their way, or makes one.
func (p *Plane) readNonce() (uint32, error) {
	if n := p.tables.gateway.Nonce; n != 0 {
		return n, nil
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("make nonce: %w", err)
	}
	return binary.NativeEndian.Uint32(b[:]) | 1, nil
}
