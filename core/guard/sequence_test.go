// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// input is one thing that may happen to an extension.
type input struct {
	name string
	do   func(w *world)
}

func dropping(reason string, d time.Duration) func(w *world) {
	return func(w *world) {
		w.flood(d, 490*time.Millisecond, func(n int) event.GuardDropped {
			return event.GuardDropped{Reason: reason, Source: from(n % 3), Destination: l2.MAC{0x01, 0, 0x5e, 1, 2, 3}}
		})
	}
}

func configure(s Settings) func(w *world) {
	return func(w *world) {
		w.settings = s
		w.m.Configure(s)
	}
}

// loopInputs are all that matter to a loop.
var loopInputs = []input{
	{"sign", func(w *world) { w.sign(event.LoopSign{Evidence: event.ByProbe}, 2*time.Second) }},
	{"lost-sign", func(w *world) {
		if !w.raised && !w.down && w.settings.acts() {
			w.kernel.HalfRaisedUntil = w.now.Add(2 * time.Second)
		}
	}},
	{"poll", func(w *world) { w.pass(200 * time.Millisecond) }},
	{"pass", func(w *world) { w.pass(2500 * time.Millisecond) }},
	{"raise", func(w *world) { w.raise(true) }},
	{"lower", func(w *world) { w.lower() }},
	{"restart", func(w *world) { w.restart() }},
}

// allInputs are all of them.
var allInputs = append([]input{
	{"suspect", func(w *world) { w.perform(w.m.Sign(event.LoopSign{Evidence: event.ByCrossing, At: w.now}, w.now)) }},
	{"calm", func(w *world) { w.pass(12 * time.Second) }},
	{"link down", func(w *world) { w.linkDown(true) }},
	{"link up", func(w *world) { w.linkDown(false) }},
	{"mac-rate", dropping("mac-rate", 5*time.Second)},
	{"storm", dropping("storm-multicast", 9*time.Second)},
	{"reboot", func(w *world) { w.kernel = state.Hold{}; w.restart() }},
	{"observe", configure(Settings{Mode: state.Observe, Auto: true})},
	{"report", configure(Settings{})},
	{"off", configure(Settings{Mode: state.Off, Auto: true})},
	{"enforce", configure(enforcing())},
}, loopInputs...)

func TestEverySequenceOfALoop(t *testing.T)    { everySequence(t, loopInputs, 5) }
func TestEverySequenceOfAnything(t *testing.T) { everySequence(t, allInputs, 3) }

// everySequence plays all sequences of so many inputs.
func everySequence(t *testing.T, inputs []input, depth int) {
	sequence := make([]input, depth)
	var extend func(n int)
	extend = func(n int) {
		if n == depth {
			playSequence(t, sequence)
			return
		}
		for _, in := range inputs {
			sequence[n] = in
			extend(n + 1)
		}
	}
	extend(0)
}

func TestLongRandomSequences(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		sequence := make([]input, 60)
		for i := range sequence {
			sequence[i] = allInputs[r.IntN(len(allInputs))]
		}
		playSequence(t, sequence)
	}
}

// playSequence plays inputs, checks what must hold after each, and that calm comes back in the end.
func playSequence(t *testing.T, sequence []input) {
	w := newWorld(enforcing())
	for i, in := range sequence {
		logged, storms := len(w.log), len(w.storms)
		in.do(w)
		why := broken(w, logged, storms)
		if why == "" && (in.name == "poll" || in.name == "pass" || in.name == "calm") {
			why = disagreement(w)
		}
		if why != "" {
			t.Fatalf("%s: %s\n%s", names(sequence[:i+1]), why, strings.Join(w.did, "\n"))
		}
	}
	configure(enforcing())(w)
	w.raise(false)
	w.linkDown(false)
	logged, storms := len(w.log), len(w.storms)
	w.pass(1 * time.Second)
	if why := disagreement(w); why != "" {
		t.Fatalf("%s: %s\n%s", names(sequence), why, strings.Join(w.did, "\n"))
	}
	if held := w.held().HalfRaisedUntil; !held.IsZero() && w.m.loop.state != tripped {
		t.Fatalf("%s: nobody was told of a hold\n%s", names(sequence), strings.Join(w.did, "\n"))
	}
	for range 6 * 60 / 2 { // a poll every two seconds does
		w.now = w.now.Add(2 * time.Second)
		w.poll()
	}
	why := broken(w, logged, storms)
	for _, c := range sortedCauses() {
		if kinds := w.told(c); len(kinds) > 0 && kinds[len(kinds)-1] == event.Trip {
			why = fmt.Sprintf("%s was never released", c)
		}
	}
	if b, _, _ := w.m.Bridge(); why == "" && (b != state.Lowered || w.m.Busy() || len(w.m.meters) > 0) {
		why = fmt.Sprintf("after six calm minutes it is %s, busy %v", b, w.m.Busy())
	}
	if why != "" {
		t.Fatalf("%s: %s\n%s", names(sequence), why, strings.Join(w.did, "\n"))
	}
}

func names(sequence []input) string {
	var out []string
	for _, in := range sequence {
		out = append(out, in.name)
	}
	return strings.Join(out, ", ")
}

// broken says what must never be, of all and of what came last.
func broken(w *world, logged, storms int) string {
	for _, c := range sortedCauses() {
		for i, kind := range w.told(c) {
			if want := []event.Kind{event.Trip, event.Released}[i%2]; kind != want {
				return fmt.Sprintf("%s was told as %v", c, w.told(c))
			}
		}
	}
	for _, r := range w.log[logged:] {
		held, _ := r.Detail["held_seconds"].(float64)
		switch {
		case r.Kind == event.Trip && (w.raised || w.down || w.settings.Mode == state.Off):
			return "it tripped while nothing may"
		case r.Kind == event.Trip && r.Detail["action"] == string(MACStorm) && !w.settings.acts():
			return "a mac-storm acted that may only be reported"
		case r.Kind == event.Trip && r.Detail["action"] == state.HalfRaised.String() && (w.settings.Mode != state.Enforce || w.kernel.HalfRaisedUntil.IsZero()):
			return "a trip claims that the bridge is half-raised"
		case held < 0:
			return "it was held for less than nothing"
		}
	}
	for _, s := range w.storms[storms:] {
		if !w.settings.acts() || s.Since.After(w.now) || s.Until.Sub(s.Since) > stormHoldMost+10*time.Second {
			return fmt.Sprintf("a mac-storm from %s to %s", w.clock(s.Since), w.clock(s.Until))
		}
	}
	return ""
}

// disagreement says how the machine differs from the kernel right after it was asked.
func disagreement(w *world) string {
	want := state.Lowered
	switch {
	case w.down:
		want = state.Down
	case w.raised:
		want = state.RaisedUp
	case !w.held().HalfRaisedUntil.IsZero() && w.settings.Mode == state.Enforce:
		want = state.HalfRaised
	}
	if got, _, _ := w.m.Bridge(); got != want && w.settings.Mode != state.Off {
		return fmt.Sprintf("it is %s, want %s", got, want)
	}
	return ""
}
