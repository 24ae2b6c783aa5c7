// SPDX-License-Identifier: Apache-2.0

package tune

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// maxSeconds is how long is watched at most: 31 days.
const maxSeconds = 31 * 86400

// series counts by the second. The zero value has seen nothing.
type series struct {
	first int64 // Unix time of the first second
	bySec []float32
	total float64
}

func (s *series) add(at time.Time, n float64) {
	if n <= 0 {
		return
	}
	sec := at.Unix()
	if len(s.bySec) == 0 {
		s.first = sec
	}
	i := max(0, sec-s.first) // what comes late counts for the first second
	if i >= maxSeconds {
		return
	}
	for int64(len(s.bySec)) <= i {
		s.bySec = append(s.bySec, 0)
	}
	s.bySec[i] += float32(n)
	s.total += n
}

// peak is the busiest second.
func (s *series) peak() (n float64, at time.Time) {
	if len(s.bySec) == 0 {
		return 0, time.Time{}
	}
	most := slices.Max(s.bySec)
	return float64(most), time.Unix(s.first+int64(slices.Index(s.bySec, most)), 0).UTC()
}

// quantile is what so large a part of all seconds stayed at or below; seconds without a frame count too.
func (s *series) quantile(part float64, seconds int) float64 {
	above := int(math.Floor(float64(seconds) * (1 - part))) // so many seconds may be busier
	if above >= len(s.bySec) {
		return 0
	}
	sorted := slices.Clone(s.bySec)
	slices.SortFunc(sorted, func(a, b float32) int { return cmp.Compare(b, a) })
	return float64(sorted[above])
}
