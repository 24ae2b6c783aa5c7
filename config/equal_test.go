// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2/fieldtest"
)

// TestEqualSeesEveryField changes each field in turn.
func TestEqualSeesEveryField(t *testing.T) {
	var a Extension
	var paths []string
	fieldtest.Each(reflect.TypeOf(a), "", nil, func(path string, index []int) {
		b := Extension{}
		fieldtest.Change(reflect.ValueOf(&b).Elem().FieldByIndex(index))
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
