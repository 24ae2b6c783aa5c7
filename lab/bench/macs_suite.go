// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// macCell is one rate of new MACs through one engine.
type macCell struct {
	System string       `json:"system"`
	Rate   int          `json:"rate"` // asked for, in MACs a second
	Rounds []macReading `json:"rounds"`
}

// macReading is one round: MACs that nobody has seen before, at a rate, and a program that asks the API for the list again and again.
type macReading struct {
	Rate    float64 `json:"rate"`    // that was sent, in MACs a second
	Sent    int     `json:"sent"`    // MACs
	Missed  int     `json:"missed"`  // never seen in the list
	Median  float64 `json:"median"`  // seconds from before the frame was sent until its entry was read
	Largest float64 `json:"largest"` // the same of the last of all
	Lists   int     `json:"lists"`   // that were read
}

// macLate is how long an entry may take at a rate that counts as kept up with.
const macLate = time.Second

// kept reports whether every MAC came in time.
func (r macReading) kept() bool { return r.Missed == 0 && r.Largest <= macLate.Seconds() }

// keptUp reports whether every round kept up.
func (c *macCell) keptUp() bool {
	return !slices.ContainsFunc(c.Rounds, func(r macReading) bool { return !r.kept() })
}

// series is one figure of all rounds.
func (c *macCell) series(value func(macReading) float64) []float64 {
	var all []float64
	for _, r := range c.Rounds {
		all = append(all, value(r))
	}
	return all
}

// measureMACs takes engines and rates in turns. Every round has a daemon of its own, which knows no MAC.
func measureMACs(ctx context.Context, o *options, log logger) ([]macCell, error) {
	var cells []macCell
	for _, rate := range o.macRates {
		cells = append(cells, macCell{System: systemXDP, Rate: rate}, macCell{System: systemTC, Rate: rate})
	}
	for round := range o.macRounds {
		for i := range cells {
			c := &cells[i]
			r, err := timeMACs(ctx, o, c.System, i%2, c.Rate)
			if err != nil {
				return cells, fmt.Errorf("%d new MACs a second through engine %s: %w", c.Rate, c.System, err)
			}
			log("round %d: %s, %.0f MACs a second: %d of %d missed, the last after %.0f ms", round, c.System, r.Rate, r.Missed, r.Sent, 1000*r.Largest)
			c.Rounds = append(c.Rounds, r)
		}
	}
	return cells, nil
}

func timeMACs(ctx context.Context, o *options, engine string, number, rate int) (r macReading, err error) {
	d := &drawbridge{binary: o.binary, engine: engine, guards: true, openToMACs: true}
	b, err := newBench(ctx, d, number, layout{1, 1}, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	count := min(int(float64(rate)*o.macTime.Seconds()), mostMACs)
	count -= count % liveBatch
	mix, err := parseMix("64")
	if err != nil {
		return r, err
	}
	g, err := b.open(stream{direction: toCloud, mix: mix, layout: layout{1, mostMACs}, inOrder: true})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	w := newMACWatcher(d, count)
	watching := make(chan error, 1)
	go func() { watching <- w.watch(ctx) }()
	times, err := b.invent(ctx, g, rate, count)
	w.sentAll(time.Now())
	if err = errors.Join(err, <-watching); err != nil {
		return r, err
	}
	return w.reading(times), nil
}

// inventTick is how often frames are sent: a call of BPF_PROG_RUN takes some milliseconds, however few it sends.
const inventTick = 20 * time.Millisecond

// inventTimes are when a sender began with each of its frames, which it sends in portions.
type inventTimes struct {
	began    time.Time
	portions []inventPortion
	ended    time.Time
}

type inventPortion struct {
	first int // of its frames
	at    time.Time
}

// invent sends frames that have a source of their own each.
func (b *bench) invent(ctx context.Context, g *generator, rate, count int) (times inventTimes, err error) {
	n, _ := b.source(toCloud)
	err = n.run(func() error {
		if err := pin(0, generatorCPU); err != nil {
			return fmt.Errorf("pin generator: %w", err)
		}
		ticker := time.NewTicker(inventTick)
		defer ticker.Stop()
		times.began = time.Now()
		for sent := 0; sent < count; {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			due := min(int(float64(rate)*time.Since(times.began).Seconds()), count) - sent
			if due -= due % liveBatch; due == 0 {
				continue
			}
			times.portions = append(times.portions, inventPortion{sent, time.Now()})
			if _, err := g.send(due); err != nil {
				return err
			}
			sent += due
		}
		times.ended = time.Now()
		return nil
	})
	return times, err
}
