// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Tracer runs frames through copies of the programs.
type Tracer interface {
	// Trace says what would become of frames, and changes nothing. Its error matches state.ErrTraceRequest when
	// the request is at fault.
	Trace(ctx context.Context, ext l2.Name, r state.TraceRequest) ([]state.TraceResult, error)
}

// Trace does not ask the loop, and so does not hold it up. One is done at a time: each loads programs and copies
// tables. Others wait, with their context.
func (g *Gateway) Trace(ctx context.Context, ext string, r state.TraceRequest) ([]state.TraceResult, error) {
	name, err := g.known(ext)
	if err != nil {
		return nil, err
	}
	select {
	case g.tracing <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("another trace is running: %w", ctx.Err())
	}
	defer func() { <-g.tracing }()
	return g.opts.Plane.Trace(ctx, name, r)
}

// known is the name of a configured extension.
func (g *Gateway) known(ext string) (l2.Name, error) {
	s := g.snapshot.Load()
	if s == nil {
		return "", ErrStopped
	}
	if _, known := s.index[l2.Name(ext)]; !known {
		return "", fmt.Errorf("%q: %w", ext, ErrUnknownExtension)
	}
	return l2.Name(ext), nil
}
