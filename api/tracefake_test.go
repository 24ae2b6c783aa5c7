// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Trace forwards every frame, and drops those whose source is a group.
func (g *fakeGateway) Trace(_ context.Context, ext string, r state.TraceRequest) ([]state.TraceResult, error) {
	if err := g.known(ext); err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.changes = append(g.changes, fmt.Sprintf("trace %s %s from %s vni %d: %d frames", ext, r.Direction, r.From, r.VNI, len(r.Frames)))
	g.mu.Unlock()
	var out []state.TraceResult
	for _, f := range r.Frames {
		one := state.TraceResult{Bytes: f.Bytes, Summary: "a frame", Outcome: state.TraceForwarded, Conclusion: "forwarded",
			Stages: []state.TraceStage{{Name: "circuit", Verdict: state.StagePass}},
			Leaves: []state.TraceLeaving{{Interface: "eth1", VTEP: netip.MustParseAddr("192.0.2.20"), NextHop: l2.MAC{2}, VNI: 10100}}}
		if f.Made != nil && f.Made.Kind == "ipx" {
			return nil, fmt.Errorf("%w: type ipx", state.ErrTraceRequest)
		}
		if f.Made != nil && f.Made.Src.IsGroup() {
			one.Outcome, one.Reason, one.Leaves = state.TraceDropped, "bad-source", nil
		}
		out = append(out, one)
	}
	return out, g.err
}

// Record hands over what the test sends.
func (g *fakeGateway) Record(ctx context.Context, ext string, out chan<- state.RecordedFrame) (<-chan error, error) {
	if err := g.known(ext); err != nil {
		return nil, err
	}
	if g.err != nil {
		return nil, g.err
	}
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		for {
			select {
			case f := <-g.frames:
				out <- f
			case <-ctx.Done():
				return
			}
		}
	}()
	return ended, nil
}

// Sources has one in each direction.
func (g *fakeGateway) Sources(_ context.Context, ext string) ([]state.Source, error) {
	return []state.Source{
		{Direction: l2.ToCloud, MAC: l2.MAC{2, 0, 0, 0, 0, 1}, IP: netip.MustParseAddr("10.1.0.11"), Share: 0.93},
		{Direction: l2.ToCustomer, MAC: l2.MAC{2, 0, 0, 0, 0, 2}, VLAN: 30, Share: 1},
	}, g.known(ext)
}

// Flight has one frame.
func (g *fakeGateway) Flight(_ context.Context, ext string) (state.Flight, error) {
	return state.Flight{Mode: state.Observe, Taken: 7, Frames: []state.RecordedFrame{
		{At: exampleTime, Direction: l2.ToCustomer, WouldDrop: "storm-broadcast", Size: 60, Bytes: []byte{1, 2, 3}},
	}}, g.known(ext)
}
