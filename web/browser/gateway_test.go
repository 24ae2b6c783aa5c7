// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/drawbridge-l2/drawbridge/web"
)

// movingGateway is a gateway whose counters grow with each reading.
type movingGateway struct {
	mu       sync.Mutex
	readings uint64
	status   state.Status
	log      []event.Record
	readers  map[chan event.Record]bool
	changes  []string
}

// newGateway has n extensions: a few in trouble, the rest well.
func newGateway(n int) *movingGateway {
	g := &movingGateway{readers: map[chan event.Record]bool{}}
	g.status.Gateway = state.GatewayStatus{
		Name: "gw-a", Version: "0.1.0", Engine: state.EngineXDP, EngineReason: "all NICs have native XDP", Uptime: 26*time.Hour + 5*time.Minute,
		UnderlayNICs: []string{"eth1", "eth3"}, VTEP: netip.MustParseAddr("192.0.2.10"), UnderlayMTU: 1600, KernelMemory: 187 << 20,
	}
	g.status.Interfaces = []state.InterfaceStatus{
		{Name: "eth2", Role: "customer", Drops: map[string]uint64{"no-circuit": 1204}},
		{Name: "eth1", Role: "underlay", Lost: 3, Drops: map[string]uint64{"unknown-vtep": 17}},
	}
	customers := []string{"acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "wonka"}
	for i := range n {
		name := customers[i%len(customers)]
		if i >= len(customers) {
			name = fmt.Sprintf("%s-%04d", name, i)
		}
		vlan, err := l2.ParseVLAN(fmt.Sprint(i%4094 + 1))
		if err != nil {
			panic(err)
		}
		g.status.Extensions = append(g.status.Extensions, state.ExtensionStatus{
			Name: l2.Name(name), Description: "order " + fmt.Sprint(4711+i), Since: time.Now().Add(-time.Duration(i+1) * 37 * time.Minute),
			NIC: "eth2", VLAN: vlan, VNI: l2.VNI(10100 + i), Peers: []netip.Addr{netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("192.0.2.21")},
			MACs: state.MACCounts{Customer: 3 + i%40, Cloud: 7 + i%90, Limit: 1024},
		})
	}
	g.trouble(1, state.HalfRaised, "loop: our own probe came back (next look in 8 s)")
	g.trouble(2, state.RaisedUp, "operator: maintenance of the customer's switch, ticket 4711")
	g.trouble(3, state.Down, "interface eth2 has no carrier")
	g.append(event.Record{Kind: event.Started, Severity: event.Info, Message: "gateway gw-a started: engine xdp (all NICs have native XDP)"})
	g.append(event.Record{Extension: "globex", Kind: event.Trip, Severity: event.Warning, Message: "half-raised, since a loop was found: our own probe came back to the customer's side",
		Detail: map[string]any{"cause": "loop"}})
	g.append(event.Record{Extension: "acme", Kind: event.ConfigError, Severity: event.Error, Message: "<b>not bold</b> & \"quoted\""})
	return g
}

func (g *movingGateway) trouble(i int, bridge state.Bridge, reason string) {
	if i < len(g.status.Extensions) {
		g.status.Extensions[i].Bridge, g.status.Extensions[i].Reason = bridge, reason
	}
}

// append adds a record to the log.
func (g *movingGateway) append(r event.Record) {
	r.Seq, r.Time = uint64(len(g.log)+1), time.Now().UTC()
	g.log = append(g.log, r)
	for reader := range g.readers {
		reader <- r // tests read
	}
}

func (g *movingGateway) Ping(context.Context) error { return nil }

// Status is the next reading: counters grow by the time of day, unevenly.
func (g *movingGateway) Status(context.Context) (state.Status, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.readings++
	for i := range g.status.Extensions {
		e := &g.status.Extensions[i]
		if e.Bridge == state.RaisedUp || e.Bridge == state.Down {
			continue
		}
		wave := 50 + 50*(g.readings*uint64(i%7+1)%11)/10
		grow(&e.ToCloud, wave*uint64(200+i%1000))
		grow(&e.ToCustomer, wave*uint64(900-i%800))
		if i%97 < 2 {
			drop(&e.ToCloud, "storm-broadcast", wave/3)
			drop(&e.ToCloud, "storm-source", wave/9)
			drop(&e.ToCustomer, "too-big", g.readings%2)
		}
	}
	st := g.status
	st.Extensions = make([]state.ExtensionStatus, len(g.status.Extensions))
	for i, e := range g.status.Extensions {
		e.ToCloud.Drops, e.ToCustomer.Drops = maps.Clone(e.ToCloud.Drops), maps.Clone(e.ToCustomer.Drops)
		st.Extensions[i] = e
	}
	return st, nil
}

func grow(c *state.Counters, frames uint64) {
	c.Rx.Frames, c.Tx.Frames = c.Rx.Frames+frames, c.Tx.Frames+frames
	c.Rx.Bytes, c.Tx.Bytes = c.Rx.Bytes+700*frames, c.Tx.Bytes+700*frames
}

func drop(c *state.Counters, reason string, frames uint64) {
	if c.Drops == nil {
		c.Drops = map[string]uint64{}
	}
	c.Drops[reason] += frames
	c.Rx.Frames += frames
}

func (g *movingGateway) EachMAC(_ context.Context, ext string, visit func([]state.MACEntry) error) error {
	return visit([]state.MACEntry{
		{Extension: l2.Name(ext), MAC: l2.MAC{2, 0, 0, 0, 0, 1}, Side: l2.Customer, Age: 4 * time.Second, Moves: 2, Frozen: true},
		{Extension: l2.Name(ext), MAC: l2.MAC{2, 0, 0, 0, 0, 2}, Side: l2.Cloud, VTEP: netip.MustParseAddr("192.0.2.20"), Static: true},
	})
}

func (g *movingGateway) Raise(_ context.Context, ext, reason string) error {
	return g.change(ext, state.RaisedUp, event.Raised, "raise "+ext+": "+reason)
}

func (g *movingGateway) Lower(_ context.Context, ext string) error {
	return g.change(ext, state.Lowered, event.Lowered, "lower "+ext)
}

func (g *movingGateway) change(ext string, bridge state.Bridge, kind event.Kind, what string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.status.Extensions {
		if e := &g.status.Extensions[i]; string(e.Name) == ext {
			e.Bridge, e.Reason, e.Since = bridge, "", time.Now()
			g.changes = append(g.changes, what)
			g.append(event.Record{Extension: ext, Kind: kind, Severity: event.Warning, Message: "the operator said: " + what})
			return nil
		}
	}
	return api.ErrNotFound
}

func (g *movingGateway) changed() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.changes...)
}

func (g *movingGateway) Reload(context.Context) error { return nil }

func (g *movingGateway) Config(context.Context) (api.Config, error) { return api.Config{}, nil }

func (g *movingGateway) SetConfig(context.Context, []byte, time.Duration) (time.Time, error) {
	return time.Time{}, nil
}

func (g *movingGateway) ConfirmConfig(context.Context) error { return nil }

func (g *movingGateway) Events(since uint64) []event.Record {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]event.Record(nil), g.log[min(since, uint64(len(g.log))):]...)
}

func (g *movingGateway) Subscribe() (<-chan event.Record, func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	reader := make(chan event.Record, 100)
	g.readers[reader] = true
	return reader, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.readers, reader)
	}
}

// serveTCP serves the reading form.
func serveTCP(t *testing.T, g api.Gateway) (origin string) {
	t.Helper()
	l := listen(t)
	server := newServer(t, api.Peer{})
	runServer(t, func(ctx context.Context) error { return server(g).ServeTCP(ctx, l, l.Addr().String()) })
	return "http://" + l.Addr().String()
}

// serveSocket serves the socket to a peer, and forwards a port to it as `ssh -L` does.
func serveSocket(t *testing.T, g api.Gateway, as api.Peer) (origin string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "web") // short: a socket's address has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	unix, err := api.Listen(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(t, as)
	runServer(t, func(ctx context.Context) error { return server(g).Serve(ctx, unix) })
	return forwardTo(t, socket)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newServer(t *testing.T, as api.Peer) func(api.Gateway) *api.Server {
	t.Helper()
	page, err := web.Handlers()
	if err != nil {
		t.Fatal(err)
	}
	groups := func(name string) (uint32, bool) { return 701, name == api.GroupRead }
	return func(g api.Gateway) *api.Server {
		return api.NewServer(g, api.Options{Page: page, LookupGroup: groups, Credentials: func(net.Conn) (api.Peer, error) { return as, nil }})
	}
}

func runServer(t *testing.T, serve func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func forward(l net.Listener, socket string) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("unix", socket)
		if err != nil {
			from.Close()
			continue
		}
		copyAndClose := func(a, b net.Conn) {
			io.Copy(a, b)
			a.Close()
			b.Close()
		}
		go copyAndClose(from, to)
		go copyAndClose(to, from)
	}
}
