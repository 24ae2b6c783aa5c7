// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// bytesAs reads a value of this version's layout.
func bytesAs[V any](b []byte) V {
	var v V
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v)), b)
	return v
}

// eachRaw visits elements of a map in batches, up to a number of them. Elements that come or go meanwhile may be missed.
func eachRaw(m *ebpf.Map, most int, visit func(key, value []byte) error) error {
	keySize, valueSize := int(m.KeySize()), int(m.ValueSize())
	keys := reflect.MakeSlice(reflect.SliceOf(reflect.ArrayOf(keySize, reflect.TypeFor[byte]())), fdbBatch, fdbBatch)
	values := reflect.MakeSlice(reflect.SliceOf(reflect.ArrayOf(valueSize, reflect.TypeFor[byte]())), fdbBatch, fdbBatch)
	var cursor ebpf.MapBatchCursor
	for seen := 0; seen < most; {
		n, err := m.BatchLookup(&cursor, keys.Interface(), values.Interface(), nil)
		for i := 0; i < n && seen < most; i, seen = i+1, seen+1 {
			if err := visit(keys.Index(i).Slice(0, keySize).Bytes(), values.Index(i).Slice(0, valueSize).Bytes()); err != nil {
				return err
			}
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", m.String(), err)
		}
	}
	return nil
}

// rawBatch collects elements of this version's layout and writes them in batches.
type rawBatch struct {
	to           *ebpf.Map
	keys, values reflect.Value
	count        int
}

func newRawBatch(to *ebpf.Map) *rawBatch {
	array := func(size uint32) reflect.Value {
		t := reflect.SliceOf(reflect.ArrayOf(int(size), reflect.TypeFor[byte]()))
		return reflect.MakeSlice(t, fdbBatch, fdbBatch)
	}
	return &rawBatch{to: to, keys: array(to.KeySize()), values: array(to.ValueSize())}
}

func (b *rawBatch) put(key, value []byte) error {
	reflect.Copy(b.keys.Index(b.count), reflect.ValueOf(key))
	reflect.Copy(b.values.Index(b.count), reflect.ValueOf(value))
	if b.count++; b.count < fdbBatch {
		return nil
	}
	return b.flush()
}

func (b *rawBatch) flush() error {
	n := b.count
	if b.count = 0; n == 0 {
		return nil
	}
	if _, err := b.to.BatchUpdate(b.keys.Slice(0, n).Interface(), b.values.Slice(0, n).Interface(), nil); err != nil {
		return fmt.Errorf("write %s: %w", b.to.String(), err)
	}
	return nil
}

// carryTable carries a map over that no program uses yet: of an array as many elements as the extensions have, by how
// many each has; 0 means all. What finds no translation, or no room, is left behind.
func (p *Plane) carryTable(name string, old *ebpf.Map, each uint32) error {
	key, value, ok := p.translations(name)
	if !ok {
		return nil
	}
	to, most := p.mapNamed(name), int(old.MaxEntries())
	if each > 0 {
		most = int(min(p.slots.beyond()*each, old.MaxEntries(), to.MaxEntries()))
	}
	batch := newRawBatch(to)
	room := int(to.MaxEntries())
	err := eachRaw(old, min(most, room), func(k, v []byte) error {
		if v, ok := settled(name, value.value(v)); ok {
			return batch.put(key.value(k), v)
		}
		return nil
	})
	if err == nil {
		err = batch.flush()
	}
	if err != nil {
		return fmt.Errorf("carry %s over: %w", name, err)
	}
	return nil
}

// settled is a value without what does not go with it, and whether it can be carried over.
func settled(name string, value []byte) ([]byte, bool) {
	if limit, ok := identities[name]; ok {
		return value, bytesAs[uint32](value) < limit
	}
	if name != "states" {
		return value, true
	}
	s := bytesAs[abi.TcExtensionState](value)
	s.Learnt = [2]uint32{} // every entry that is carried over counts itself
	s.RecordUntil = 0
	return asBytes(&s), true
}

func asBytes[V any](v *V) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// carryMACs carries over what the old table learnt, entry by entry: each takes its part of the quota and gets a timer.
// It may be done again: an entry that is there is brought up to date.
func (p *Plane) carryMACs() error {
	old := p.succession.replaced("fdb")
	if old == nil {
		return nil
	}
	key, value, ok := p.translations("fdb")
	if !ok {
		return nil // learnt again
	}
	now, err := p.clock()
	if err != nil {
		return err
	}
	err = eachRaw(old, int(old.MaxEntries()), func(k, v []byte) error {
		a := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_CARRY, Now: uint64(now)}
		copy(asBytes(&a.Key), key.value(k))
		copy(asBytes(&a.Entry), value.value(v))
		if a.Entry.Flags&(fdbStatic|fdbPinned) != 0 {
			return nil // the configuration says what of these there is
		}
		a.Entry.Flags = 0
		_, err := p.runAdmin(&a)
		return err
	})
	if err != nil {
		return fmt.Errorf("carry MACs over: %w", err)
	}
	return nil
}

// carryHolds carries over what the old programs came to hold since the states were carried over.
func (p *Plane) carryHolds() error {
	old := p.succession.replaced("states")
	_, value, ok := p.translations("states")
	if old == nil || !ok {
		return nil
	}
	states := lookupEach[abi.TcExtensionState](p.mapNamed("states"))
	for slot, name := range p.slots.byNumber {
		b := make([]byte, old.ValueSize())
		if err := old.Lookup(slot, &b); err != nil {
			continue // the old table had fewer
		}
		was := bytesAs[abi.TcExtensionState](value.value(b))
		is, err := states(slot)
		if err == nil && was.HalfRaisedUntil > is[0].HalfRaisedUntil {
			err = p.admin(abi.AdminAdmin{
				Act: abi.AdminAdminActADMIN_HOLD, Slot: slot, Hold: holdHalfRaised, Since: uint64(was.Level), Until: was.HalfRaisedUntil,
			})
		}
		if err != nil {
			return fmt.Errorf("carry what is held of %s over: %w", name, err)
		}
	}
	return nil
}
