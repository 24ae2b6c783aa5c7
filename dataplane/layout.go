// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// layout is how a key or a value lies in memory, down to its numbers. The kernel keeps it with each map, as type
// information, so that a version finds what another one has written.
type layout struct {
	size   uint32
	fields []field
	known  bool // otherwise only the size is
}

// field is one number. Its path leads there from outside, such as way[1].reserved[3].
type field struct {
	path         string
	offset, size uint32
	names        []string // of an enumeration, by value
}

func (f field) equal(o field) bool {
	return f.path == o.path && f.offset == o.offset && f.size == o.size && slices.Equal(f.names, o.names)
}

// same reports whether two layouts mean the same, as far as is known of both.
func (l layout) same(o layout) bool {
	if l.size != o.size || !l.known || !o.known {
		return l.size == o.size
	}
	return slices.EqualFunc(l.fields, o.fields, field.equal)
}

// within is the part of a layout below a path; offsets are still those of the whole.
func (l layout) within(path string) []field {
	var part []field
	for _, f := range l.fields {
		if f.path == path || strings.HasPrefix(f.path, path+".") || strings.HasPrefix(f.path, path+"[") {
			part = append(part, f)
		}
	}
	return part
}

// sameWithin reports whether the part below a path means the same, wherever it lies.
func (l layout) sameWithin(o layout, path string) bool {
	a, b := l.within(path), o.within(path)
	return slices.EqualFunc(a, b, func(x, y field) bool {
		x.offset, y.offset = x.offset-a[0].offset, y.offset-b[0].offset
		return x.equal(y)
	})
}

// layoutOf is the layout of a type; of none only the size is known.
func layoutOf(t btf.Type, size uint32) layout {
	l := layout{size: size}
	if t == nil {
		return l
	}
	l.known = l.add(t, "", 0) == nil
	return l
}

func (l *layout) add(t btf.Type, path string, offset uint32) error {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return l.addMembers(t, path, offset)
	case *btf.Array:
		size, err := btf.Sizeof(t.Type)
		for i := uint32(0); err == nil && i < t.Nelems; i++ {
			err = l.add(t.Type, fmt.Sprintf("%s[%d]", path, i), offset+i*uint32(size))
		}
		return err
	case *btf.Enum:
		f := field{path: path, offset: offset, size: t.Size}
		for _, v := range t.Values {
			f.names = append(f.names, fmt.Sprintf("%s=%d", v.Name, v.Value))
		}
		l.fields = append(l.fields, f)
		return nil
	default:
		size, err := btf.Sizeof(t)
		l.fields = append(l.fields, field{path: path, offset: offset, size: uint32(size)})
		return err
	}
}

func (l *layout) addMembers(t *btf.Struct, path string, offset uint32) error {
	if t.Name == "bpf_timer" {
		return nil // the kernel's own
	}
	for _, m := range t.Members {
		if m.BitfieldSize != 0 {
			return fmt.Errorf("%s has bit fields", t.Name)
		}
		name := m.Name
		if path != "" {
			name = path + "." + m.Name
		}
		if err := l.add(m.Type, name, offset+m.Offset.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// mapLayout is that of a map's key and value.
type mapLayout struct{ key, value layout }

func (l mapLayout) same(o mapLayout) bool { return l.key.same(o.key) && l.value.same(o.value) }

// wantedLayout is what this version's programs work with.
func wantedLayout(s *ebpf.MapSpec) mapLayout {
	return mapLayout{layoutOf(s.Key, s.KeySize), layoutOf(s.Value, s.ValueSize)}
}

// pinnedLayout is what a map was made with. Types are found by the names that they have in this version. A map of
// which the kernel keeps no types has sizes.
func pinnedLayout(m *ebpf.Map, s *ebpf.MapSpec) mapLayout {
	bare := mapLayout{layout{size: m.KeySize()}, layout{size: m.ValueSize()}}
	handle, err := m.Handle()
	if err != nil || handle == nil {
		return bare
	}
	defer handle.Close()
	types, err := handle.Spec(nil)
	if err != nil {
		return bare
	}
	return mapLayout{layoutOf(typeLike(types, s.Key), m.KeySize()), layoutOf(typeLike(types, s.Value), m.ValueSize())}
}

func typeLike(types *btf.Spec, wanted btf.Type) btf.Type {
	if wanted == nil || wanted.TypeName() == "" {
		return nil
	}
	found, err := types.AnyTypeByName(wanted.TypeName())
	if err != nil {
		return nil
	}
	return found
}

// translation turns values of one layout into another. Numbers are found by their paths. What the new layout does not
// have is forgotten, what the old one did not have is 0.
type translation struct {
	size uint32 // of the result
	from []field
	to   []field
}

// translate finds the translation between two layouts. There is none when it would lose one of the fields without
// which a value has no meaning, or when too little is known.
func translate(from, to layout, needed ...string) (translation, bool) {
	t := translation{size: to.size}
	if !from.known || !to.known {
		whole := []field{{size: to.size}}
		t.from, t.to = whole, whole
		return t, from.size == to.size
	}
	old := make(map[string]field, len(from.fields))
	for _, f := range from.fields {
		old[f.path] = f
	}
	for _, f := range to.fields {
		if was, ok := old[f.path]; ok {
			t.from, t.to = append(t.from, was), append(t.to, f)
		}
	}
	for _, path := range needed {
		if !slices.ContainsFunc(t.to, func(f field) bool { return f.path == path }) {
			return t, false
		}
	}
	return t, true
}

// lossless reports whether nothing of the old layout is forgotten.
func (t translation) lossless(from layout) bool {
	return !from.known || len(t.from) == len(from.fields) || t.from[0].path == ""
}

// value translates one. A number that has become wider keeps its value; one that has become narrower too, if it can.
func (t translation) value(old []byte) []byte {
	b := make([]byte, t.size)
	for i, from := range t.from {
		to := t.to[i]
		src, dst := old[from.offset:from.offset+from.size], b[to.offset:to.offset+to.size]
		if from.size == to.size {
			copy(dst, src)
			continue
		}
		putNumber(dst, number(src))
	}
	return b
}

func number(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	}
	return binary.NativeEndian.Uint64(b)
}

func putNumber(b []byte, n uint64) {
	switch len(b) {
	case 1:
		b[0] = byte(n)
	case 2:
		binary.NativeEndian.PutUint16(b, uint16(n))
	case 4:
		binary.NativeEndian.PutUint32(b, uint32(n))
	default:
		binary.NativeEndian.PutUint64(b, n)
	}
}
