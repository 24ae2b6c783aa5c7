// SPDX-License-Identifier: Apache-2.0

// Package fieldtest visits and changes each field of a structure, for tests of comparisons that are written by hand.
package fieldtest

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Each visits every field whose own fields, if any, are none of ours.
func Each(t reflect.Type, path string, index []int, visit func(path string, index []int)) {
	if t.Kind() != reflect.Struct || !t.Field(0).IsExported() {
		visit(path, index)
		return
	}
	for i := range t.NumField() {
		Each(t.Field(i).Type, path+"."+t.Field(i).Name, append(slices.Clone(index), i), visit)
	}
}

// Change makes a zero value another one.
func Change(v reflect.Value) {
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
		Change(v.Index(0))
	case v.Kind() == reflect.Struct:
		Change(v.Field(0))
	case v.CanUint():
		v.SetUint(1)
	default:
		v.SetInt(1)
	}
}
