// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Gateway is what the server shows and changes. Every method is safe for concurrent use and returns
// early, with the context's error, when the context ends.
type Gateway interface {
	// Ping waits until the gateway's loop has answered.
	Ping(ctx context.Context) error
	// Status is one reading of the whole gateway.
	Status(ctx context.Context) (state.Status, error)
	// EachMAC visits the FDB of one extension, or of all when ext is empty, in portions that are the visitor's only until it
	// returns; an error of the visitor ends it. ErrNotFound: no such extension; then nothing is visited.
	EachMAC(ctx context.Context, ext string, visit func([]state.MACEntry) error) error
	// Raise draws the bridge of an extension up, latched; one that is up stays up. An empty reason is
	// allowed. ErrNotFound: no such extension.
	Raise(ctx context.Context, ext, reason string) error
	// Lower lets it down again; one that is down stays down. ErrNotFound: no such extension.
	Lower(ctx context.Context, ext string) error
	// Reload makes the configuration file the running configuration, as a whole or not at all.
	// An error that wraps ErrFaulty says that the file is at fault, not the gateway.
	Reload(ctx context.Context) error
	// Trace says what the programs would do with frames. ErrNotFound: no such extension; an error that wraps
	// state.ErrTraceRequest says that the request is at fault.
	Trace(ctx context.Context, ext string, r state.TraceRequest) ([]state.TraceResult, error)
	// Record begins to hand over every frame of an extension until ctx ends; one that finds out full is lost. Ended
	// gets one error, or nil, and is closed. ErrNotFound: no such extension; ErrBusy: enough of them run.
	Record(ctx context.Context, ext string, out chan<- state.RecordedFrame) (ended <-chan error, err error)
	// Flight returns what the flight recorder has of an extension. ErrNotFound: no such extension.
	Flight(ctx context.Context, ext string) (state.Flight, error)
	// Sources names the busiest sources of what the guards dropped in the last seconds. ErrNotFound: no such extension.
	Sources(ctx context.Context, ext string) ([]state.Source, error)
	// Config is the running configuration. ErrNoConfigFile: it came from flags.
	Config(ctx context.Context) (Config, error)
	// SetConfig makes a text the running configuration, as a whole or not at all, and the file's. With a time
	// to confirm it runs on trial: it is rolled back when no ConfirmConfig comes until the time returned.
	// ErrFaulty: the text is at fault; ErrConflict: another one is on trial; ErrNoConfigFile.
	SetConfig(ctx context.Context, text []byte, confirm time.Duration) (confirmBy time.Time, err error)
	// ConfirmConfig makes what is on trial the file's. ErrConflict: nothing is.
	ConfirmConfig(ctx context.Context) error
	// Events lists the records that the log still holds whose Seq is greater than since, oldest first.
	Events(since uint64) []event.Record
	// Subscribe hands out every record from now on, over a bounded channel. When the subscriber does not
	// keep up, the gateway closes the channel or leaves records out (the server reads those from Events);
	// it never waits. The subscriber calls cancel once.
	Subscribe() (records <-chan event.Record, cancel func())
}

// ErrNotFound says that no extension has the name asked for. A Client's errors match it too.
var ErrNotFound = errors.New("no such extension")

// Config is the running configuration as YAML. ConfirmBy is when it is rolled back unless it is confirmed;
// zero: never.
type Config struct {
	Text      []byte
	ConfirmBy time.Time
}

// ErrNoConfigFile says that the gateway runs from flags.
var ErrNoConfigFile = errors.New("no configuration file")

// ErrConflict says that a configuration is on trial where none may be, or that none is.
var ErrConflict = errors.New("not now")

// ErrFaulty says that the configuration was refused and that the former one goes on.
var ErrFaulty = errors.New("the configuration is faulty")

// Event is one record of the event log. Its JSON is the same inside and outside.
type Event = event.Record
