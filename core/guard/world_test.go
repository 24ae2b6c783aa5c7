// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// world is a machine between a kernel and a log in memory.
type world struct {
	m        *Machine
	settings Settings
	raised   bool
	down     bool
	begin    time.Time
	now      time.Time
	kernel   state.Hold
	log      []event.Record
	did      []string // everything that came out, one line each
	refuse   bool     // the kernel takes no mac-storm
	storms   []SetMACStorm
	urged    int
	atOnce   int
}

func newWorld(s Settings) *world {
	begin := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	return &world{m: New(s), settings: s, begin: begin, now: begin}
}

// enforcing is what most extensions have.
func enforcing() Settings {
	return Settings{Auto: true, MACLimit: 1024, MACRate: 100, FloodRate: 20000}
}

// perform does what the machine decided.
func (w *world) perform(actions []Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case Tell:
			r := roundTrip(a.Record)
			r.Time = w.now
			w.log = append(w.log, r)
			w.note("%s %s: %s %s", r.Kind, r.Severity, r.Message, shown(r.Detail))
			if (a.Evidence != "") != (r.Kind == event.Trip) {
				w.note("evidence %q of a %s", a.Evidence, r.Kind)
			}
		case SetMACStorm:
			w.storms = append(w.storms, a)
			both := ""
			if a.Ways == state.WayOf(l2.ToCloud)|state.WayOf(l2.ToCustomer) {
				both = "both ways, "
			}
			w.note("set mac-storm: %slearnt by %s, until %s", both, w.clock(a.Since), w.clock(a.Until))
			if !w.refuse {
				w.kernel.MACStormUntil = a.Until
			}
		case ProbeNow:
			w.atOnce++
			w.note("probe now")
		case ProbeEagerly:
			w.urged++
			w.note("probe eagerly")
		}
	}
}

// roundTrip is a record as a later daemon reads it.
func roundTrip(r event.Record) event.Record {
	line, err := json.Marshal(r)
	if err == nil {
		r.Detail = nil
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		panic(err)
	}
	return r
}

func (w *world) note(format string, args ...any) {
	w.did = append(w.did, w.clock(w.now)+" "+fmt.Sprintf(format, args...))
}

func (w *world) clock(t time.Time) string { return fmt.Sprintf("%.1fs", t.Sub(w.begin).Seconds()) }

// shown prints a detail without what the message says already.
func shown(d map[string]any) string {
	d = maps.Clone(d)
	delete(d, "reason")
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// held is what the kernel holds at this moment.
func (w *world) held() state.Hold {
	h := w.kernel
	if !h.HalfRaisedUntil.After(w.now) {
		h.HalfRaisedUntil = time.Time{}
	}
	if !h.MACStormUntil.After(w.now) {
		h.MACStormUntil = time.Time{}
	}
	return h
}

// poll is what the loop does five times a second.
func (w *world) poll() {
	w.perform(w.m.Held(w.held(), w.now))
	w.perform(w.m.Tick(w.now))
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	const step = 200 * time.Millisecond
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(min(step, end.Sub(w.now)))
		w.poll()
	}
}

// sign is a sign of a loop. The data path half-raises when it may.
func (w *world) sign(e event.LoopSign, hold time.Duration) {
	if w.raised || w.down {
		return // it drops all before it looks
	}
	e.At, e.Tripped = w.now, true
	if w.settings.acts() {
		w.kernel.HalfRaisedUntil = later(w.kernel.HalfRaisedUntil, w.now.Add(hold))
		e.Until = w.kernel.HalfRaisedUntil
	}
	w.perform(w.m.Sign(e, w.now))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// drop is a sample of what a guard dropped.
func (w *world) drop(e event.GuardDropped) {
	e.At = w.now
	w.perform(w.m.Dropped(e, w.now))
}

func (w *world) raise(raised bool) {
	w.raised = raised
	w.m.Raise(raised)
}

func (w *world) linkDown(down bool) {
	w.down = down
	w.m.LinkDown(down)
}

// lower is the operator's word.
func (w *world) lower() {
	w.kernel = state.Hold{}
	w.raise(false)
	w.perform(w.m.LetDown(w.now))
}

// restart is a daemon that comes after this one.
func (w *world) restart() {
	known := map[Cause]Memory{}
	for _, r := range w.log {
		Remember(known, r)
	}
	w.m = New(w.settings)
	w.m.Raise(w.raised)
	w.m.LinkDown(w.down)
	w.perform(w.m.Recall(known, w.held(), w.now))
}

// told lists what the log has of one cause.
func (w *world) told(c Cause) []event.Kind {
	var out []event.Kind
	for _, r := range w.log {
		if r.Detail["cause"] == string(c) {
			out = append(out, r.Kind)
		}
	}
	return out
}

// flood lets a sample come every so often.
func (w *world) flood(d, every time.Duration, sample func(n int) event.GuardDropped) {
	polled := w.now
	for n, end := 0, w.now.Add(d); w.now.Before(end); n++ {
		w.drop(sample(n))
		w.now = w.now.Add(every)
		for polled.Add(200 * time.Millisecond).Before(w.now) {
			polled = polled.Add(200 * time.Millisecond)
			w.poll()
		}
	}
}

// from is a station's MAC.
func from(n int) l2.MAC { return l2.MAC{2, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)} }

func sortedCauses() []Cause { return slices.Sorted(slices.Values([]Cause{Loop, MACStorm, Overload})) }
