// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// manyExtensions are like the first of d.
func manyExtensions(b testing.TB, d *state.Desired, n int) *state.Desired {
	b.Helper()
	many := *d
	many.Extensions = nil
	for i := range n {
		x := d.Extensions[0]
		vlan, err := l2.ParseVLAN(fmt.Sprintf("%d.%d", i%4000+1, i/4000+1))
		if err != nil {
			b.Fatal(err)
		}
		x.Name, x.VLAN, x.VNI = l2.Name(fmt.Sprintf("customer-%04d", i)), vlan, l2.VNI(i+1)
		many.Extensions = append(many.Extensions, x)
	}
	return &many
}

// BenchmarkApplyAll is the data plane's part in 4,000 new extensions.
func BenchmarkApplyAll(b *testing.B) {
	r := newRig(b, state.EngineTC, false)
	many := manyExtensions(b, r.desired, 4000)
	for b.Loop() {
		r.must(r.plane.Apply(many))
		b.StopTimer()
		r.must(r.plane.Apply(r.desired))
		b.StartTimer()
	}
}

// BenchmarkApplyOne is its part in changing one of them.
func BenchmarkApplyOne(b *testing.B) {
	r := newRig(b, state.EngineTC, false)
	many := manyExtensions(b, r.desired, 4000)
	r.must(r.plane.Apply(many))
	for n := 0; b.Loop(); n++ {
		next := *many
		next.Extensions = slices.Clone(many.Extensions)
		next.Extensions[n%len(next.Extensions)].MACLimit = uint32(100 + n)
		r.must(r.plane.Apply(&next))
		many = &next
	}
}
