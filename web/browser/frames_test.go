// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"errors"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// The page asks for no frames.
var errNoFrames = errors.New("this gateway has no frames")

func (g *movingGateway) Trace(context.Context, string, state.TraceRequest) ([]state.TraceResult, error) {
	return nil, errNoFrames
}

func (g *movingGateway) Record(context.Context, string, chan<- state.RecordedFrame) (<-chan error, error) {
	return nil, errNoFrames
}

func (g *movingGateway) Sources(context.Context, string) ([]state.Source, error) {
	return []state.Source{
		{Direction: l2.ToCloud, MAC: l2.MAC{2, 0, 0, 0, 0, 1}, IP: netip.MustParseAddr("10.1.0.11"), Share: 0.93},
		{Direction: l2.ToCustomer, MAC: l2.MAC{2, 0, 0, 0, 0, 2}, VLAN: 30, Share: 1},
	}, nil
}

func (g *movingGateway) Flight(context.Context, string) (state.Flight, error) {
	return state.Flight{}, errNoFrames
}
