// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"slices"
)

// estimate is a figure with its 95 % confidence interval.
type estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// resamples is how often the bootstrap draws; 2,000 fix the interval's ends to about a hundredth of its width.
const resamples = 2000

// median of a copy; 0 of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// bootstrap estimates a figure of two interleaved series. It resamples rounds, not single values: what slowed the
// machine in a round slowed both.
func bootstrap(a, b []float64, figure func(a, b float64) float64) estimate {
	n := min(len(a), len(b))
	if n == 0 {
		return estimate{}
	}
	random := rand.New(rand.NewPCG(1, 2)) // fixed, so that a run's raw values give its report again
	draws := make([]float64, resamples)
	drawnA, drawnB := make([]float64, n), make([]float64, n)
	for i := range draws {
		for j := range n {
			round := random.IntN(n)
			drawnA[j], drawnB[j] = a[round], b[round]
		}
		draws[i] = figure(median(drawnA), median(drawnB))
	}
	slices.Sort(draws)
	return estimate{
		Value: figure(median(a[:n]), median(b[:n])),
		Low:   draws[resamples*25/1000],
		High:  draws[resamples*975/1000-1],
	}
}

// pairwise estimates a figure by its median over rounds, each taken of both series' values in that round: where the machine changes
// its speed while a series is measured, the two medians may be of different moments, and this is not.
func pairwise(a, b []float64, figure func(a, b float64) float64) estimate {
	each := make([]float64, min(len(a), len(b)))
	for i := range each {
		each[i] = figure(a[i], b[i])
	}
	return bootstrap(each, each, func(a, _ float64) float64 { return a })
}

// ratio is a/b; 0 when there is no b.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// netCost is how many nanoseconds a frame takes longer at rate a than at rate b, both in frames a second.
func netCost(a, b float64) float64 {
	if a == 0 || b == 0 {
		return 0
	}
	return 1e9/a - 1e9/b
}

// spread is (largest − smallest) / median: how steady a series is.
func spread(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return ratio(slices.Max(values)-slices.Min(values), median(values))
}
