// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"container/heap"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

const (
	// ProbeBudget is the most probe frames a second of a whole gateway, copies to VTEPs counted.
	ProbeBudget = 5000

	// The bucket lets probeRate frames pass a second and probeBurst at once: in no second more than the
	// budget. A burst holds the frames of one probe to all of the most VTEPs that an extension may have.
	probeRate  = 4500
	probeBurst = 400

	eagerFor    = 3 * time.Second
	steady      = time.Second
	atOnceLeast = 10 * time.Millisecond
	// steadyShare is the part of the rate that steady probes may take. When there are so many extensions
	// that it does not do for one a second, they come less often, and suspicions still find room.
	steadyShare = probeRate / 2
)

// Probed is how an extension is probed.
type Probed struct {
	Interval time.Duration // while there is reason to probe
	Frames   int           // of one probe: one a direction, and one for each VTEP
}

// Probes says when which extension is probed: every Interval for three seconds after it began or was
// urged, every second otherwise, and at once when something looks like a loop. All together stay below
// ProbeBudget frames a second; when that is too little, who waits longest is first. The zero value probes
// none. Not safe for concurrent use.
type Probes struct {
	exts   map[l2.Name]*probe
	queue  probeQueue
	frames int       // of one probe of every extension
	free   time.Time // when the bucket is full again
}

// probe is one extension's.
type probe struct {
	Probed
	name  l2.Name
	eager time.Time // until when
	held  bool      // half-raised: its probes are what keeps a loop cut
	last  time.Time // zero: never
	due   time.Time
	index int
}

// Set begins to probe an extension, or changes how. One that begins is probed eagerly.
func (p *Probes) Set(name l2.Name, how Probed, now time.Time) {
	x := p.exts[name]
	if x == nil {
		x = &probe{name: name, eager: now.Add(eagerFor), due: now}
		if p.exts == nil {
			p.exts = map[l2.Name]*probe{}
		}
		p.exts[name] = x
		heap.Push(&p.queue, x)
	}
	how.Frames = min(max(how.Frames, 1), probeBurst)
	p.frames += how.Frames - x.Frames
	x.Probed = how
}

// Stop ends the probing of an extension.
func (p *Probes) Stop(name l2.Name) {
	if x := p.exts[name]; x != nil {
		p.frames -= x.Frames
		heap.Remove(&p.queue, x.index)
		delete(p.exts, name)
	}
}

// Urge probes an extension eagerly, from now on.
func (p *Probes) Urge(name l2.Name, now time.Time) {
	if x := p.exts[name]; x != nil {
		x.eager = now.Add(eagerFor)
		p.advance(x, now)
	}
}

// AtOnce probes an extension as soon as may be.
func (p *Probes) AtOnce(name l2.Name, now time.Time) {
	if x := p.exts[name]; x != nil {
		p.advance(x, now)
	}
}

// Hold says whether an extension is half-raised: then it is probed every second, however many others there
// are.
func (p *Probes) Hold(name l2.Name, held bool, now time.Time) {
	x := p.exts[name]
	if x == nil || x.held == held {
		return
	}
	x.held = held
	if soon := x.last.Add(steady); held && soon.Before(x.due) {
		x.due = soon
		heap.Fix(&p.queue, x.index)
	}
}

// advance brings the next probe forward, not closer to the last one than ten milliseconds.
func (p *Probes) advance(x *probe, now time.Time) {
	due := now
	if least := x.last.Add(atOnceLeast); least.After(due) {
		due = least
	}
	if due.Before(x.due) {
		x.due = due
		heap.Fix(&p.queue, x.index)
	}
}

// Due returns the extensions to be probed now, and takes their frames from the budget.
func (p *Probes) Due(now time.Time) []l2.Name {
	var out []l2.Name
	for len(p.queue) > 0 && !p.queue[0].due.After(now) && p.take(p.queue[0].Frames, now) {
		x := p.queue[0]
		out = append(out, x.name)
		x.last, x.due = now, now.Add(p.interval(x, now))
		heap.Fix(&p.queue, 0)
	}
	return out
}

// Next is when Due has something; false when there is nothing to probe.
func (p *Probes) Next() (time.Time, bool) {
	if len(p.queue) == 0 {
		return time.Time{}, false
	}
	x := p.queue[0]
	if room := p.room(x.Frames); room.After(x.due) {
		return room, true
	}
	return x.due, true
}

// interval is the time to an extension's next probe.
func (p *Probes) interval(x *probe, now time.Time) time.Duration {
	if now.Before(x.eager) {
		return min(x.Interval, steady)
	}
	if x.held {
		return steady
	}
	return max(steady, frameTime(p.frames, steadyShare))
}

// take takes frames from the bucket, if they are there. It is a GCRA: free is when the bucket is full, and
// lies at most a burst ahead.
func (p *Probes) take(frames int, now time.Time) bool {
	if now.Before(p.room(frames)) {
		return false
	}
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(frameTime(frames, probeRate))
	return true
}

// room is from when on the bucket has so many frames.
func (p *Probes) room(frames int) time.Time {
	return p.free.Add(frameTime(frames-probeBurst, probeRate))
}

// frameTime is how long a rate takes for so many frames.
func frameTime(frames, rate int) time.Duration {
	return time.Duration(frames) * time.Second / time.Duration(rate)
}

// probeQueue is a heap by due time; of two that are due at once the name decides, so that all is repeatable.
type probeQueue []*probe

func (q probeQueue) Len() int { return len(q) }
func (q probeQueue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].name < q[j].name
	}
	return q[i].due.Before(q[j].due)
}
func (q probeQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for container/heap.
func (q *probeQueue) Push(x any) {
	item := x.(*probe)
	item.index = len(*q)
	*q = append(*q, item)
}

// Pop is for container/heap.
func (q *probeQueue) Pop() any {
	last := len(*q) - 1
	item := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return item
}
