// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/core/guard"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	// holdInterval is how often the kernel's holds are read while there is one, or one may come.
	holdInterval = 200 * time.Millisecond
	// leastSleep bounds how often the loop wakes by itself.
	leastSleep = 2 * time.Millisecond
	mostSleep  = time.Minute
)

// trips is the loop's part about bridges that trip: a machine for each extension, and when to probe. The
// event log is its memory over restarts.
type trips struct {
	machines map[l2.Name]*guard.Machine
	busy     map[l2.Name]bool // whose machines want time to pass
	probes   guard.Probes
	failing  map[l2.Name]bool // whose probes could not be sent
	files    *recordings
	memory   map[l2.Name]map[guard.Cause]guard.Memory // of an earlier daemon
	polled   time.Time                                // when the holds were read last
	stale    bool                                     // what readers see is not the latest
}

func newTrips(s *Store, log *Log) (*trips, error) {
	files, err := openRecordings(s)
	if err != nil {
		return nil, err
	}
	t := &trips{
		machines: map[l2.Name]*guard.Machine{},
		busy:     map[l2.Name]bool{},
		failing:  map[l2.Name]bool{},
		files:    files,
		memory:   map[l2.Name]map[guard.Cause]guard.Memory{},
	}
	for _, r := range log.Since(0) {
		known := t.memory[l2.Name(r.Extension)]
		if known == nil {
			known = map[guard.Cause]guard.Memory{}
		}
		if guard.Remember(known, r) {
			t.memory[l2.Name(r.Extension)] = known
		}
	}
	return t, nil
}

// holds reports whether an extension has anything to let down.
func (t *trips) holds(ext l2.Name) bool {
	m := t.machines[ext]
	return m != nil && m.Holds()
}

// seen is what is seen of a bridge that a plan would have lowered.
func (t *trips) seen(b Bridge) Bridge {
	m := t.machines[b.Name]
	if m == nil || b.State != state.Lowered {
		return b
	}
	if now, reason, since := m.Bridge(); now == state.HalfRaised {
		b.State, b.Reason, b.Since, b.Severity = now, reason, since, event.Warning
	}
	return b
}

// followTrips makes the machines follow a plan: extensions come and go, are raised, lose their link.
func (g *Gateway) followTrips(p Plan, now time.Time) {
	t := g.trips
	holds := g.readHoldsFor(p)
	for i := range p.Bridges {
		name, c, x := p.Bridges[i].Name, &g.cfg.Extensions[i], &p.Desired.Extensions[i]
		m := t.machines[name]
		isNew := m == nil
		if isNew {
			m = guard.New(tripSettings(c))
			t.machines[name] = m
		}
		m.Configure(tripSettings(c))
		m.Raise(x.Raised)
		m.LinkDown(x.Down)
		if x.Raised || x.Down || x.Mode == state.Off {
			t.probes.Stop(name)
		} else {
			t.probes.Set(name, guard.Probed{Interval: c.Guard.Loop.Probe, Frames: 1 + len(x.Peers)}, now)
		}
		if isNew {
			g.perform(name, m.Recall(t.memory[name], holds[name], now), now)
			delete(t.memory, name)
		}
	}
	if len(t.machines) > len(p.Bridges) {
		g.forgetMachines(p, now)
	}
}

// forgetMachines ends those of extensions that are gone.
func (g *Gateway) forgetMachines(p Plan, now time.Time) {
	t := g.trips
	here := make(map[l2.Name]bool, len(p.Bridges))
	for i := range p.Bridges {
		here[p.Bridges[i].Name] = true
	}
	for name, m := range t.machines {
		if !here[name] {
			g.perform(name, m.Gone(now), now)
			t.probes.Stop(name)
			delete(t.machines, name)
			delete(t.busy, name)
		}
	}
}

// readHoldsFor reads what the kernel holds when a plan has extensions that are new here.
func (g *Gateway) readHoldsFor(p Plan) map[l2.Name]state.Hold {
	for i := range p.Bridges {
		if g.trips.machines[p.Bridges[i].Name] == nil {
			holds, err := g.opts.Plane.Holds()
			g.fault("holds", err, event.Hint)
			return holds
		}
	}
	return nil
}

// tripSettings translates what the machines need of a configuration.
func tripSettings(c *config.Extension) guard.Settings {
	s := guard.Settings{
		Mode:       guardMode(c.Guard.Mode),
		Auto:       c.Guard.Trip.Auto,
		MACLimit:   c.Guard.MACs.Limit,
		MACRate:    c.Guard.MACs.Rate,
		InnerVLANs: c.Guard.InnerVLAN.Allowed,
		InnerAll:   c.Guard.InnerVLAN.AllowAll,
		FloodRate:  c.Guard.Flood.Rate.Packets,
	}
	for _, p := range c.Guard.Flood.Allow {
		s.FloodAllow = append(s.FloodAllow, p)
	}
	return s
}

// machine returns the machine of a slot in the kernel's tables; nil when the extension was removed while
// the signal was on its way.
func (g *Gateway) machine(slot uint32) (l2.Name, *guard.Machine) {
	ext, known := g.opts.Plane.Extension(slot)
	if !known {
		return "", nil
	}
	return ext, g.trips.machines[ext]
}

func (g *Gateway) loopSign(e event.LoopSign) {
	if ext, m := g.machine(e.Slot); m != nil {
		now := g.opts.Now()
		g.perform(ext, m.Sign(e, now), now)
		g.sendProbes(now)
	}
}

func (g *Gateway) guardDropped(e event.GuardDropped) {
	if ext, m := g.machine(e.Slot); m != nil {
		now := g.opts.Now()
		g.perform(ext, m.Dropped(e, now), now)
	}
}

// letDown is the operator's lower. The kernel comes first: it is what holds.
func (g *Gateway) letDown(ext l2.Name) error {
	if err := g.opts.Plane.LetDown(ext); err != nil {
		return fmt.Errorf("let %s down: %w", ext, err)
	}
	if m := g.trips.machines[ext]; m != nil {
		now := g.opts.Now()
		g.perform(ext, m.LetDown(now), now)
		g.republish()
	}
	return nil
}

// untilWake is how long the loop may sleep.
func (g *Gateway) untilWake() time.Duration {
	t, now := g.trips, g.opts.Now()
	next := now.Add(mostSleep)
	if len(t.busy) > 0 {
		next = t.polled.Add(holdInterval)
	}
	if probe, any := t.probes.Next(); any && probe.Before(next) {
		next = probe
	}
	if t.stale {
		next = now
	}
	return max(next.Sub(now), leastSleep)
}

// wake does what is due by the clock.
func (g *Gateway) wake() {
	now := g.opts.Now()
	if now.Sub(g.trips.polled) >= holdInterval {
		g.trips.polled = now
		g.readHolds()
	}
	g.sendProbes(now)
	if g.trips.stale {
		g.republish()
	}
}

// readHolds lets the machines compare with the kernel, and lets time pass for those that want it.
func (g *Gateway) readHolds() {
	t := g.trips
	holds, err := g.opts.Plane.Holds()
	now := g.opts.Now() // what was read is of this moment: the daemon may have stood still meanwhile
	g.fault("holds", err, event.Hint)
	if err == nil {
		for ext := range holds {
			t.busy[ext] = true
		}
	}
	for ext := range t.busy {
		m := t.machines[ext]
		if m == nil {
			delete(t.busy, ext)
			continue
		}
		if err == nil {
			g.perform(ext, m.Held(holds[ext], now), now)
		}
		g.perform(ext, m.Tick(now), now)
	}
}

// republish shows readers what changed without a new plan.
func (g *Gateway) republish() { g.publish(g.plan) }

// sendProbes sends the probes that are due.
func (g *Gateway) sendProbes(now time.Time) {
	t := g.trips
	failing := len(t.failing)
	var failure error
	for _, ext := range t.probes.Due(now) {
		if err := g.opts.Plane.Probe(ext, newNonce()); err != nil {
			t.failing[ext], failure = true, err
			continue
		}
		delete(t.failing, ext)
	}
	switch { // told once: which extension is first may differ each time
	case failing == 0 && failure != nil:
		g.fault("probes", fmt.Errorf("loop probes cannot be sent, and loops are found by fingerprints alone: %w", failure), event.Hint)
	case failing > 0 && len(t.failing) == 0:
		g.fault("probes", nil, event.Hint)
	}
}
