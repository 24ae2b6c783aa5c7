// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	culpritsNamed = 5    // at most
	culpritShare  = 0.05 // of the samples: less is nobody in particular
	meterQuiet    = 10 * time.Second
)

// Culprit is one of the busiest sources of frames that were dropped. IP and VLAN are empty when no frame
// of it showed them. Share is its part of the samples, 0 to 1.
type Culprit struct {
	MAC   string  `json:"mac"`
	IP    string  `json:"ip,omitempty"`
	VLAN  int     `json:"vlan,omitempty"`
	Share float64 `json:"share"`
}

// String prints "02:00:00:00:00:01 (10.1.0.5)".
func (c Culprit) String() string {
	if c.IP == "" {
		return c.MAC
	}
	return fmt.Sprintf("%s (%s)", c.MAC, c.IP)
}

// meterKey is what is metered apart.
type meterKey struct {
	direction l2.Direction
	reason    string
}

// meter knows who is behind the drops of one reason and direction. It ends when nothing was dropped for
// ten seconds: a run is what lies between.
type meter struct {
	key     meterKey
	window  window
	seconds marked // in which something was dropped
	second  int64  // of the last sample
	samples int    // of this run
	first   time.Time
	last    time.Time
	warned  bool // of this run's start

	newcomers *newcomers // of mac-limit alone
}

// meter returns the meter of a sample, a new one when a run begins.
func (m *Machine) meter(e event.GuardDropped, now time.Time) *meter {
	key := meterKey{e.Direction & 1, e.Reason}
	d := m.meters[key]
	if d == nil || now.Sub(d.last) >= meterQuiet {
		d = &meter{key: key, first: now}
		if m.meters == nil {
			m.meters = map[meterKey]*meter{}
		}
		m.meters[key] = d
	}
	return d
}

func (d *meter) add(e event.GuardDropped, second int64, now time.Time) {
	t := target{mac: e.Destination}
	if e.Reason == "inner-vlan" {
		t = target{vlan: e.VLAN}
	}
	d.window.add(source{e.Source, e.IP, e.VLAN}, t, second)
	d.seconds.mark(second)
	d.second, d.last = second, now
	d.samples++
}

// tickMeters ends runs and tells what there is to tell about those that go on.
func (m *Machine) tickMeters(now time.Time, out *actions) {
	for _, key := range slices.SortedFunc(maps.Keys(m.meters), compareKeys) {
		d := m.meters[key]
		if now.Sub(d.last) >= meterQuiet {
			delete(m.meters, key)
			continue
		}
		m.warn(d, now, out)
		m.advise(d, now, out)
	}
}

func compareKeys(a, b meterKey) int {
	return cmp.Or(cmp.Compare(a.direction, b.direction), cmp.Compare(a.reason, b.reason))
}

// sum is what the meter has seen in the window.
func (d *meter) sum() sum {
	var s sum
	s.include(&d.window, d.second)
	return s
}

// culprits names the busiest sources of a meter.
func (d *meter) culprits() []Culprit {
	s := d.sum()
	return s.culprits()
}

// droppers names the guard of some reasons that drops most in a direction, and who is behind all of them.
func (m *Machine) droppers(dir l2.Direction, of func(reason string) bool) (reason string, culprits []Culprit) {
	var all sum
	most := 0
	for _, key := range slices.SortedFunc(maps.Keys(m.meters), compareKeys) {
		if key.direction != dir&1 || !of(key.reason) {
			continue
		}
		before := all.samples
		all.include(&m.meters[key].window, m.meters[key].second)
		if n := all.samples - before; n > most {
			most, reason = n, key.reason
		}
	}
	return reason, all.culprits()
}

// busiest names the busiest sources behind all drops of the extension.
func (m *Machine) busiest() []Culprit {
	var s sum
	for _, key := range slices.SortedFunc(maps.Keys(m.meters), compareKeys) {
		s.include(&m.meters[key].window, m.meters[key].second)
	}
	return s.culprits()
}

// Sources names the busiest sources behind what was dropped in the last ten seconds, each direction by itself.
func (m *Machine) Sources() []state.Source {
	var out []state.Source
	for _, dir := range []l2.Direction{l2.ToCloud, l2.ToCustomer} {
		var s sum
		for _, key := range slices.SortedFunc(maps.Keys(m.meters), compareKeys) {
			if key.direction == dir {
				s.include(&m.meters[key].window, m.meters[key].second)
			}
		}
		for of, share := range s.busiest() {
			out = append(out, state.Source{Direction: dir, MAC: of.mac, IP: of.ip, VLAN: of.vlan, Share: share})
		}
	}
	return out
}

// busiest yields the sources that have a share worth naming, the busiest first.
func (s *sum) busiest() iter.Seq2[source, float64] {
	return func(yield func(source, float64) bool) {
		for i, t := range s.sources.tallies {
			share := float64(t.sure) / float64(max(1, s.samples))
			if i == culpritsNamed || share < culpritShare || !yield(t.of, math.Round(share*100)/100) {
				return
			}
		}
	}
}

// culprits names them. It is never nil: JSON wants a list.
func (s *sum) culprits() []Culprit {
	out := []Culprit{}
	for of, share := range s.busiest() {
		c := culprit(of)
		c.Share = share
		out = append(out, c)
	}
	return out
}

func culprit(s source) Culprit {
	c := Culprit{MAC: s.mac.String(), VLAN: int(s.vlan)}
	if s.ip.IsValid() {
		c.IP = s.ip.String()
	}
	return c
}

// named is the end of a sentence that names the first culprit; empty when there is none.
func named(c []Culprit) string {
	if len(c) == 0 {
		return ""
	}
	return fmt.Sprintf(", %s behind %.0f%%", c[0], c[0].Share*100)
}
