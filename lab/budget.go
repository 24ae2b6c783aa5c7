// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"slices"
	"time"
)

// Excess is the most that any window of time held beyond what a rate lets through in it: the smallest burst that a token
// bucket of this rate must have had to pass frames at these times.
func Excess(times []time.Time, rate float64) float64 {
	sorted := slices.Clone(times)
	slices.SortFunc(sorted, time.Time.Compare)
	most, level := 0.0, 0.0
	for i, at := range sorted {
		if i > 0 {
			level = max(0, level-rate*at.Sub(sorted[i-1]).Seconds())
		}
		level++
		most = max(most, level)
	}
	return most
}
