// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// maxListeners is how many may be told of every frame at a time: each costs the daemon a copy of it.
const maxListeners = 4

// ErrBusy says that no more can be done at a time.
var ErrBusy = errors.New("too many at a time")

// FrameSource tells of every frame.
type FrameSource interface {
	// Record hands over every frame of an extension with its verdict until ctx ends, and returns how many were
	// lost since out was full.
	Record(ctx context.Context, ext l2.Name, out chan<- state.RecordedFrame) (lost uint64, err error)
	// Flight returns what the flight recorder has, and how much it took.
	Flight(ext l2.Name) (state.Flight, error)
}

// Record begins to hand over every frame of an extension; it ends with ctx. A frame that finds out full is lost. The
// data path tells of frames only while somebody listens. Ended gets one error, or nil, and is closed.
func (g *Gateway) Record(ctx context.Context, ext string, out chan<- state.RecordedFrame) (ended <-chan error, err error) {
	name, err := g.known(ext)
	if err != nil {
		return nil, err
	}
	select {
	case g.listening <- struct{}{}:
	default:
		return nil, fmt.Errorf("%w: %d recordings are running already", ErrBusy, maxListeners)
	}
	end := make(chan error, 1)
	go func() {
		_, err := g.opts.Plane.Record(ctx, name, out)
		<-g.listening
		end <- err
		close(end)
	}()
	return end, nil
}

// Flight returns what the flight recorder has of an extension.
func (g *Gateway) Flight(ctx context.Context, ext string) (state.Flight, error) {
	name, err := g.known(ext)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return state.Flight{}, err
	}
	return g.opts.Plane.Flight(name)
}
