// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// One trace runs at a time; others wait, with their context, and the loop is not asked.
func TestTracesTakeTurns(t *testing.T) {
	g := &Gateway{opts: Options{Plane: &memPlane{}}, tracing: make(chan struct{}, 1), listening: make(chan struct{}, maxListeners)}
	if _, err := g.Trace(t.Context(), "acme", state.TraceRequest{}); !errors.Is(err, ErrStopped) {
		t.Errorf("before the start: %v", err)
	}
	g.snapshot.Store(&snapshot{index: map[l2.Name]int{"acme": 0}})
	if _, err := g.Trace(t.Context(), "nobody", state.TraceRequest{}); !errors.Is(err, ErrUnknownExtension) {
		t.Errorf("nobody: %v", err)
	}
	first, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	plane := &memPlane{traces: make(chan struct{}, 1)}
	g.opts.Plane = plane
	go func() {
		_, err := g.Trace(first, "acme", state.TraceRequest{})
		ended <- err
	}()
	<-plane.traces // it runs
	waiting, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := g.Trace(waiting, "acme", state.TraceRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one: %v", err)
	}
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
}

func TestRecordingsAreFew(t *testing.T) {
	g := &Gateway{opts: Options{Plane: &memPlane{}}, tracing: make(chan struct{}, 1), listening: make(chan struct{}, maxListeners)}
	g.snapshot.Store(&snapshot{index: map[l2.Name]int{"acme": 0}})
	ctx, end := context.WithCancel(t.Context())
	var all []<-chan error
	for range maxListeners {
		ended, err := g.Record(ctx, "acme", nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ended)
	}
	if _, err := g.Record(ctx, "acme", nil); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	end()
	for _, ended := range all {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	again, stop := context.WithCancel(t.Context())
	defer stop()
	if _, err := g.Record(again, "acme", nil); err != nil {
		t.Errorf("after they ended: %v", err)
	}
	if _, err := g.Record(again, "nobody", nil); !errors.Is(err, ErrUnknownExtension) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := g.Flight(again, "nobody"); !errors.Is(err, ErrUnknownExtension) {
		t.Errorf("nobody's flight: %v", err)
	}
}
