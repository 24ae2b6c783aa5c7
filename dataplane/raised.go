// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"slices"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// Raised names the extensions that the operator has drawn up, sorted, as the kernel's records have it: before the first Apply
// those of an earlier process. Nothing else sets that flag: a trip is a deadline in the extension's state, and a link that is
// down has a flag of its own.
func (p *Plane) Raised() ([]l2.Name, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var names []l2.Name
	note := func(x *abi.TcExtension) {
		if name, known := p.slots.byNumber[x.Slot]; known && x.Flags&extRaised != 0 {
			names = append(names, l2.Name(name))
		}
	}
	if err := p.eachRecord(note); err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// eachRecord visits the records in force. While maps of another layout wait to be succeeded, those are theirs: the new ones are empty.
func (p *Plane) eachRecord(visit func(*abi.TcExtension)) error {
	if s := p.succession; s != nil && !s.taken && s.anew["extensions"] {
		return p.eachFormerRecord(visit)
	}
	for _, r := range p.tables.records {
		visit(&r.extension)
	}
	return nil
}

// eachFormerRecord follows the old segments to their records. Of a layout that cannot be understood there are none.
func (p *Plane) eachFormerRecord(visit func(*abi.TcExtension)) error {
	segments, extensions := p.succession.replaced("segments"), p.succession.replaced("extensions")
	_, toIndex, readable := p.translations("segments")
	_, toRecord, also := p.translations("extensions")
	if segments == nil || extensions == nil || !readable || !also {
		return nil
	}
	record := make([]byte, extensions.ValueSize())
	return eachRaw(segments, int(segments.MaxEntries()), func(_, index []byte) error {
		if err := extensions.Lookup(bytesAs[uint32](toIndex.value(index)), &record); err != nil {
			return fmt.Errorf("read former extension: %w", err)
		}
		x := bytesAs[abi.TcExtension](toRecord.value(record))
		visit(&x)
		return nil
	})
}
