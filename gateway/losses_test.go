// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

// A firewall that drops the tunnel is told once a minute, with the remedy.
func TestLostTunnelPacketsAreHintedAt(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.host.chains = []string{"inet filter input"}
	var w lossWatch
	look := func(lost uint64) []event.Record {
		t.Helper()
		since := r.lastSeq()
		r.clock.t = r.clock.t.Add(15 * time.Second)
		r.plane.reading = state.Reading{Interfaces: map[string]state.InterfaceReading{"eth1": {Lost: lost}}}
		r.gw.checkLosses(t.Context(), &w)
		return r.gw.Log().Since(since)
	}
	for _, lost := range []uint64{500, 500, 505, 900, 900, 901} { // old losses, frames on their way, one burst
		if got := look(lost); len(got) > 0 {
			t.Fatalf("at %d: %q", lost, got[0].Message)
		}
	}
	if got := look(1000); len(got) > 0 {
		t.Fatalf("a first growth: %q", got[0].Message)
	}
	got := look(1100)
	if len(got) != 1 || got[0].Kind != event.Hint || got[0].Severity != event.Warning {
		t.Fatalf("records %+v, want one hint", got)
	}
	for _, want := range []string{"600 tunnel packets from eth1", "UDP port 4789 on INPUT", "inet filter input drop by default", "nft insert rule", "iptables -I INPUT"} {
		if !strings.Contains(got[0].Message, want) {
			t.Errorf("no %q in %q", want, got[0].Message)
		}
	}
	hints := 0
	for i := range uint64(8) { // two minutes
		hints += len(look(1200 + 100*i))
	}
	if hints != 2 {
		t.Errorf("%d hints in two minutes, want 2", hints)
	}
	look(5) // the counters began anew
	if got := look(5); len(got) > 0 {
		t.Errorf("new counters: %q", got[0].Message)
	}
}

// Peers whose packets have a wrong header are hinted at with the lines that let them in.
func TestWrongHeadersAreHintedAt(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	var w lossWatch
	since := r.lastSeq()
	for i := range uint64(3) {
		r.clock.t = r.clock.t.Add(15 * time.Second)
		drops := map[string]uint64{"tunnel-header": 100 * i, "unknown-vtep": 1000 * i}
		r.plane.reading = state.Reading{Interfaces: map[string]state.InterfaceReading{"eth1": {Drops: drops}}}
		r.gw.checkLosses(t.Context(), &w)
	}
	got := r.gw.Log().Since(since)
	if len(got) != 1 || got[0].Kind != event.Hint || got[0].Severity != event.Warning || got[0].Detail["frames"] != uint64(200) {
		t.Fatalf("records %+v, want one hint about 200 packets", got)
	}
	for _, want := range []string{"200 tunnel packets from eth1", "tunnel-header", "reserved-bits: ignore", "zero-checksum6: true"} {
		if !strings.Contains(got[0].Message, want) {
			t.Errorf("no %q in %q", want, got[0].Message)
		}
	}
}

// What a device lost itself is in the status beside what the tunnel device swallowed.
func TestStatusAddsWhatTheDeviceLost(t *testing.T) {
	r := newRig(t, gatewayConfig(acme()))
	r.start()
	r.host.lost = map[string]uint64{"eth1": 3}
	r.plane.reading = state.Reading{Interfaces: map[string]state.InterfaceReading{"eth1": {Lost: 4}, "eth2": {Lost: 1}}}
	st, err := r.gw.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range st.Interfaces {
		if want := map[string]uint64{"eth1": 7, "eth2": 1}[n.Name]; n.Lost != want {
			t.Errorf("%s lost %d, want %d", n.Name, n.Lost, want)
		}
	}
}
