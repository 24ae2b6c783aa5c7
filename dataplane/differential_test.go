// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	shortFrames       = 20_000     // the budget of each engine in `make test`
	longFrames        = 10_000_000 // of `make prove`, for both together
	mostDisagreements = 20         // end a run: they are of one cause mostly, and to find each takes long
)

// TestDifferential sends the same frames into the programs and into the model: verdict, output, counters and
// tables must agree. `make prove` does it longer.
func TestDifferential(t *testing.T) {
	engines(t, func(t *testing.T, r *rig) {
		sum := r.prover().prove(t, shortFrames, 1)
		sum.report(t, 1, false)
	})
}

// TestProve is the long form: FRAMES and SEED of `make prove` are in the environment. Without them it is as long as
// TestDifferential, with another seed. With PROVE_FIRST the first disagreement ends it, as it was met.
func TestProve(t *testing.T) {
	budget, seed := numberFrom(t, "PROVE_FRAMES", 2*shortFrames), numberFrom(t, "PROVE_SEED", 2)
	first := os.Getenv("PROVE_FIRST") != ""
	sums := make(chan *score, 2)
	t.Run("engines", func(t *testing.T) {
		for _, e := range []state.Engine{state.EngineTC, state.EngineXDP} {
			t.Run(e.String(), func(t *testing.T) {
				t.Parallel()
				p := newRig(t, e, false).prover()
				p.first = first
				sum := p.prove(t, budget/2, seed)
				sum.report(t, seed, !first)
				sums <- sum
			})
		}
	})
	close(sums)
	var all score
	for sum := range sums {
		all.add(sum)
	}
	t.Log(all.line(seed))
	if name := os.Getenv("PROVE_RESULT"); name != "" {
		if err := os.WriteFile(name, []byte(all.line(seed)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// prove runs episodes until the budget is used up.
func (p *prover) prove(t *testing.T, budget, seed uint64) *score {
	t.Helper()
	sum := &score{}
	for n := seed << 20; sum.frames < budget && len(sum.disagreements) < p.most(); n++ {
		p.episode(t, n, int(min(episodeFrames, budget-sum.frames)), sum)
	}
	return sum
}

func (p *prover) most() int {
	if p.first {
		return 1
	}
	return mostDisagreements
}

// report fails the test for each disagreement, and keeps them in files when asked.
func (s *score) report(t *testing.T, seed uint64, keep bool) {
	t.Helper()
	for i := range s.disagreements {
		d := &s.disagreements[i]
		t.Errorf("seed %d, after %d frames: %s", d.Seed, len(d.Frames), d.What)
		if keep && len(d.Frames) > 0 {
			d.write(t, fmt.Sprintf("%s-%d", d.Engine, d.Seed))
		}
	}
	t.Logf("%s; never: %s", s.line(seed), strings.Join(s.never(), " "))
}

func (s *score) add(o *score) {
	s.frames += o.frames
	s.disagreements = append(s.disagreements, o.disagreements...)
	for r, n := range o.fired {
		s.fired[r] += n
	}
}

// line is what the last line of `make prove` says.
func (s *score) line(seed uint64) string {
	reasons := int(model.Reasons) - 1
	return fmt.Sprintf("prove: %d frames, %d disagreements, %d of %d drop reasons fired, seed %d",
		s.frames, len(s.disagreements), reasons-len(s.never()), reasons, seed)
}

func (s *score) never() (names []string) {
	for r := model.None + 1; r < model.Reasons; r++ {
		if s.fired[r] == 0 {
			names = append(names, r.String())
		}
	}
	return names
}

// numberFrom reads a number from the environment.
func numberFrom(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
