// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

const (
	readSingly = 64  // up to so many extensions are read one by one
	readBatch  = 512 // elements of an array that are read with one system call
	writeBatch = 128 // records that are written with one: their memory is used again, since fresh pages cost more than the call
)

// lookup returns an element of an array: one value, or one of each CPU.
type lookup[V any] func(index uint32) ([]V, error)

// lookupEach asks the kernel for each element.
func lookupEach[V any](m *ebpf.Map) lookup[V] {
	return func(index uint32) ([]V, error) {
		if m.Type() == ebpf.PerCPUArray {
			var perCPU []V
			err := m.Lookup(index, &perCPU)
			return perCPU, err
		}
		one := make([]V, 1)
		err := m.Lookup(index, &one[0])
		return one, err
	}
}

// lookupAll reads the first count elements of an array at once and looks them up in the copy.
func lookupAll[V any](m *ebpf.Map, count uint32, perCPU bool) (lookup[V], error) {
	width := 1
	if perCPU {
		cpus, err := ebpf.PossibleCPU()
		if err != nil {
			return nil, err
		}
		width = cpus
	}
	var cursor ebpf.MapBatchCursor
	all := make([]V, 0, (int(count)+readBatch)*width)
	keys, values := make([]uint32, readBatch), make([]V, readBatch*width)
	for len(all) < int(count)*width {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		all = append(all, values[:n*width]...)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			break // the end of the array
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", m.String(), err)
		}
	}
	return func(index uint32) ([]V, error) {
		from := int(index) * width
		if from+width > len(all) {
			return nil, ebpf.ErrKeyNotExist
		}
		return all[from : from+width], nil
	}, nil
}

// batch is entries that are written with one system call.
type batch[K, V any] struct {
	keys   []K
	values []V
}

// batchOf makes room for a number of entries.
func batchOf[K, V any](count int) batch[K, V] {
	return batch[K, V]{keys: make([]K, 0, count), values: make([]V, 0, count)}
}

func (b *batch[K, V]) add(k K, v V) {
	b.keys = append(b.keys, k)
	b.values = append(b.values, v)
}

// empty makes room for others.
func (b *batch[K, V]) empty() { b.keys, b.values = b.keys[:0], b.values[:0] }

// put writes all entries. When it fails, some may have been written.
func (b *batch[K, V]) put(m *ebpf.Map) error {
	var err error
	switch len(b.keys) {
	case 0:
	case 1:
		err = m.Put(&b.keys[0], &b.values[0])
	default:
		_, err = m.BatchUpdate(b.keys, b.values, nil)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", m.String(), err)
	}
	return nil
}
