// SPDX-License-Identifier: Apache-2.0

package tune

import (
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// The most of each that are kept apart: what a customer invents must not fill the memory.
const (
	maxTargets = 512
	maxServers = 16
)

// Frame is a frame that the flight recorder took, with its verdict.
type Frame struct {
	At         time.Time
	ToCustomer bool
	Reason     string // why it was dropped
	WouldDrop  string // what a guard in mode observe had against it
	Size       int
	Bytes      []byte // the first of them
}

func (f *Frame) direction() l2.Direction {
	if f.ToCustomer {
		return l2.ToCustomer
	}
	return l2.ToCloud
}

// The modes of an extension's guards.
const (
	ModeEnforce = "enforce"
	ModeOff     = "off"
)

// Flight is what the flight recorder has: the last frames that flooded, and samples of those that were dropped, or
// would have been.
type Flight struct {
	Mode   string  // of the extension's guards
	Taken  uint32  // frames it took so far; it wraps
	Frames []Frame // the last of them, oldest first
}

// Counters is a reading: learnt MACs by side, the most that are learnt, and what guards have counted, by reason.
type Counters struct {
	Customer, Cloud, Limit int
	ToCloud, ToCustomer    []map[string]uint64 // of each the sum counts
}

// Watch collects readings of one extension. Make it with New.
type Watch struct {
	from, to time.Time
	mode     string

	taken  uint32 // of the last reading
	begun  bool
	looked float64 // frames of the flight recorder that were seen
	passed float64 // that it took

	classes [2][state.StormClasses]series // by direction
	samples [2]map[string]*mix            // of what guards had a word about that says no class, by reason
	unknown [2]float64                    // such frames of which no sample was seen
	targets map[target]*tally
	crowded bool // there were more destinations than are kept

	counted [2]map[string]uint64 // guards' words of the last reading, by reason
	guards  [2]map[string]uint64 // what they counted since the first
	macs    [2]int               // the most at a time, by side: customer, cloud
	present [2]int               // of the last reading
	limit   int
	learnt  [2]series

	servers map[served]*tally
	inner   map[l2.VID]uint64
	control map[string]uint64
}

// mix is how many samples of one reason were of each class since the counters were last read.
type mix struct {
	classes [state.StormClasses]float64
	spent   bool // it was used for a reading: the next sample begins anew
}

// target is a destination of a class.
type target struct {
	class int
	mac   l2.MAC
}

// served is a service and the side that its server is on.
type served struct {
	service string
	side    l2.Side
}

// tally counts frames by the second, and knows a few of their sources.
type tally struct {
	series
	sources []l2.MAC
}

// New begins to watch.
func New(at time.Time) *Watch {
	return &Watch{
		from: at, to: at, targets: map[target]*tally{}, servers: map[served]*tally{}, inner: map[l2.VID]uint64{}, control: map[string]uint64{},
		counted: [2]map[string]uint64{}, guards: [2]map[string]uint64{{}, {}}, samples: [2]map[string]*mix{{}, {}},
	}
}

// Flight takes what the flight recorder has. Frames that it took and that were overwritten before they could be read
// are taken to be like those that were read.
func (w *Watch) Flight(at time.Time, f Flight) {
	w.to, w.mode = at, f.Mode
	fresh := f.Taken - w.taken // it wraps, as the counter does
	w.taken = f.Taken
	if !w.begun {
		w.begun = true
		return // what was before is nobody's second
	}
	if fresh == 0 || len(f.Frames) == 0 {
		return
	}
	frames := f.Frames
	if int(fresh) < len(frames) {
		frames = frames[len(frames)-int(fresh):]
	}
	weight := float64(fresh) / float64(len(frames))
	w.looked += float64(len(frames))
	w.passed += float64(fresh)
	for i := range frames {
		w.frame(&frames[i], weight)
	}
}

// frame counts what was forwarded. What a guard had a word about is a sample: guards count themselves.
func (w *Watch) frame(f *Frame, weight float64) {
	k, ok := classify(f.Bytes, f.Size)
	if !ok || len(f.Bytes) < 12 {
		return
	}
	word := f.Reason
	if word == "" {
		word = f.WouldDrop
	}
	source := l2.MAC(f.Bytes[6:12])
	switch {
	case word == "":
		w.classes[f.direction()][k.class].add(f.At, weight)
	case word == "storm-source", strings.HasPrefix(word, "service-") && l2.MAC(f.Bytes[:6]).IsGroup():
		w.sample(f.direction(), word, k.class)
	}
	if word == "" || strings.HasPrefix(word, "storm-") {
		w.target(target{k.class, l2.MAC(f.Bytes[:6])}, f.At, weight, source)
	}
	if k.service != "" {
		side := l2.Customer
		if f.ToCustomer {
			side = l2.Cloud
		}
		w.server(served{k.service, side}, f.At, weight, source)
	}
	for _, vid := range k.inner {
		w.inner[vid]++
	}
	if k.control != "" && len(w.control) < maxTargets {
		w.control[k.control]++
	}
}

func (w *Watch) target(key target, at time.Time, weight float64, source l2.MAC) {
	if key.class != state.StormMulticast && key.class != state.StormUnknownUnicast {
		return
	}
	t := w.targets[key]
	if t == nil {
		if len(w.targets) >= maxTargets {
			w.crowded = true
			return
		}
		t = &tally{}
		w.targets[key] = t
	}
	t.count(at, weight, source)
}

func (w *Watch) server(key served, at time.Time, weight float64, source l2.MAC) {
	t := w.servers[key]
	if t == nil {
		t = &tally{}
		w.servers[key] = t
	}
	t.count(at, weight, source)
}

func (t *tally) count(at time.Time, weight float64, source l2.MAC) {
	t.add(at, weight)
	for _, s := range t.sources {
		if s == source {
			return
		}
	}
	if len(t.sources) < maxServers {
		t.sources = append(t.sources, source)
	}
}

// Counters takes a reading of the counters: what guards dropped, or would have, and how many MACs are learnt.
func (w *Watch) Counters(at time.Time, c Counters) {
	w.to, w.limit = at, c.Limit
	for side, n := range []int{c.Customer, c.Cloud} {
		if w.counted[0] != nil {
			w.learnt[side].add(at, float64(n-w.present[side]))
		}
		w.present[side] = n
		w.macs[side] = max(w.macs[side], n)
	}
	for dir, words := range [][]map[string]uint64{c.ToCloud, c.ToCustomer} {
		now := map[string]uint64{}
		for _, counts := range words {
			for reason, n := range counts {
				now[reason] += n
			}
		}
		if before := w.counted[dir]; before != nil {
			for reason, n := range now {
				if n > before[reason] {
					w.word(at, dir, reason, n-before[reason])
				}
			}
		}
		w.counted[dir] = now
	}
}

// word is what a guard counted since the last reading.
func (w *Watch) word(at time.Time, dir int, reason string, n uint64) {
	w.guards[dir][reason] += n
	if reason == "storm-source" || strings.HasPrefix(reason, "service-") {
		w.spread(at, dir, reason, float64(n))
		return
	}
	class, isStorm := strings.CutPrefix(reason, "storm-")
	if !isStorm {
		return
	}
	for i, name := range classNames {
		if name == class {
			w.classes[dir][i].add(at, float64(n))
		}
	}
}

func (w *Watch) sample(dir l2.Direction, reason string, class int) {
	m := w.samples[dir][reason]
	if m == nil || m.spent {
		m = &mix{}
		w.samples[dir][reason] = m
	}
	m.classes[class]++
}

// spread counts frames for the classes that samples of them had. A service's frames that are for one station have no
// such samples: they did not flood.
func (w *Watch) spread(at time.Time, dir int, reason string, n float64) {
	m := w.samples[dir][reason]
	if m == nil {
		if reason == "storm-source" {
			w.unknown[dir] += n
		}
		return
	}
	m.spent = true
	sum := 0.0
	for _, samples := range m.classes {
		sum += samples
	}
	for class, samples := range m.classes {
		w.classes[dir][class].add(at, n*samples/sum)
	}
}

// Seconds is how long was watched.
func (w *Watch) Seconds() int { return max(1, int(w.to.Sub(w.from)/time.Second)) }
