// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/model"
)

const (
	checkEvery    = 500             // frames between two comparisons of all counters and tables
	episodeFrames = 4000            // frames that meet one setup
	shrinkTime    = 5 * time.Second // for one disagreement
	exhaustEvery  = 4               // one of so many episodes runs through the small spaces
)

// score is what came of many episodes.
type score struct {
	frames        uint64
	disagreements []disagreement
	fired         [model.Reasons]uint64
}

// disagreement is a few frames after which programs and model differ.
type disagreement struct {
	Engine string
	Seed   uint64
	What   string
	Setup  setup
	Frames []recorded
}

// recorded is an arrival in a file.
type recorded struct {
	Underlay bool
	NIC      string
	Step     int64
	Probe    uint64
	Work     int64
	Hex      hexBytes
}

// arrivals make the arrivals of an episode.
type arrivals func(n int) *model.Arrival

// arrivalsOf is an episode's source: random frames, or a part of the small spaces.
func arrivalsOf(s *scenario, seed uint64) arrivals {
	g := model.NewGenerator(s.world, seed)
	if seed%exhaustEvery != 0 {
		return func(int) *model.Arrival { return g.Next() }
	}
	first := int(seed / exhaustEvery * episodeFrames % uint64(model.Exhaustive()))
	return func(n int) *model.Arrival { return g.Member((first + n) % model.Exhaustive()) }
}

// episode runs one setup with its frames, and adds to the score.
func (p *prover) episode(t *testing.T, seed uint64, frames int, sum *score) {
	t.Helper()
	setup := setupOf(seed)
	s := p.scenarioOf(setup)
	tr, next := p.begin(s), arrivalsOf(s, seed)
	tr.fired = &sum.fired
	for n := range frames {
		sum.frames++
		what := tr.step(next(n))
		if what == "" && (n%checkEvery == checkEvery-1 || n == frames-1) {
			what = tr.compareBooks()
		}
		if what != "" && p.first {
			sum.disagreements = append(sum.disagreements, disagreement{Engine: p.engine.String(), Seed: seed, What: what})
			return
		}
		if what != "" {
			d := p.locate(setup, seed, n)
			d.What += "\n" + what
			sum.disagreements = append(sum.disagreements, d)
			return
		}
	}
}

// locate runs an episode again, comparing everything after each frame, and finds few frames that are enough.
func (p *prover) locate(setup setup, seed uint64, last int) disagreement {
	d := disagreement{Engine: p.engine.String(), Seed: seed, Setup: setup}
	s := p.scenarioOf(setup)
	next := arrivalsOf(s, seed)
	for n := range last + 1 {
		a := next(n)
		d.Frames = append(d.Frames, recorded{a.Underlay, a.NIC, int64(a.Step), a.Probe, int64(a.Work), slices.Clone(a.Bytes)})
	}
	n, what := p.replay(&d)
	if what == "" {
		d.What = "was not seen again when the episode was repeated"
		d.Frames = nil
		return d
	}
	d.Frames, d.What = d.Frames[:n+1], what
	p.shrink(&d)
	if os.Getenv("PROVE_TRACE") != "" {
		p.showTrace(&d)
	}
	return d
}

// showTrace prints, frame by frame, what both did.
func (p *prover) showTrace(d *disagreement) {
	fmt.Printf("==== seed %d: %+v\n", d.Seed, d.Setup)
	p.traced = true
	p.replay(d)
	p.traced = false
}

// replay runs recorded frames, and returns the number of the first after which something differs.
func (p *prover) replay(d *disagreement) (n int, what string) {
	tr := p.begin(p.scenarioOf(d.Setup))
	for n, f := range d.Frames {
		a := model.Arrival{Underlay: f.Underlay, NIC: f.NIC, Bytes: f.Hex, Step: durationOf(f.Step), Probe: f.Probe, Work: durationOf(f.Work)}
		if what = tr.step(&a); what == "" {
			what = tr.compareBooks()
		}
		if what != "" {
			return n, tr.describe(&a, what)
		}
	}
	return len(d.Frames), ""
}

// shrink leaves out what is not needed: half of the frames before the last, then a quarter, and so on.
func (p *prover) shrink(d *disagreement) {
	deadline := time.Now().Add(shrinkTime)
	for size := max(1, (len(d.Frames)-1)/2); ; size /= 2 {
		for from := 0; from+1 < len(d.Frames) && time.Now().Before(deadline); {
			to := min(from+size, len(d.Frames)-1)
			less := *d
			less.Frames = slices.Concat(d.Frames[:from:from], d.Frames[to:])
			if n, what := p.replay(&less); what != "" {
				less.Frames, less.What = less.Frames[:n+1], what
				*d = less
				continue
			}
			from = to
		}
		if size <= 1 {
			return
		}
	}
}
