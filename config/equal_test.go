// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// TestEqualSeesEveryField changes each field in turn.
func TestEqualSeesEveryField(t *testing.T) {
	var a Extension
	var paths []string
	eachField(reflect.TypeOf(a), "", nil, func(path string, index []int) {
		b := Extension{}
		change(reflect.ValueOf(&b).Elem().FieldByIndex(index))
		if a.Equal(&b) || b.Equal(&a) {
			t.Errorf("a change of %s is not seen", path)
		}
		if !b.Equal(&b) {
			t.Errorf("with another %s it differs from itself", path)
		}
		paths = append(paths, path)
	})
	if !slices.Contains(paths, ".Guard.MACs.FastMoves.Window") {
		t.Errorf("the fields are %q", paths)
	}
}

// eachField visits every field whose own fields, if any, are none of ours.
func eachField(t reflect.Type, path string, index []int, visit func(path string, index []int)) {
	if t.Kind() != reflect.Struct || !t.Field(0).IsExported() {
		visit(path, index)
		return
	}
	for i := range t.NumField() {
		eachField(t.Field(i).Type, path+"."+t.Field(i).Name, append(slices.Clone(index), i), visit)
	}
}

// change makes a zero value another one.
func change(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(netip.MustParseAddr("192.0.2.1")))
	case v.Type() == reflect.TypeFor[l2.VLAN]():
		v.Set(reflect.ValueOf(l2.SingleTag(1)))
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case v.Kind() == reflect.Array:
		change(v.Index(0))
	case v.Kind() == reflect.Struct:
		change(v.Field(0))
	case v.CanUint():
		v.SetUint(1)
	default:
		v.SetInt(1)
	}
}
