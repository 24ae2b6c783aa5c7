// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// frameCell is one row of the matrix: the same frames through every system, in turns.
type frameCell struct {
	Direction  string        `json:"direction"`
	Size       string        `json:"size"`
	Extensions int           `json:"extensions"`
	Stations   int           `json:"station_pairs"`
	Results    []frameResult `json:"results"`
}

// frameResult is one system's part of a cell.
type frameResult struct {
	System   string    `json:"system"`
	Rate     float64   `json:"frames_per_second"` // median
	Lost     float64   `json:"lost"`              // median share
	OfFloor  *estimate `json:"of_floor,omitempty"`
	OfLinux  *estimate `json:"of_linux,omitempty"`
	NetCost  *estimate `json:"net_cost_ns,omitempty"` // over the floor
	OnCPU    float64   `json:"on_cpu"`                // median share
	Spread   float64   `json:"spread"`                // of the rounds
	Readings []reading `json:"rounds"`
}

// measureFrames runs the frame suite, layout by layout: the first with all sizes, the others with the first size.
func measureFrames(ctx context.Context, o *options, log logger) ([]frameCell, error) {
	var cells []frameCell
	for i, l := range o.layouts {
		mixes := o.mixes
		if i > 0 {
			mixes = mixes[:1]
		}
		more, err := measureLayout(ctx, o, l, mixes, log)
		cells = append(cells, more...)
		if err != nil {
			return cells, err
		}
	}
	return cells, nil
}

// measureLayout starts every system that can carry a layout and measures all of its cells.
func measureLayout(ctx context.Context, o *options, l layout, mixes []frameMix, log logger) (cells []frameCell, err error) {
	var benches []*bench
	defer func() {
		for _, b := range benches {
			err = errors.Join(err, b.close())
		}
	}()
	for i, name := range o.systems {
		s, err := newSystem(name, o)
		if err != nil {
			return nil, err
		}
		if why := s.fits(l); why != "" {
			log("%s leaves out %d extensions: %s", name, l.extensions, why)
			continue
		}
		log("start %s with %d extensions and %d station pairs", name, l.extensions, l.stations())
		b, err := newBench(ctx, s, i, l, o)
		if err != nil {
			return nil, err
		}
		benches = append(benches, b)
	}
	for _, d := range o.directions {
		for _, mix := range mixes {
			cell, err := measureCell(ctx, benches, stream{direction: d, mix: mix, layout: l}, o)
			if err != nil {
				return cells, err
			}
			log("%s", cell.line())
			cells = append(cells, cell)
		}
	}
	return cells, nil
}

// measureCell primes the tables, then takes the systems in turns.
func measureCell(ctx context.Context, benches []*bench, s stream, o *options) (cell frameCell, err error) {
	cell = frameCell{
		Direction: s.direction.String(), Size: s.mix.name,
		Extensions: s.layout.extensions, Stations: s.layout.stations(),
		Results: make([]frameResult, len(benches)),
	}
	generators := make([]*generator, len(benches))
	defer func() {
		for _, g := range generators {
			if g != nil {
				err = errors.Join(err, g.close())
			}
		}
	}()
	for i, b := range benches {
		cell.Results[i].System = b.system.name()
		if b.system.learns() {
			if err := b.prime(s.layout, s.mix); err != nil {
				return cell, err
			}
		}
		if generators[i], err = b.open(s); err != nil {
			return cell, err
		}
	}
	if err := runRounds(ctx, benches, generators, s.direction, o, cell.Results); err != nil {
		return cell, err
	}
	cell.evaluate()
	return cell, cell.check(benches)
}

// mostLost is the share of frames that a system may lose while it keeps the generator waiting: more is a fault of its set-up.
const mostLost = 0.1

// check refuses a cell that says nothing.
func (c *frameCell) check(benches []*bench) error {
	for i, r := range c.Results {
		if r.Rate == 0 || r.Lost > mostLost && benches[i].meter.own {
			return fmt.Errorf("measure %s %s: %s of the frames were lost, and %d others arrived: %s",
				r.System, c.Direction, percent(r.Lost), r.Readings[0].Other, benches[i].system.counters())
		}
	}
	return nil
}

// warmUp fills caches and page pools before a round counts.
const warmUp = 20 * time.Millisecond

// runRounds interleaves: each round takes every system once, starting with another one.
func runRounds(ctx context.Context, benches []*bench, generators []*generator, d direction, o *options, results []frameResult) error {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // no collection while frames are counted
	for round := range o.rounds {
		for turn := range benches {
			i := (round + turn) % len(benches)
			b, g := benches[i], generators[i]
			if _, err := b.transmit(ctx, g, d, warmUp); err != nil {
				return fmt.Errorf("warm %s up: %w", b.system.name(), err)
			}
			if _, _, err := b.sinks[d].settle(); err != nil {
				return err
			}
			r, err := b.measure(ctx, g, d, o)
			if err != nil {
				return fmt.Errorf("measure %s: %w", b.system.name(), err)
			}
			results[i].Readings = append(results[i].Readings, r)
		}
	}
	return nil
}

// evaluate computes medians, ratios and costs from the rounds.
func (c *frameCell) evaluate() {
	floor, linux := c.rates(systemRedirect), c.rates(systemLinux)
	for i := range c.Results {
		r := &c.Results[i]
		rates := r.rates()
		r.Rate, r.Spread = median(rates), spread(rates)
		r.Lost = median(r.series(func(round reading) float64 { return round.Lost }))
		r.OnCPU = median(r.series(func(round reading) float64 { return round.OnCPU }))
		if floor != nil && r.System != systemRedirect {
			ofFloor, cost := bootstrap(rates, floor, ratio), bootstrap(rates, floor, netCost)
			r.OfFloor, r.NetCost = &ofFloor, &cost
		}
		if linux != nil && r.System != systemLinux {
			ofLinux := bootstrap(rates, linux, ratio)
			r.OfLinux = &ofLinux
		}
	}
}

// rates of a system's rounds; nil when it was not measured.
func (c *frameCell) rates(system string) []float64 {
	for _, r := range c.Results {
		if r.System == system {
			return r.rates()
		}
	}
	return nil
}

func (r *frameResult) rates() []float64 {
	return r.series(func(round reading) float64 { return round.Rate })
}

func (r *frameResult) series(value func(reading) float64) []float64 {
	values := make([]float64, len(r.Readings))
	for i, round := range r.Readings {
		values[i] = value(round)
	}
	return values
}
