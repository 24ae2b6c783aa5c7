// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// slots gives small numbers to names, and keeps them over restarts by a pinned map. A number is given
// again only after it was freed.
type slots struct {
	byName   map[string]uint32
	byNumber map[uint32]string
	limit    uint32
	next     uint32   // where to look for a free number
	taken    []string // since begin; not in the map before store
}

func readSlots(m *ebpf.Map, limit uint32) (slots, error) {
	s := slots{byName: map[string]uint32{}, byNumber: map[uint32]string{}, limit: limit}
	var name abi.TcName
	var number uint32
	it := m.Iterate()
	for it.Next(&name, &number) {
		text := string(bytes.TrimRight(name.Text[:], "\x00"))
		s.byName[text] = number
		s.byNumber[number] = text
	}
	if err := it.Err(); err != nil {
		return slots{}, fmt.Errorf("read slots: %w", err)
	}
	return s, nil
}

// begin starts a change, which giveBack may undo.
func (s *slots) begin() { s.taken = nil }

// take returns the number of a name, and gives it one when it has none.
func (s *slots) take(name string) (uint32, error) {
	if n, ok := s.byName[name]; ok {
		return n, nil
	}
	for range s.limit {
		n := s.next
		s.next = (s.next + 1) % s.limit
		if _, used := s.byNumber[n]; used {
			continue
		}
		s.byName[name], s.byNumber[n] = n, name
		s.taken = append(s.taken, name)
		return n, nil
	}
	return 0, fmt.Errorf("give %s a slot: all %d are taken", name, s.limit)
}

// beyond is the first number behind all that are given.
func (s *slots) beyond() uint32 {
	next := uint32(0)
	for n := range s.byNumber {
		next = max(next, n+1)
	}
	return next
}

// store keeps what was taken over restarts. It comes before anything that has the numbers in it.
func (s *slots) store(m *ebpf.Map) error {
	var b batch[abi.TcName, uint32]
	for _, name := range s.taken {
		b.add(nameKey(name), s.byName[name])
	}
	if err := b.put(m); err != nil {
		return fmt.Errorf("store slots: %w", err)
	}
	return nil
}

// giveBack frees what was taken.
func (s *slots) giveBack(m *ebpf.Map) error {
	var errs []error
	for _, name := range s.taken {
		errs = append(errs, s.free(m, name))
	}
	s.taken = nil
	return errors.Join(errs...)
}

func (s *slots) free(m *ebpf.Map, name string) error {
	n, ok := s.byName[name]
	if !ok {
		return nil
	}
	if err := ignoreMissing(m.Delete(nameKey(name))); err != nil {
		return fmt.Errorf("free slot of %s: %w", name, err)
	}
	delete(s.byName, name)
	delete(s.byNumber, n)
	return nil
}

func nameKey(name string) abi.TcName {
	var k abi.TcName
	copy(k.Text[:], name)
	return k
}

// vteps gives indices to VTEP addresses. Index 0 is never used: it is the customer's place.
type vteps struct {
	byAddr  map[netip.Addr]uint32
	byIndex map[uint32]netip.Addr
	taken   []netip.Addr // since begin
}

func readVTEPs(m *ebpf.Map) (vteps, error) {
	v := vteps{byAddr: map[netip.Addr]uint32{}, byIndex: map[uint32]netip.Addr{}}
	var key abi.TcAddress
	var index uint32
	it := m.Iterate()
	for it.Next(&key, &index) {
		addr := addrOf(key)
		v.byAddr[addr] = index
		v.byIndex[index] = addr
	}
	if err := it.Err(); err != nil {
		return vteps{}, fmt.Errorf("read VTEPs: %w", err)
	}
	return v, nil
}

// begin starts a change, which giveBack may undo.
func (v *vteps) begin() { v.taken = nil }

// take returns the index of a VTEP. A new one's record is written before its address is let in.
func (v *vteps) take(o *objects, addr netip.Addr) (uint16, error) {
	if i, ok := v.byAddr[addr]; ok {
		return uint16(i), nil
	}
	for i := uint32(1); i < maxVTEPs; i++ {
		if _, used := v.byIndex[i]; used {
			continue
		}
		key := keyOf(addr)
		if err := o.maps["vteps"].Put(i, abi.TcVtep{Addr: key}); err != nil {
			return 0, fmt.Errorf("store VTEP %s: %w", addr, err)
		}
		if err := o.maps["vtep_ids"].Put(key, i); err != nil {
			return 0, fmt.Errorf("let in VTEP %s: %w", addr, err)
		}
		v.byAddr[addr], v.byIndex[i] = i, addr
		v.taken = append(v.taken, addr)
		return uint16(i), nil
	}
	return 0, fmt.Errorf("give VTEP %s an index: all %d are taken", addr, maxVTEPs-1)
}

// keep forgets all VTEPs but those in use.
func (v *vteps) keep(o *objects, used map[netip.Addr]bool) error {
	for addr := range v.byAddr {
		if used[addr] {
			continue
		}
		if err := v.forget(o, addr); err != nil {
			return err
		}
	}
	return nil
}

func (v *vteps) forget(o *objects, addr netip.Addr) error {
	if err := ignoreMissing(o.maps["vtep_ids"].Delete(keyOf(addr))); err != nil {
		return fmt.Errorf("shut out VTEP %s: %w", addr, err)
	}
	delete(v.byIndex, v.byAddr[addr])
	delete(v.byAddr, addr)
	return nil
}

// giveBack forgets what was taken.
func (v *vteps) giveBack(o *objects) error {
	var errs []error
	for _, addr := range v.taken {
		errs = append(errs, v.forget(o, addr))
	}
	v.taken = nil
	return errors.Join(errs...)
}

// keyOf is an address as the programs compare it: wire order, IPv4 mapped into IPv6.
func keyOf(addr netip.Addr) abi.TcAddress {
	var k abi.TcAddress
	b := addr.As16()
	for i := range k.Word {
		k.Word[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return k
}

func addrOf(k abi.TcAddress) netip.Addr {
	var b [16]byte
	for i, w := range k.Word {
		binary.NativeEndian.PutUint32(b[4*i:], w)
	}
	return netip.AddrFrom16(b).Unmap()
}
