// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/core/guard"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// snapshot is what readers see without asking the loop. It is replaced as a whole and never changed.
type snapshot struct {
	gateway    state.GatewayStatus
	started    time.Time
	down       string // why the underlay carries nothing; empty when it does
	port       uint16 // of the tunnels
	interfaces []state.InterfaceStatus
	extensions []state.ExtensionStatus
	enforces   []bool // by extension: what the kernel holds is held
	index      map[l2.Name]int
}

// publish tells users what a plan changed, and makes it what readers see.
func (g *Gateway) publish(p Plan) {
	now := g.opts.Now()
	g.tellMTU(g.plan.ShortMTU, p.ShortMTU)
	g.plan = p
	g.followTrips(p, now)
	d, told := digest{log: g.log}, false
	bridges := make(map[l2.Name]bridgeState, len(p.Bridges))
	for _, b := range p.Bridges {
		b = g.trips.seen(b)
		old, known := g.bridges[b.Name]
		next := old.next(b, g.latch(b.Name), known, now)
		if r, tell := transition(b, old, next, known); tell {
			d.add(r)
			told = true
		}
		g.bridgesChanged = g.bridgesChanged || next != old
		bridges[b.Name] = next
	}
	d.flush()
	g.bridgesChanged = g.bridgesChanged || len(bridges) != len(g.bridges)
	g.bridges = bridges
	g.trips.stale = false
	g.snapshot.Store(g.newSnapshot(p))
	if told {
		g.diskFault(g.noteBridges()) // once for all of them
	}
}

func (g *Gateway) latch(ext l2.Name) *Latch {
	if l, raised := g.raised[ext]; raised {
		return &l
	}
	return nil
}

func (g *Gateway) newSnapshot(p Plan) *snapshot {
	s := &snapshot{
		started:    g.started,
		down:       p.UnderlayDown,
		port:       g.cfg.Gateway.Underlay.Port,
		gateway:    g.gatewayStatus(p),
		extensions: make([]state.ExtensionStatus, 0, len(g.cfg.Extensions)),
		index:      make(map[l2.Name]int, len(g.cfg.Extensions)),
	}
	for _, name := range customerNICs(g.cfg) {
		s.interfaces = append(s.interfaces, state.InterfaceStatus{Name: name, Role: Customer.String()})
	}
	for _, name := range g.cfg.Gateway.Underlay.Interfaces {
		s.interfaces = append(s.interfaces, state.InterfaceStatus{Name: name, Role: Underlay.String()})
	}
	for i := range g.cfg.Extensions {
		c := &g.cfg.Extensions[i]
		b := g.bridges[c.Name]
		s.index[c.Name] = len(s.extensions)
		s.extensions = append(s.extensions, state.ExtensionStatus{
			Name: c.Name, Description: c.Description,
			Bridge: b.state, Reason: b.reason, Since: b.since,
			NIC: c.Attachment.Interface, VLAN: c.Attachment.VLAN,
			VNI: c.Overlay.VNI, Peers: c.Overlay.Peers,
			MACs: state.MACCounts{Limit: int(c.Guard.MACs.Limit)},
		})
		s.enforces = append(s.enforces, c.Guard.Mode == config.Enforce)
	}
	return s
}

func (g *Gateway) gatewayStatus(p Plan) state.GatewayStatus {
	return state.GatewayStatus{
		Name:         g.cfg.Gateway.Name,
		Version:      g.opts.Version,
		Engine:       p.Desired.Engine,
		EngineReason: p.EngineReason,
		UnderlayNICs: g.cfg.Gateway.Underlay.Interfaces,
		VTEP:         p.Desired.Underlay.VTEP,
		UnderlayMTU:  p.Desired.Underlay.MTU,
	}
}

// Status is one reading of the whole gateway. It does not ask the loop, and so answers while the loop
// is busy.
func (g *Gateway) Status(ctx context.Context) (state.Status, error) {
	s := g.snapshot.Load()
	if s == nil {
		return state.Status{}, ErrStopped
	}
	reading, err := g.read(ctx)
	if err != nil {
		return state.Status{}, err
	}
	st := s.status(reading, g.opts.Now())
	if holds, err := g.opts.Plane.Holds(); err == nil { // without it the loop's word of a moment ago counts
		s.overlay(st.Extensions, holds, g.opts.Now())
	}
	for i := range st.Interfaces {
		n := &st.Interfaces[i]
		if lost, err := g.opts.Host.Lost(n.Name); err == nil { // a NIC that is gone has no counters
			n.Lost += lost
		}
	}
	return st, nil
}

// read takes the counters, one reader at a time.
func (g *Gateway) read(ctx context.Context) (state.Reading, error) {
	g.reading.Lock()
	defer g.reading.Unlock()
	if err := ctx.Err(); err != nil {
		return state.Reading{}, err
	}
	r, err := g.opts.Plane.Read()
	if err != nil {
		return state.Reading{}, fmt.Errorf("read counters: %w", err)
	}
	return r, nil
}

// status joins a snapshot and a reading.
func (s *snapshot) status(r state.Reading, now time.Time) state.Status {
	out := state.Status{
		Gateway:    s.gateway,
		Interfaces: append([]state.InterfaceStatus(nil), s.interfaces...),
		Extensions: append([]state.ExtensionStatus(nil), s.extensions...),
	}
	out.Gateway.Uptime = now.Sub(s.started)
	out.Gateway.KernelMemory = r.KernelMemory
	for i := range out.Interfaces {
		n := &out.Interfaces[i]
		read := r.Interfaces[n.Name]
		n.Rx, n.Passed, n.Lost, n.Drops = read.Rx, read.Passed, read.Lost, read.Drops
	}
	for i := range out.Extensions {
		e := &out.Extensions[i]
		read := r.Extensions[e.Name]
		e.ToCloud, e.ToCustomer = read.ToCloud, read.ToCustomer
		e.MACs.Customer, e.MACs.Cloud = read.Customer, read.Cloud
	}
	return out
}

// overlay corrects what the loop published by what the kernel holds now.
func (s *snapshot) overlay(extensions []state.ExtensionStatus, holds map[l2.Name]state.Hold, now time.Time) {
	for i := range extensions {
		e := &extensions[i]
		held := s.enforces[i] && holds[e.Name].HalfRaisedUntil.After(now)
		switch {
		case held && e.Bridge == state.Lowered:
			e.Bridge, e.Reason, e.Since = state.HalfRaised, guard.JustTripped, now
		case !held && e.Bridge == state.HalfRaised:
			e.Bridge, e.Reason, e.Since = state.Lowered, "", now
		}
	}
}

// EachMAC visits the FDB of one extension, or of all when ext is empty, in portions that are the visitor's only until it returns.
// Who is unknown is known before the first.
func (g *Gateway) EachMAC(ctx context.Context, ext string, visit func([]state.MACEntry) error) error {
	s := g.snapshot.Load()
	if s == nil {
		return ErrStopped
	}
	if ext != "" {
		if _, known := s.index[l2.Name(ext)]; !known {
			return fmt.Errorf("%q: %w", ext, ErrUnknownExtension)
		}
	}
	return g.opts.Plane.EachMAC(l2.Name(ext), func(portion []state.MACEntry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return visit(portion)
	})
}

// tellStarted tells that a gateway began its work, and which bridges it found raised.
func (g *Gateway) tellStarted(p Plan) {
	extensions := "extensions"
	if len(p.Bridges) == 1 {
		extensions = "extension"
	}
	message := fmt.Sprintf("gateway %s started: %d %s, engine %s (%s)",
		g.cfg.Gateway.Name, len(p.Bridges), extensions, p.Desired.Engine, p.EngineReason)
	if g.opts.Adopted {
		message += "; the tables in the kernel were adopted"
	}
	raised := 0
	for i := range p.Desired.Extensions {
		if p.Desired.Extensions[i].Raised {
			raised++
		}
	}
	if raised > 0 {
		message += fmt.Sprintf("; %d still raised by the operator", raised)
	}
	g.log.Append(event.Record{Kind: event.Started, Severity: event.Info, Message: message, Detail: map[string]any{
		"extensions": len(p.Bridges), "raised": raised, "engine": p.Desired.Engine.String(),
		"adopted": g.opts.Adopted, "version": g.opts.Version,
	}})
}
