// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/dataplane/model"
)

// shortFrames is the budget of each engine in `make test`.
const shortFrames = 20_000

// TestDifferential sends the same frames into the programs and into the model: verdict, output, counters and
// tables must agree. `make prove` runs it longer.
func TestDifferential(t *testing.T) {
	budget, seed := numberIn(t, "PROVE_FRAMES", shortFrames), numberIn(t, "PROVE_SEED", 1)
	engines(t, func(t *testing.T, r *rig) {
		sum := r.prover().prove(t, budget, seed)
		sum.report(t, seed)
	})
}

// prove runs episodes until the budget is used up.
func (p *prover) prove(t *testing.T, budget, seed uint64) *score {
	t.Helper()
	sum := &score{}
	for n := seed << 20; sum.frames < budget && len(sum.disagreements) < mostDisagreements; n++ {
		frames := int(min(episodeFrames, budget-sum.frames))
		p.episode(t, n, frames, sum)
	}
	return sum
}

// mostDisagreements end a run: they are of one cause mostly, and finding each takes long.
const mostDisagreements = 20

func (s *score) report(t *testing.T, seed uint64) {
	t.Helper()
	for i := range s.disagreements {
		d := &s.disagreements[i]
		t.Errorf("seed %d, after %d frames: %s", d.Seed, len(d.Frames), d.What)
		if os.Getenv("PROVE_KEEP") != "" {
			d.write(t)
		}
	}
	t.Logf("%s; never: %s", s.line(seed), strings.Join(s.never(), " "))
}

// line is what the last line of `make prove` says.
func (s *score) line(seed uint64) string {
	return fmt.Sprintf("prove: %d frames, %d disagreements, %d of %d drop reasons fired, seed %d",
		s.frames, len(s.disagreements), int(model.Reasons)-1-len(s.never()), int(model.Reasons)-1, seed)
}

func (s *score) never() (names []string) {
	for r := model.None + 1; r < model.Reasons; r++ {
		if s.fired[r] == 0 {
			names = append(names, r.String())
		}
	}
	return names
}

// numberIn reads a number from the environment.
func numberIn(t *testing.T, name string, otherwise uint64) uint64 {
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
