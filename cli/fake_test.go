// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// fakeGateway answers from its fields and remembers what was asked for.
type fakeGateway struct {
	status    state.Status
	macs      []state.MACEntry
	log       []event.Record
	reloadErr error
	news      chan event.Record

	mu      sync.Mutex // guards the following
	changes []string
	traced  []state.TraceRequest
	flights []state.Flight

	recorded []state.RecordedFrame
	gone     chan struct{} // closed: the extension that is recorded is gone
}

func (g *fakeGateway) Ping(context.Context) error { return nil }

func (g *fakeGateway) Status(context.Context) (state.Status, error) { return g.status, nil }

func (g *fakeGateway) EachMAC(_ context.Context, ext string, visit func([]state.MACEntry) error) error {
	if ext != "" && !g.has(ext) {
		return api.ErrNotFound
	}
	return visit(g.macs)
}

func (g *fakeGateway) has(ext string) bool {
	for _, e := range g.status.Extensions {
		if string(e.Name) == ext {
			return true
		}
	}
	return false
}

func (g *fakeGateway) Raise(_ context.Context, ext, reason string) error {
	return g.change(ext, "raise "+ext+" "+reason)
}

func (g *fakeGateway) Lower(_ context.Context, ext string) error { return g.change(ext, "lower "+ext) }

func (g *fakeGateway) Reload(context.Context) error { return g.reloadErr }

func (g *fakeGateway) Config(context.Context) (api.Config, error) { return api.Config{}, nil }

func (g *fakeGateway) SetConfig(context.Context, []byte, time.Duration) (time.Time, error) {
	return time.Time{}, api.ErrNoConfigFile
}

func (g *fakeGateway) ConfirmConfig(context.Context) error { return api.ErrConflict }

func (g *fakeGateway) change(ext, what string) error {
	if !g.has(ext) {
		return api.ErrNotFound
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changes = append(g.changes, what)
	return nil
}

func (g *fakeGateway) Events(since uint64) (records []event.Record) {
	for _, rec := range g.log {
		if rec.Seq > since {
			records = append(records, rec)
		}
	}
	return records
}

func (g *fakeGateway) Subscribe() (<-chan event.Record, func()) { return g.news, func() {} }

// since is when the bridges of the example became what they are, in the past by exampleAge.
var (
	since      = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	exampleNow = since.Add(26*time.Hour + 30*time.Second)
)

func exampleStatus() state.Status {
	vlan, _ := l2.ParseVLAN("2301")
	qinq, _ := l2.ParseVLAN("100.200")
	return state.Status{
		Gateway: state.GatewayStatus{
			Name: "gw-a", Version: "1.0", Engine: state.EngineXDP, EngineReason: "all NICs have native XDP", Uptime: 3*time.Minute + 5*time.Second,
			UnderlayNICs: []string{"eth1", "eth3"}, VTEP: netip.MustParseAddr("192.0.2.10"), UnderlayMTU: 1600, KernelMemory: 3 << 19,
		},
		Interfaces: []state.InterfaceStatus{
			{Name: "eth2", Role: "customer", Rx: state.Count{Frames: 1012, Bytes: 99000}, Drops: map[string]uint64{"no-circuit": 12}},
			{Name: "eth1", Role: "underlay", Rx: state.Count{Frames: 20, Bytes: 2000}, Passed: 3, Lost: 1,
				Drops: map[string]uint64{"unknown-vtep": 4, "tunnel-header": 0, "unknown-vni": 5}},
		},
		Extensions: []state.ExtensionStatus{
			{Name: "acme", Description: "ACME, order 4711", Bridge: state.Lowered, Since: since, NIC: "eth2", VLAN: vlan, VNI: 10100,
				Peers: []netip.Addr{netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("192.0.2.21")},
				MACs:  state.MACCounts{Customer: 3, Cloud: 7, Limit: 1024},
				ToCloud: state.Counters{Rx: state.Count{Frames: 1000, Bytes: 90000}, Tx: state.Count{Frames: 980, Bytes: 88000},
					Drops: map[string]uint64{"storm-broadcast": 12, "malformed": 8}, WouldDrop: map[string]uint64{"inner-vlan": 6}},
				ToCustomer: state.Counters{Rx: state.Count{Frames: 500, Bytes: 40000}, Tx: state.Count{Frames: 499, Bytes: 39900}, Copies: 2,
					Drops: map[string]uint64{"malformed": 1}}},
			{Name: "beta", Bridge: state.RaisedUp, Reason: "operator: maintenance", Since: since, NIC: "eth2", VLAN: qinq, VNI: 10200,
				MACs: state.MACCounts{Customer: 10, Cloud: 0, Limit: 10}},
		},
	}
}

// serve serves the gateway until the test ends.
func serve(t testing.TB, gw api.Gateway) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "cli") // short: a socket's address has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "s")
	l, err := api.Listen(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	asRoot := api.Options{Credentials: func(net.Conn) (api.Peer, error) { return api.Peer{}, nil }}
	go func() { ended <- api.NewServer(gw, asRoot).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		os.RemoveAll(dir)
	})
	return socket
}

// run runs the program with the arguments and returns what it printed and its exit code.
func run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return runContext(t.Context(), args...)
}

func runContext(ctx context.Context, args ...string) (string, string, int) {
	var stdout, stderr bytes.Buffer
	root := &cobra.Command{Use: "drawbridge", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetArgs(args)
	code := Report(root.ExecuteContext(ctx), &stderr)
	return stdout.String(), stderr.String(), code
}
