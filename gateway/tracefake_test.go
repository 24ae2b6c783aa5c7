// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Trace says that it runs, and does until its context ends.
func (p *memPlane) Trace(ctx context.Context, _ l2.Name, _ state.TraceRequest) ([]state.TraceResult, error) {
	p.traces <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Record runs until its context ends.
func (p *memPlane) Record(ctx context.Context, _ l2.Name, _ chan<- state.RecordedFrame) (uint64, error) {
	<-ctx.Done()
	return 0, nil
}

// Flight is empty.
func (p *memPlane) Flight(l2.Name) (state.Flight, error) { return state.Flight{}, nil }
