// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/state"
	"golang.org/x/sys/unix"
)

// apiGateway is the loop as the API sees it.
type apiGateway struct{ *gateway.Gateway }

var _ api.Gateway = apiGateway{}

// apiErrors pairs what the loop says with what the API understands.
var apiErrors = map[error]error{
	gateway.ErrUnknownExtension: api.ErrNotFound,
	gateway.ErrRefused:          api.ErrFaulty,
	gateway.ErrBusy:             api.ErrBusy,
	gateway.ErrNoText:           api.ErrNoConfigFile,
	gateway.ErrUnconfirmed:      api.ErrConflict,
	gateway.ErrNoTrial:          api.ErrConflict,
}

func apiError(err error) error {
	for inner, outer := range apiErrors {
		if errors.Is(err, inner) {
			return &translated{err, outer}
		}
	}
	return err
}

// translated is an error of the loop that also matches one of the API. It reads as the loop's.
type translated struct{ inner, outer error }

// Error is the loop's text.
func (e *translated) Error() string { return e.inner.Error() }

// Unwrap gives both.
func (e *translated) Unwrap() []error { return []error{e.inner, e.outer} }

// EachMAC visits the FDB of one extension, or of all.
func (g apiGateway) EachMAC(ctx context.Context, ext string, visit func([]state.MACEntry) error) error {
	return apiError(g.Gateway.EachMAC(ctx, ext, visit))
}

// Raise draws a bridge up.
func (g apiGateway) Raise(ctx context.Context, ext, reason string) error {
	return apiError(g.Gateway.Raise(ctx, ext, reason))
}

// Lower lets it down.
func (g apiGateway) Lower(ctx context.Context, ext string) error {
	return apiError(g.Gateway.Lower(ctx, ext))
}

// Reload reads the configuration again, and tells the service manager while it does.
func (g apiGateway) Reload(ctx context.Context) error {
	_ = host.Notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicMicroseconds()))
	defer func() { _ = host.Notify("READY=1") }()
	defer returnMemory()
	return apiError(g.Gateway.Reload(ctx))
}

// Config is the running configuration.
func (g apiGateway) Config(ctx context.Context) (api.Config, error) {
	c, err := g.Gateway.Configuration(ctx)
	return api.Config(c), apiError(err)
}

// SetConfig makes a text the running configuration.
func (g apiGateway) SetConfig(ctx context.Context, text []byte, confirm time.Duration) (time.Time, error) {
	defer returnMemory()
	until, err := g.Gateway.SetConfiguration(ctx, text, confirm)
	return until, apiError(err)
}

// ConfirmConfig ends the trial of the running configuration.
func (g apiGateway) ConfirmConfig(ctx context.Context) error { return apiError(g.Gateway.Confirm(ctx)) }

// Events returns the kept records after a number.
func (g apiGateway) Events(since uint64) []event.Record { return g.Log().Since(since) }

// Subscribe hands out every record from now on.
func (g apiGateway) Subscribe() (<-chan event.Record, func()) { return g.Log().Subscribe() }

// monotonicMicroseconds is the clock by which the service manager orders reloads (sd_notify(3)).
func monotonicMicroseconds() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano() / int64(time.Microsecond)
}
