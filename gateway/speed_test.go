// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/config"
)

// manyExtensions is what a provider with n customers has.
func manyExtensions(n int) []config.Extension {
	all := make([]config.Extension, n)
	for i := range all {
		all[i] = ext(fmt.Sprintf("customer-%04d", i), "eth2", fmt.Sprintf("%d.%d", i%4000+1, i/4000+1), uint32(i+1), "192.0.2.20", "192.0.2.21")
	}
	return all
}

// BenchmarkChangeOne is the loop's part in changing one extension of 4,000, without a kernel.
func BenchmarkChangeOne(b *testing.B) {
	all := manyExtensions(4000)
	r := newRig(b, &config.Config{Gateway: gatewayConfig().Gateway, Extensions: all})
	r.realTime = true
	r.start()
	for n := 0; b.Loop(); n++ {
		next := *r.gw.cfg
		next.Extensions = slices.Clone(next.Extensions)
		next.Extensions[n%len(all)].Guard.MACs.Limit = uint32(100 + n)
		if err := r.gw.changeAs(&next, nil, reloadedRecord); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAllNew is the loop's part in 4,000 extensions where there was one, without a kernel.
func BenchmarkAllNew(b *testing.B) {
	all := manyExtensions(4000)
	few := &config.Config{Gateway: gatewayConfig().Gateway, Extensions: all[:1]}
	r := newRig(b, few)
	r.realTime = true
	r.start()
	for b.Loop() {
		next := *few
		next.Extensions = slices.Clone(all)
		if err := r.gw.changeAs(&next, nil, reloadedRecord); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := r.gw.changeAs(few, nil, reloadedRecord); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
