// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"

	"github.com/drawbridge-l2/drawbridge/state"
)

// Trace says what would become of frames.
func (g apiGateway) Trace(ctx context.Context, ext string, r state.TraceRequest) ([]state.TraceResult, error) {
	defer returnMemory()
	results, err := g.Gateway.Trace(ctx, ext, r)
	return results, apiError(err)
}

// Record begins to hand over every frame of an extension.
func (g apiGateway) Record(ctx context.Context, ext string, out chan<- state.RecordedFrame) (<-chan error, error) {
	ended, err := g.Gateway.Record(ctx, ext, out)
	return ended, apiError(err)
}

// Sources names the busiest sources of drops.
func (g apiGateway) Sources(ctx context.Context, ext string) ([]state.Source, error) {
	sources, err := g.Gateway.Sources(ctx, ext)
	return sources, apiError(err)
}

// Flight returns what the flight recorder has of an extension.
func (g apiGateway) Flight(ctx context.Context, ext string) (state.Flight, error) {
	flight, err := g.Gateway.Flight(ctx, ext)
	return flight, apiError(err)
}
