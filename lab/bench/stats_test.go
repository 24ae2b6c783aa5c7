// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

// TestBootstrapHoldsTheRatio draws series whose true ratio is known; what slows a round slows both.
func TestBootstrapHoldsTheRatio(t *testing.T) {
	const truth, runs, rounds = 0.7, 60, 10
	random := rand.New(rand.NewPCG(7, 7))
	within := 0
	for range runs {
		var a, b []float64
		for range rounds {
			weather := 1 + random.Float64()
			a = append(a, weather*truth*(1+0.02*random.NormFloat64()))
			b = append(b, weather*(1+0.02*random.NormFloat64()))
		}
		e := bootstrap(a, b, ratio)
		if e.Low > e.Value || e.Value > e.High {
			t.Fatalf("estimate %v is outside of its interval %v–%v", e.Value, e.Low, e.High)
		}
		if e.Low <= truth && truth <= e.High {
			within++
		}
	}
	// A bootstrap of ten rounds covers less than its 95 %.
	if within < runs*80/100 {
		t.Errorf("the truth is in %d of %d intervals", within, runs)
	}
}

// TestPairwise: a machine that changes its speed, slowly, widens the interval of the medians' ratio and not that of the rounds' ratios.
func TestPairwise(t *testing.T) {
	const truth, runs, rounds = 0.98, 60, 40
	random := rand.New(rand.NewPCG(7, 8))
	within, narrower := 0, 0
	for range runs {
		var a, b []float64
		for i := range rounds {
			weather := 1 + 0.5*float64(i)/rounds
			a = append(a, weather*truth*(1+0.02*random.NormFloat64()))
			b = append(b, weather*(1+0.02*random.NormFloat64()))
		}
		e, medians := pairwise(a, b, ratio), bootstrap(a, b, ratio)
		if e.Low <= truth && truth <= e.High {
			within++
		}
		if e.High-e.Low < medians.High-medians.Low {
			narrower++
		}
	}
	if within < runs*85/100 || narrower < runs*90/100 {
		t.Errorf("of %d intervals the truth is in %d, and %d are narrower", runs, within, narrower)
	}
	if e := pairwise(nil, []float64{1}, ratio); e != (estimate{}) {
		t.Errorf("nothing gives %v", e)
	}
}

func TestNetCost(t *testing.T) {
	if got := netCost(2e6, 4e6); got != 250 {
		t.Errorf("2 Mpps instead of 4 costs %v ns, want 250", got)
	}
	if got := netCost(0, 4e6); got != 0 {
		t.Errorf("a system without a rate costs %v ns, want 0", got)
	}
}
