// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	requestQueue = 16   // operators' words that may wait; more wait outside, with their context
	eventQueue   = 1024 // events that may wait; a full queue makes the sources wait, and the kernel counts
)

// ErrUnknownExtension says that no configured extension has the name.
var ErrUnknownExtension = errors.New("no such extension")

// ErrStopped says that the loop has ended.
var ErrStopped = errors.New("the gateway is shutting down")

// Options is what a gateway is made of. All fields are needed but Version and Adopted.
type Options struct {
	Plane  Plane
	Host   Host
	Store  *Store
	Log    *Log
	Source Source
	Logger *slog.Logger
	Now    func() time.Time
	Name   l2.Name // of the gateway
	Boot   string  // the kernel's boot ID
	// Namespace is the network namespace: no other one of this boot has the same.
	Namespace string
	Version   string
	Adopted   bool // the kernel held tables of an earlier daemon
}

// Gateway is the one loop. New, then Start, then Run on one goroutine; all else is safe for concurrent
// use.
type Gateway struct {
	opts     Options
	log      *Log
	events   chan event.Event
	requests chan request
	stopped  chan struct{}
	snapshot atomic.Pointer[snapshot] // what readers see
	reading  sync.Mutex               // one reading of all counters at a time
	loading  sync.Mutex               // one reload at a time

	tracing   chan struct{} // holds one token while a trace runs
	listening chan struct{} // holds one for each recording

	// What follows belongs to the loop.

	cfg      *config.Config
	text     []byte // of the running configuration; nil: it came from flags
	trial    *trial // nil: the running configuration is the source's
	started  time.Time
	raised   map[l2.Name]Latch
	recorder *recorder
	links    map[string]Link         // as the last plan saw them
	unfit    map[string]unfitNIC     // NICs that could not be prepared
	applied  *state.Desired          // what the kernel holds; nil before the first time
	bridges  map[l2.Name]bridgeState // what users were told
	moves    moveLimiter
	hops     hopWatch
	trips    *trips
	plan     Plan   // the last that was published
	lost     uint64 // signals that the data path lost since the last tick
	retry    retry
	faults   map[string]string // what is wrong just now, so that it is logged once
	ticks    uint64

	bridgesChanged bool // the disk lacks what users were told last

	hopsStale bool // routes or neighbours may have changed since they were looked at
}

// unfitNIC is a customer's NIC that could not be prepared.
type unfitNIC struct {
	ifindex int
	why     string
}

// request is one operator's word on its way to the loop.
type request struct {
	do   func() error
	done chan<- error
}

// New reads what an earlier daemon left in the store.
func New(o Options) (*Gateway, error) {
	g := &Gateway{
		opts:     o,
		log:      o.Log,
		events:   make(chan event.Event, eventQueue),
		requests: make(chan request, requestQueue),
		stopped:  make(chan struct{}),

		tracing: make(chan struct{}, 1), listening: make(chan struct{}, maxListeners),

		raised:  map[l2.Name]Latch{},
		unfit:   map[string]unfitNIC{},
		bridges: map[l2.Name]bridgeState{},
		faults:  map[string]string{},
	}
	var err error
	if g.recorder, err = openRecorder(o.Store, o.Name, place{o.Boot, o.Namespace}); err != nil {
		return nil, err
	}
	if err := o.Store.readJSON(operatorFile, &g.raised); err != nil {
		return nil, err
	}
	g.recallBridges()
	if err := g.recallRaised(); err != nil {
		return nil, err
	}
	if g.trips, err = newTrips(o.Store, o.Log); err != nil {
		return nil, err
	}
	return g, nil
}

// Events is where sources put what happened. It is bounded: when it is full, the sender waits.
func (g *Gateway) Events() chan<- event.Event { return g.events }

// Log is the gateway's event log.
func (g *Gateway) Log() *Log { return g.log }

// Run is the loop. It returns nil when the context ends, and leaves the data plane as it is.
func (g *Gateway) Run(ctx context.Context) error {
	defer close(g.stopped)
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		wake.Reset(g.untilWake())
		select {
		case <-ctx.Done():
			g.diskFault(g.noteBridges())
			return nil
		case r := <-g.requests:
			r.done <- r.do()
		case e := <-g.events:
			g.handle(e)
		case <-wake.C:
			g.wake()
		}
	}
}

// do runs f on the loop and waits for its answer.
func (g *Gateway) do(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	select {
	case g.requests <- request{f, done}:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.stopped:
		return ErrStopped
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-g.stopped:
		return ErrStopped
	}
}

// Ping waits until the loop has answered: a sign that it lives.
func (g *Gateway) Ping(ctx context.Context) error {
	return g.do(ctx, func() error { return nil })
}

// handle takes one event.
func (g *Gateway) handle(e event.Event) {
	switch e := e.(type) {
	case event.LinksChanged:
		g.hopsStale = true // routes and neighbours too; the next tick looks at them
		g.followLinks()
	case event.Tick:
		g.tick()
		g.wake()
	case event.MACMoved:
		g.macMoved(e)
	case event.MACFrozen:
		g.macFrozen(e)
	case event.LoopSign:
		g.loopSign(e)
	case event.GuardDropped:
		g.guardDropped(e)
	case event.Overflow:
		g.lost += e.Lost
	case event.Tampered:
		g.tampered(e.Object)
	}
}

func (g *Gateway) macMoved(e event.MACMoved) {
	ext, known := g.opts.Plane.Extension(e.Slot)
	if !known {
		return // the extension was removed while the signal was on its way
	}
	if r, log := g.moves.record(ext, e); log {
		g.log.Append(r)
	}
}

func (g *Gateway) macFrozen(e event.MACFrozen) {
	ext, known := g.opts.Plane.Extension(e.Slot)
	if !known {
		return
	}
	if r, log := g.moves.freeze(ext, e); log {
		g.log.Append(r)
	}
}

func (g *Gateway) tampered(object string) {
	g.log.Append(event.Record{
		Kind:     event.Tamper,
		Severity: event.Warning,
		Message:  fmt.Sprintf("somebody removed or changed %s: put back", object),
		Detail:   map[string]any{"object": object},
	})
}

// inputs collects what a plan of the running configuration is made of.
func (g *Gateway) inputs(links map[string]Link) Inputs {
	in := Inputs{
		Config: g.cfg,
		Links:  links,
		Raised: maps.Clone(g.raised),
		Held:   g.recorder.held(),
		Unfit:  map[string]string{},
	}
	for name, u := range g.unfit {
		if links[name].Ifindex == u.ifindex {
			in.Unfit[name] = u.why
		}
	}
	if g.applied != nil {
		in.Keep = g.applied.Engine
	}
	return in
}
