// SPDX-License-Identifier: Apache-2.0

package cli

import "strings"

// trendLength is how many readings a trend shows.
const trendLength = 60

// trend is a figure's past, the newest last.
type trend []float64

func (t trend) with(v float64) trend {
	t = append(t, v)
	return t[max(0, len(t)-trendLength):]
}

func (t trend) most() (most float64) {
	for _, v := range t {
		most = max(most, v)
	}
	return most
}

var blocks = []rune("▁▂▃▄▅▆▇█")

// text draws the trend in letters of growing height; the highest is the greatest value. What is not zero is seen.
func (t trend) text() string {
	most := t.most()
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", trendLength-len(t)))
	for _, v := range t {
		step := 0
		if v > 0 {
			step = max(1, int(v/most*float64(len(blocks)-1)+0.5))
		}
		b.WriteRune(blocks[step])
	}
	return b.String()
}
