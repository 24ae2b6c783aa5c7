// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/l2"
)

var begin = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

// sent is one probe.
type sent struct {
	name l2.Name
	at   time.Duration
}

// runProbes lets the probes be sent when they say so, until a time, and returns them. Between two it lets
// disturb do something.
func runProbes(p *Probes, from, until time.Duration, disturb func(now time.Duration)) []sent {
	var out []sent
	for now := from; ; {
		next, any := p.Next()
		if !any {
			return out
		}
		now = max(now, next.Sub(begin))
		if now >= until {
			return out
		}
		names := p.Due(begin.Add(now))
		if len(names) == 0 {
			panic("Next named a time at which nothing is due")
		}
		for _, name := range names {
			out = append(out, sent{name, now})
		}
		if disturb != nil {
			disturb(now)
		}
	}
}

func every(d time.Duration, from, until time.Duration) []sent {
	var out []sent
	for at := from; at < until; at += d {
		out = append(out, sent{"acme", at})
	}
	return out
}

var sentAs = cmp.AllowUnexported(sent{})

func TestProbesAreEagerAndThenSteady(t *testing.T) {
	var p Probes
	p.Set("acme", Probed{50 * time.Millisecond, 2}, begin)
	want := append(every(50*time.Millisecond, 0, 3*time.Second), every(time.Second, 3*time.Second, 10*time.Second)...)
	if diff := cmp.Diff(want, runProbes(&p, 0, 10*time.Second, nil), sentAs); diff != "" {
		t.Error(diff)
	}
	p.Set("acme", Probed{50 * time.Millisecond, 2}, begin.Add(10*time.Second)) // the same again: no reason to hurry
	if next, _ := p.Next(); next != begin.Add(10*time.Second) {
		t.Errorf("next at %s", next.Sub(begin))
	}
	p.Urge("acme", begin.Add(10200*time.Millisecond))
	if got := runProbes(&p, 10200*time.Millisecond, 13*time.Second, nil); len(got) != 56 {
		t.Errorf("%d probes after it was urged, want one every 50 ms", len(got))
	}
	p.Stop("acme")
	p.Stop("acme")
	p.Urge("acme", begin)
	p.AtOnce("acme", begin)
	if _, any := p.Next(); any {
		t.Error("something is probed that was stopped")
	}
}

func TestASuspicionIsProbedAtOnceButNotTooOften(t *testing.T) {
	var p Probes
	p.Set("acme", Probed{time.Second, 2}, begin)
	runProbes(&p, 0, 20*time.Second, nil)
	var got []time.Duration
	for at := 20100 * time.Millisecond; at < 20200*time.Millisecond; at += time.Millisecond {
		p.AtOnce("acme", begin.Add(at))
		if len(p.Due(begin.Add(at))) > 0 {
			got = append(got, at)
		}
	}
	if len(got) != 10 || got[0] != 20100*time.Millisecond {
		t.Fatalf("probed at %v, want every 10 ms", got)
	}
}

// Whatever is asked for, no second has more frames than the budget, and nobody is forgotten.
func TestTheBudgetHolds(t *testing.T) {
	for _, c := range []struct {
		extensions, frames int
		longest            time.Duration // between two probes of one
	}{{1, 129, time.Second}, {100, 129, 7 * time.Second}, {2000, 2, 3 * time.Second}, {4000, 3, 7 * time.Second}} {
		t.Run(fmt.Sprintf("%d extensions of %d frames", c.extensions, c.frames), func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, uint64(c.extensions)))
			var p Probes
			name := func(n int) l2.Name { return l2.Name(fmt.Sprint("e", n)) }
			for n := range c.extensions {
				p.Set(name(n), Probed{10 * time.Millisecond, c.frames}, begin)
			}
			const until = 40 * time.Second
			probes := runProbes(&p, 0, until, func(now time.Duration) {
				p.AtOnce(name(r.IntN(1+c.extensions/100)), begin.Add(now)) // a few are attacked all the time
			})
			checkBudget(t, probes, c.frames)
			last := map[l2.Name]time.Duration{}
			for _, s := range append(probes, final(c.extensions, name, until)...) {
				if gap := s.at - last[s.name]; gap > c.longest {
					t.Fatalf("%s was not probed for %s, until %s", s.name, gap, s.at)
				}
				last[s.name] = s.at
			}
		})
	}
}

func final(n int, name func(int) l2.Name, at time.Duration) []sent {
	out := make([]sent, n)
	for i := range out {
		out[i] = sent{name(i), at}
	}
	return out
}

// checkBudget looks at every window of a second that begins with a probe.
func checkBudget(t *testing.T, probes []sent, frames int) {
	t.Helper()
	end := 0
	for i, s := range probes {
		for end < len(probes) && probes[end].at < s.at+time.Second {
			end++
		}
		if n := (end - i) * frames; n > ProbeBudget {
			t.Fatalf("%d frames in the second from %s", n, s.at)
		}
	}
}

func TestAHalfRaisedExtensionIsNotPutOff(t *testing.T) {
	var p Probes
	for n := range 4000 {
		p.Set(l2.Name(fmt.Sprint("e", n)), Probed{time.Second, 4}, begin)
	}
	p.Hold("e7", true, begin)
	var last, longest time.Duration
	for _, s := range runProbes(&p, 0, 60*time.Second, nil) {
		if s.name == "e7" && s.at > 10*time.Second {
			if last > 0 {
				longest = max(longest, s.at-last)
			}
			last = s.at
		}
	}
	if longest == 0 || longest > 1100*time.Millisecond {
		t.Errorf("it was not probed for %s, and its hold lasts two seconds", longest)
	}
	p.Hold("e7", true, begin)
	p.Hold("nobody", true, begin)
	late := begin.Add(61 * time.Second)
	p.Hold("e8", true, late)
	if x := p.exts["e8"]; x.due.After(x.last.Add(time.Second)) {
		t.Errorf("due %s after the last", x.due.Sub(x.last))
	}
}
