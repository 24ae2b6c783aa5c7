// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const fdbBatch = 4096

// eachEntry visits the whole FDB in batches. Entries that come or go meanwhile may be missed.
func eachEntry(m *ebpf.Map, visit func(abi.TcFdbKey, abi.TcFdbEntry)) error {
	keys := make([]abi.TcFdbKey, fdbBatch)
	entries := make([]abi.TcFdbEntry, fdbBatch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, entries, nil)
		for i := range n {
			visit(keys[i], entries[i])
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read FDB: %w", err)
		}
	}
}

// MACs lists the live FDB entries of one extension, or of all when the name is empty.
func (p *Plane) MACs(extension l2.Name) ([]state.MACEntry, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	now, err := p.clock()
	if err != nil {
		return nil, err
	}
	var list []state.MACEntry
	err = eachEntry(p.mapNamed("fdb"), func(k abi.TcFdbKey, e abi.TcFdbEntry) {
		name, ok := p.slots.byNumber[k.Slot]
		if !ok || extension != "" && l2.Name(name) != extension {
			return
		}
		age := max(0, now-time.Duration(e.Seen))
		static := e.Flags&(fdbStatic|fdbPinned) != 0
		if !static && age > time.Duration(p.tables.records[k.Slot].extension.MacAge) {
			return // its timer has not fired yet
		}
		if e.Flags&fdbStatic != 0 {
			age = 0
		}
		place := p.placeOf(e.Place)
		list = append(list, state.MACEntry{
			Extension: l2.Name(name), MAC: k.Mac, Side: place.Side, VTEP: place.VTEP, Age: age,
			Static: static, Moves: int(e.Moves), Frozen: time.Duration(e.FrozenUntil) > now,
		})
	})
	return list, err
}
