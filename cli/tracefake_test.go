// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Trace drops frames whose source is a group, forwards all others, and says so as the daemon does.
func (g *fakeGateway) Trace(_ context.Context, ext string, r state.TraceRequest) ([]state.TraceResult, error) {
	if !g.has(ext) {
		return nil, api.ErrNotFound
	}
	g.mu.Lock()
	g.traced = append(g.traced, r)
	g.mu.Unlock()
	var out []state.TraceResult
	for _, f := range r.Frames {
		one := state.TraceResult{Bytes: f.Bytes, Summary: "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, ARP\x1b[2J", Outcome: state.TraceForwarded,
			Stages:     []state.TraceStage{{Name: "circuit", Verdict: state.StagePass, Detail: "eth2"}, {Number: 1, Name: "raised", Verdict: state.StagePass}},
			Conclusion: "forwarded to VTEP 192.0.2.20", Learns: "02:00:00:00:00:01 on the customer's side"}
		if f.Made != nil && f.Made.Src.IsGroup() || len(f.Bytes) > 6 && l2.MAC(f.Bytes[6:12]).IsGroup() {
			one.Outcome, one.Reason, one.Conclusion, one.YAML, one.Learns = state.TraceDropped, "bad-source", "dropped as bad-source", "guard: {mode: off}", ""
			one.Stages = append(one.Stages, state.TraceStage{Number: 2, Name: "bad-source", Verdict: state.StageDrop, Reason: "bad-source", Detail: "a group"},
				state.TraceStage{Number: 3, Name: "storm", Verdict: state.StageNotReached})
		}
		out = append(out, one)
	}
	return out, nil
}

// Record hands over the frames of the test, and then waits for the reader or the extension to go.
func (g *fakeGateway) Record(ctx context.Context, ext string, out chan<- state.RecordedFrame) (<-chan error, error) {
	if !g.has(ext) {
		return nil, api.ErrNotFound
	}
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		for _, f := range g.recorded {
			out <- f
		}
		select {
		case <-ctx.Done():
		case <-g.gone:
		}
	}()
	return ended, nil
}

// Sources is one machine of the customer's.
func (g *fakeGateway) Sources(_ context.Context, ext string) ([]state.Source, error) {
	if !g.has(ext) {
		return nil, api.ErrNotFound
	}
	return []state.Source{{Direction: l2.ToCloud, MAC: l2.MAC{2, 0, 0, 0, 0, 7}, IP: netip.MustParseAddr("10.1.0.7"), Share: 0.93}}, nil
}

// Flight hands out the test's next reading, and the last one again and again.
func (g *fakeGateway) Flight(_ context.Context, ext string) (state.Flight, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.has(ext) || len(g.flights) == 0 {
		return state.Flight{}, api.ErrNotFound
	}
	f := g.flights[0]
	if len(g.flights) > 1 {
		g.flights = g.flights[1:]
	}
	return f, nil
}
