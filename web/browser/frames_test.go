// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"errors"

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

func (g *movingGateway) Flight(context.Context, string) (state.Flight, error) {
	return state.Flight{}, errNoFrames
}
