// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const fdbBatch = 4096

// eachBatch visits the whole FDB in batches. The kernel copies a bucket of the table at a time: what was there before and is
// still there is visited; what comes or goes meanwhile may be or not.
func eachBatch(m *ebpf.Map, visit func([]abi.TcFdbKey, []abi.TcFdbEntry) error) error {
	keys := make([]abi.TcFdbKey, fdbBatch)
	entries := make([]abi.TcFdbEntry, fdbBatch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, entries, nil)
		if n > 0 {
			if err := visit(keys[:n], entries[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read FDB: %w", err)
		}
	}
}

// eachEntry visits every entry.
func eachEntry(m *ebpf.Map, visit func(abi.TcFdbKey, abi.TcFdbEntry)) error {
	return eachBatch(m, func(keys []abi.TcFdbKey, entries []abi.TcFdbEntry) error {
		for i := range keys {
			visit(keys[i], entries[i])
		}
		return nil
	})
}

// EachMAC visits the live FDB entries of one extension, or of all when the name is empty, in portions that are the visitor's only
// until it returns. An entry that was there before the call is among them, unless it went meanwhile. Nothing waits for it.
func (p *Plane) EachMAC(extension l2.Name, visit func([]state.MACEntry) error) error {
	f, err := p.reading(extension)
	if err != nil {
		return err
	}
	portion := make([]state.MACEntry, 0, fdbBatch)
	return eachBatch(p.mapNamed("fdb"), func(keys []abi.TcFdbKey, entries []abi.TcFdbEntry) error {
		portion = portion[:0]
		for i := range keys {
			if e, live := f.entry(&keys[i], &entries[i]); live {
				portion = append(portion, e)
			}
		}
		if len(portion) == 0 {
			return nil
		}
		return visit(portion)
	})
}

// fdbReading is what entries are read by. Nothing in it changes.
type fdbReading struct {
	now     time.Duration
	one     bool // only this slot
	slot    uint32
	names   map[uint32]string
	records map[uint32]*record
	vteps   map[uint32]netip.Addr
}

func (p *Plane) reading(extension l2.Name) (*fdbReading, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	now, err := p.clock()
	if err != nil {
		return nil, err
	}
	f := &fdbReading{now: now, records: p.tables.records, vteps: maps.Clone(p.vteps.byIndex)}
	if extension == "" {
		f.names = maps.Clone(p.slots.byNumber)
		return f, nil
	}
	f.names, f.one = map[uint32]string{}, true
	if slot, ok := p.slots.byName[string(extension)]; ok {
		f.slot, f.names[slot] = slot, string(extension)
	}
	return f, nil
}

// entry is what people see of an entry; false when they see none.
func (f *fdbReading) entry(k *abi.TcFdbKey, e *abi.TcFdbEntry) (state.MACEntry, bool) {
	if f.one && k.Slot != f.slot {
		return state.MACEntry{}, false
	}
	name, ok := f.names[k.Slot]
	r := f.records[k.Slot]
	if !ok || r == nil {
		return state.MACEntry{}, false
	}
	age := max(0, f.now-time.Duration(e.Seen))
	static := e.Flags&(fdbStatic|fdbPinned) != 0
	if !static && age > time.Duration(r.extension.MacAge)*time.Millisecond {
		return state.MACEntry{}, false // its timer has not fired yet
	}
	if e.Flags&fdbStatic != 0 {
		age = 0
	}
	place := placeOf(e.Place, f.vteps)
	return state.MACEntry{
		Extension: l2.Name(name), MAC: k.Mac, Side: place.Side, VTEP: place.VTEP, Age: age,
		Static: static, Moves: int(e.Moves), Frozen: time.Duration(e.FrozenUntil) > f.now,
	}, true
}
