// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
)

func TestTrend(t *testing.T) {
	var past trend
	for _, v := range []float64{0, 0.001, 50, 100} {
		past = past.with(v)
	}
	if got := strings.TrimLeft(past.text(), " "); got != "▁▂▅█" || len([]rune(past.text())) != trendLength {
		t.Errorf("got %q", past.text())
	}
	for range 2 * trendLength {
		past = past.with(7)
	}
	if past.most() != 7 || past.text() != strings.Repeat("█", trendLength) {
		t.Errorf("what is long past is still there: %q", past.text())
	}
	if got := (trend{0, 0}).text(); strings.TrimLeft(got, " ") != "▁▁" {
		t.Errorf("nothing at all: %q", got)
	}
}
