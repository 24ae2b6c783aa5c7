// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/drawbridge-l2/drawbridge/l2"
)

const (
	// counted bounds what one part of a window counts. With the space-saving algorithm (Metwally, Agrawal
	// and El Abbadi, 2005) whatever makes up more than 1/counted of the samples is among them, however
	// many others there are.
	counted = 8
	// parts and partSeconds make the window: ten seconds, in steps of two.
	parts       = 5
	partSeconds = 2
)

// source is a sender. IP and VLAN are those that were seen last.
type source struct {
	mac  l2.MAC
	ip   netip.Addr
	vlan uint16
}

// target is what a dropped frame was going to: a destination, or for some reasons a VLAN.
type target struct {
	mac  l2.MAC
	vlan uint16
}

// subject is what a summary counts. An order makes what is told repeatable.
type subject[K any] interface {
	compare(K) int
	with(later K) K // the same one, and what a later sample knows of it
}

func (s source) compare(o source) int { return slices.Compare(s.mac[:], o.mac[:]) }

func (s source) with(later source) source {
	if later.ip.IsValid() {
		s.ip = later.ip
	}
	if later.vlan != 0 {
		s.vlan = later.vlan
	}
	return s
}

func (t target) compare(o target) int {
	return cmp.Or(slices.Compare(t.mac[:], o.mac[:]), cmp.Compare(t.vlan, o.vlan))
}

func (t target) with(target) target { return t }

// tally counts samples of one subject: at least sure of the count are its own, the rest may be of others
// that were counted in its place before.
type tally[K subject[K]] struct {
	of    K
	count int
	sure  int
}

// summary counts the most frequent subjects in bounded memory. The zero value has seen nothing.
type summary[K subject[K]] struct{ tallies []tally[K] }

func (s *summary[K]) add(k K) {
	if i := s.find(k); i >= 0 {
		t := &s.tallies[i]
		t.of = t.of.with(k)
		t.count++
		t.sure++
		return
	}
	if len(s.tallies) < counted {
		s.tallies = append(s.tallies, tally[K]{k, 1, 1})
		return
	}
	least := 0
	for i := range s.tallies {
		if s.tallies[i].count < s.tallies[least].count {
			least = i
		}
	}
	s.tallies[least] = tally[K]{k, s.tallies[least].count + 1, 1}
}

func (s *summary[K]) find(k K) int {
	return slices.IndexFunc(s.tallies, func(t tally[K]) bool { return t.of.compare(k) == 0 })
}

// include adds what another summary is sure of, without a bound.
func (s *summary[K]) include(o summary[K]) {
	for _, t := range o.tallies {
		i := s.find(t.of)
		if i < 0 {
			i = len(s.tallies)
			s.tallies = append(s.tallies, tally[K]{of: t.of})
		}
		sum := &s.tallies[i]
		sum.of = sum.of.with(t.of)
		sum.count += t.sure
		sum.sure += t.sure
	}
}

// sort puts the most frequent first.
func (s *summary[K]) sort() {
	slices.SortFunc(s.tallies, func(a, b tally[K]) int { return cmp.Or(cmp.Compare(b.sure, a.sure), a.of.compare(b.of)) })
}

// part is what was seen in two seconds.
type part struct {
	number  int64 // since the epoch
	samples int
	sources summary[source]
	targets summary[target]
}

// window is what was seen in the last ten seconds.
type window struct{ parts [parts]part }

func (w *window) add(s source, t target, second int64) {
	number := second / partSeconds
	p := &w.parts[number%parts]
	if p.number != number {
		*p = part{number: number}
	}
	p.samples++
	p.sources.add(s)
	p.targets.add(t)
}

// sum is what a window has seen, the most frequent first.
type sum struct {
	samples int
	sources summary[source]
	targets summary[target]
}

// include adds what a window has seen in the ten seconds up to a second.
func (s *sum) include(w *window, second int64) {
	newest := second / partSeconds
	for age := parts - 1; age >= 0; age-- { // oldest first: what was seen last counts
		number := newest - int64(age)
		if number < 0 || w.parts[number%parts].number != number {
			continue
		}
		p := &w.parts[number%parts]
		s.samples += p.samples
		s.sources.include(p.sources)
		s.targets.include(p.targets)
	}
	s.sources.sort()
	s.targets.sort()
}

// most reports whether a count is more than half of the samples.
func (s *sum) most(count int) bool { return 2*count > s.samples }

// percent is a count's part of the samples.
func (s *sum) percent(count int) int { return 100 * count / max(1, s.samples) }
