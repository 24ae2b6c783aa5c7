// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Against an exact count: nothing is counted too high for sure, and who has more than an eighth is there.
func TestSummaryAgainstExactCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 500 {
		exact := map[l2.MAC]int{}
		var s summary[source]
		n := 1 + r.IntN(600)
		for range n {
			mac := from(1 + r.IntN(1+r.IntN(60)))
			exact[mac]++
			s.add(source{mac: mac})
		}
		if len(s.tallies) > counted {
			t.Fatalf("round %d: %d tallies", round, len(s.tallies))
		}
		found := map[l2.MAC]bool{}
		for _, x := range s.tallies {
			found[x.of.mac] = true
			if x.sure > exact[x.of.mac] || x.count < exact[x.of.mac] || x.sure < 1 {
				t.Fatalf("round %d: %s counted %d to %d times, and was there %d times", round, x.of.mac, x.sure, x.count, exact[x.of.mac])
			}
		}
		for mac, times := range exact {
			if times*counted > n && !found[mac] {
				t.Fatalf("round %d: %s has %d of %d samples and is not counted", round, mac, times, n)
			}
		}
	}
}

func TestWindowForgets(t *testing.T) {
	var w window
	for second := range int64(40) {
		w.add(source{mac: from(int(second / 10))}, target{}, second)
		var s sum
		s.include(&w, second)
		oldest := max(0, second/2-4) * 2 // the window moves in steps of two seconds
		if want := int(second - oldest + 1); s.samples != want {
			t.Fatalf("second %d: %d samples, want %d", second, s.samples, want)
		}
		if last := from(int(second / 10)); s.sources.find(source{mac: last}) < 0 {
			t.Fatalf("second %d: the last source is not there", second)
		}
	}
	var s sum
	s.include(&w, 39+10)
	if s.samples != 0 || len(s.culprits()) != 0 {
		t.Errorf("after ten seconds there are %d samples", s.samples)
	}
}

func TestWhatWasSeenOfASourceStays(t *testing.T) {
	var w window
	ip := netip.MustParseAddr("10.1.0.5")
	w.add(source{from(1), ip, 10}, target{}, 0)
	w.add(source{from(1), netip.Addr{}, 0}, target{}, 4)
	w.add(source{from(1), netip.MustParseAddr("10.1.0.6"), 0}, target{}, 6)
	w.add(source{from(1), netip.Addr{}, 0}, target{}, 7)
	var s sum
	s.include(&w, 7)
	got := s.culprits()
	if want := (Culprit{MAC: "02:00:00:00:00:01", IP: "10.1.0.6", VLAN: 10, Share: 1}); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMarkedAgainstALoop(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var m marked
		seen := map[int64]bool{}
		second := int64(0)
		for range 60 {
			second += int64(r.IntN(4) * r.IntN(5))
			m.mark(second)
			seen[second] = true
			count, oldest := 0, int64(-1)
			for s := second - windowSeconds + 1; s <= second; s++ {
				if seen[s] {
					if count++; oldest < 0 {
						oldest = s
					}
				}
			}
			if m.count() != count || m.oldest() != oldest {
				t.Fatalf("second %d: %d marked since %d, want %d since %d", second, m.count(), m.oldest(), count, oldest)
			}
		}
	}
}
