// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// fakeGateway has the extensions of its status, and an event log whose subscribers are dropped when their
// channel is full.
type fakeGateway struct {
	mu      sync.Mutex
	status  state.Status
	macs    []state.MACEntry
	err     error    // of every method
	changes []string // what was asked for
	config  Config
	log     []event.Record
	readers map[chan event.Record]bool
	queue   int // of a subscription
	left    int // subscriptions cancelled
	frames  chan state.RecordedFrame
}

func newFake() *fakeGateway {
	return &fakeGateway{status: exampleStatus(), macs: exampleMACs(), log: exampleLog(), queue: 8, readers: make(map[chan event.Record]bool), frames: make(chan state.RecordedFrame)}
}

func (g *fakeGateway) Ping(context.Context) error { return g.err }

func (g *fakeGateway) Status(context.Context) (state.Status, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status, g.err
}

func (g *fakeGateway) EachMAC(_ context.Context, ext string, visit func([]state.MACEntry) error) error {
	if err := g.known(ext); err != nil && ext != "" {
		return err
	}
	var found []state.MACEntry
	for _, m := range g.macs {
		if ext == "" || string(m.Extension) == ext {
			found = append(found, m)
		}
	}
	if g.err != nil {
		return g.err
	}
	return visit(found)
}

func (g *fakeGateway) known(ext string) error {
	for _, e := range g.status.Extensions {
		if string(e.Name) == ext {
			return nil
		}
	}
	return ErrNotFound
}

func (g *fakeGateway) Raise(_ context.Context, ext, reason string) error {
	return g.changed(ext, "raise "+ext+" "+reason)
}

func (g *fakeGateway) Lower(_ context.Context, ext string) error {
	return g.changed(ext, "lower "+ext)
}

func (g *fakeGateway) Reload(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changes = append(g.changes, "reload")
	return g.err
}

func (g *fakeGateway) Config(context.Context) (Config, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.config, g.err
}

func (g *fakeGateway) SetConfig(_ context.Context, text []byte, confirm time.Duration) (time.Time, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changes = append(g.changes, fmt.Sprintf("config %s %s", confirm, text))
	if confirm == 0 {
		return time.Time{}, g.err
	}
	return exampleTime.Add(confirm), g.err
}

func (g *fakeGateway) ConfirmConfig(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changes = append(g.changes, "confirm")
	return g.err
}

func (g *fakeGateway) changed(ext, change string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.known(ext); err != nil {
		return err
	}
	g.changes = append(g.changes, change)
	return g.err
}

func (g *fakeGateway) Events(since uint64) []event.Record {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, rec := range g.log {
		if rec.Seq > since {
			return append([]event.Record(nil), g.log[i:]...)
		}
	}
	return nil
}

func (g *fakeGateway) Subscribe() (<-chan event.Record, func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	records := make(chan event.Record, g.queue)
	g.readers[records] = true
	return records, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.left++
		delete(g.readers, records)
	}
}

// publish adds the next record to the log.
func (g *fakeGateway) publish(rec event.Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rec.Seq = 1
	if n := len(g.log); n > 0 {
		rec.Seq = g.log[n-1].Seq + 1
	}
	g.log = append(g.log, rec)
	for records := range g.readers {
		select {
		case records <- rec:
		default:
			close(records)
			delete(g.readers, records)
		}
	}
}

// dropReaders does to every reader what happens to a slow one.
func (g *fakeGateway) dropReaders() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for records := range g.readers {
		close(records)
		delete(g.readers, records)
	}
}

// setLog replaces the log.
func (g *fakeGateway) setLog(records ...event.Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.log = records
}

func (g *fakeGateway) readerCount() (subscribed, left int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.readers), g.left
}

var exampleTime = time.Date(2026, 11, 22, 9, 0, 0, 123456789, time.FixedZone("CET", 3600))

// exampleStatus is the document of the user's reference with numbers in it.
func exampleStatus() state.Status {
	return state.Status{
		Gateway: state.GatewayStatus{
			Name: "gw-a", Version: "1.0", Engine: state.EngineXDP, EngineReason: "all NICs have native XDP",
			Uptime: 12500 * time.Millisecond, UnderlayNICs: []string{"eth1"}, VTEP: netip.MustParseAddr("192.0.2.10"),
			UnderlayMTU: 1600, KernelMemory: 1 << 20,
		},
		Interfaces: []state.InterfaceStatus{
			{Name: "eth2", Role: "customer", Rx: state.Count{Frames: 10, Bytes: 1000}, Drops: map[string]uint64{"no-circuit": 0}},
			{Name: "eth1", Role: "underlay", Rx: state.Count{Frames: 20, Bytes: 2000}, Passed: 3, Lost: 1,
				Drops: map[string]uint64{"unknown-vtep": 4, "tunnel-header": 0, "unknown-vni": 0}},
		},
		Extensions: []state.ExtensionStatus{exampleExtension("acme", state.Lowered), exampleExtension("empty", state.RaisedUp)},
	}
}

func exampleExtension(name l2.Name, bridge state.Bridge) state.ExtensionStatus {
	vlan, _ := l2.ParseVLAN("2301")
	e := state.ExtensionStatus{
		Name: name, Bridge: bridge, Since: exampleTime, NIC: "eth2", VLAN: vlan, VNI: 10100,
		MACs: state.MACCounts{Customer: 3, Cloud: 7, Limit: 1024},
	}
	if bridge != state.Lowered {
		e.Reason = "operator: <maintenance>"
		return e
	}
	e.Description = "ACME, order 4711"
	e.Peers = []netip.Addr{netip.MustParseAddr("192.0.2.20")}
	e.ToCloud = state.Counters{
		Rx: state.Count{Frames: 100, Bytes: 9000}, Tx: state.Count{Frames: 88, Bytes: 8000}, Copies: 5, Generated: 2,
		Drops: map[string]uint64{"storm-broadcast": 12, "malformed": 0}, WouldDrop: map[string]uint64{"inner-vlan": 6},
	}
	return e
}

func exampleMACs() []state.MACEntry {
	return []state.MACEntry{
		{Extension: "acme", MAC: l2.MAC{2, 0, 0, 0, 0, 1}, Side: l2.Customer, Age: 4900 * time.Millisecond, Moves: 2, Frozen: true},
		{Extension: "acme", MAC: l2.MAC{2, 0, 0, 0, 0, 2}, Side: l2.Cloud, VTEP: netip.MustParseAddr("192.0.2.20"), Static: true},
		{Extension: "empty", MAC: l2.MAC{2, 0, 0, 0, 0, 3}, Side: l2.Customer},
	}
}

func exampleLog() []event.Record {
	return []event.Record{
		{Seq: 1, Time: exampleTime, Kind: event.Started, Severity: event.Info, Message: "the gateway started"},
		{Seq: 2, Time: exampleTime, Extension: "acme", Kind: event.Trip, Severity: event.Warning, Message: "a loop",
			Detail: map[string]any{"cause": "loop", "frames": 4}},
	}
}
