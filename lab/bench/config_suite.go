// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// configCell is how long a step takes a system that carries a number of extensions.
type configCell struct {
	System     string    `json:"system"`
	Step       string    `json:"step"`
	Extensions int       `json:"extensions"`
	Seconds    []float64 `json:"seconds"`
	OfLinux    *estimate `json:"linux_over_this,omitempty"` // how many times as long Linux takes
}

// The steps. Of Linux there is only the second.
const (
	stepStart       = "start of the daemon until all forward"
	stepAllApplied  = "all new: read until in force"
	stepAllRead     = "all new: reading the file"
	stepAllAnswered = "all new: reload until answered"
	stepOneApplied  = "one changed: read until in force"
	stepOneRead     = "one changed: reading the file"
	stepOneInForce  = "one changed: reload until in force"
	stepOneAnswered = "one changed: reload until answered"
	stepPutApplied  = "one changed: PUT, read until in force"
	stepPutAnswered = "one changed: PUT until answered"
)

// configResults collects cells in the order in which they come up.
type configResults struct {
	cells []configCell
	pairs int
}

func (r *configResults) add(system, step string, took time.Duration) {
	for i := range r.cells {
		if c := &r.cells[i]; c.System == system && c.Step == step {
			c.Seconds = append(c.Seconds, took.Seconds())
			return
		}
	}
	r.cells = append(r.cells, configCell{System: system, Step: step, Extensions: r.pairs, Seconds: []float64{took.Seconds()}})
}

// evaluate compares what is to be compared: making all of it.
func (r *configResults) evaluate() {
	var linux []float64
	for _, c := range r.cells {
		if c.System == systemLinux {
			linux = c.Seconds
		}
	}
	for i := range r.cells {
		if c := &r.cells[i]; c.Step == stepAllApplied && c.System != systemLinux && linux != nil {
			of := bootstrap(linux, c.Seconds, ratio)
			c.OfLinux = &of
		}
	}
}

// measureConfig times Linux and both engines in turns.
func measureConfig(ctx context.Context, o *options, log logger) ([]configCell, error) {
	results := &configResults{pairs: o.pairs}
	engines := []string{systemXDP, systemTC}
	if o.binary == binaryNone {
		engines = nil
	}
	for round := range o.configRounds {
		took, err := timeLinux(ctx, o)
		if err != nil {
			return results.cells, err
		}
		results.add(systemLinux, stepAllApplied, took)
		log("round %d: linux makes %d pairs in %s", round, o.pairs, took.Round(time.Millisecond))
		for i, engine := range engines {
			if err := timeEngine(ctx, o, engine, i+1, results); err != nil {
				return results.cells, fmt.Errorf("%d extensions with engine %s: %w", o.pairs, engine, err)
			}
		}
		log("round %d: %s", round, results.line())
	}
	results.evaluate()
	return results.cells, nil
}

// line is the last of each series in short, for the log.
func (r *configResults) line() string {
	var text string
	for _, c := range r.cells {
		text += fmt.Sprintf("%s %s %s ms; ", c.System, c.Step, number(1000*c.Seconds[len(c.Seconds)-1], 1))
	}
	return text
}

func timeLinux(ctx context.Context, o *options) (took time.Duration, err error) {
	t, err := newTopology(fmt.Sprintf("%sc0", namePrefix()), 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, t.remove()) }()
	return applyLinux(ctx, t, o.pairs)
}

// configTrial is a daemon whose configuration is changed.
type configTrial struct {
	*bench
	daemon  *drawbridge
	results *configResults
	layout  layout
}

// timeEngine times a daemon: its start, a reload from one extension to all, and changes of one among all.
func timeEngine(ctx context.Context, o *options, engine string, number int, results *configResults) (err error) {
	d := &drawbridge{binary: o.binary, engine: engine, guards: true}
	b, err := newBench(ctx, d, number, layout{1, 1}, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	c := &configTrial{bench: b, daemon: d, results: results, layout: layout{o.pairs, o.pairs}}
	for _, step := range []func(context.Context) error{c.applyAll, c.wantForwarding, c.changeOne, c.putOne, c.restart} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// applyAll reloads with all extensions.
func (c *configTrial) applyAll(ctx context.Context) error {
	times, answered, err := c.reload(ctx, c.configuration())
	if err != nil {
		return err
	}
	c.results.add(c.system.name(), stepAllApplied, times.applied)
	c.results.add(c.system.name(), stepAllRead, times.read)
	c.results.add(c.system.name(), stepAllAnswered, answered)
	return nil
}

func (c *configTrial) configuration() gatewayConfig {
	config := c.daemon.config
	config.Layout = c.layout
	return config
}

// reload writes a configuration and has it reloaded.
func (c *configTrial) reload(ctx context.Context, config gatewayConfig) (reloadTimes, time.Duration, error) {
	if err := os.WriteFile(c.daemon.file(), config.yaml(), 0o600); err != nil {
		return reloadTimes{}, 0, err
	}
	client := c.daemon.client()
	defer client.CloseIdleConnections()
	_, answered, err := ask(ctx, client, "POST", "/v1/reload", nil)
	if err != nil {
		return reloadTimes{}, 0, err
	}
	times, err := c.daemon.lastReload()
	return times, answered, err
}

// wantForwarding sends a frame through each extension, both ways.
func (c *configTrial) wantForwarding(ctx context.Context) error {
	before, _, err := c.sinks[toCustomer].counts()
	if err != nil {
		return err
	}
	mix, err := parseMix("64")
	if err != nil {
		return err
	}
	if err := c.prime(c.layout, mix); err != nil {
		return err
	}
	after, _, err := c.sinks[toCustomer].settle()
	if err == nil && after-before < uint64(c.layout.stations()) {
		err = fmt.Errorf("%d of %d extensions forward", after-before, c.layout.stations())
	}
	return errors.Join(err, ctx.Err())
}

// changesPerRound is how many changes of one extension are timed in a round.
const changesPerRound = 10

// changeOne reloads with another bandwidth of one extension.
func (c *configTrial) changeOne(ctx context.Context) error {
	config := c.configuration()
	for i := range changesPerRound {
		config.changed, config.bandwidth = i*c.layout.extensions/changesPerRound, 100+i
		times, answered, err := c.reload(ctx, config)
		if err != nil {
			return err
		}
		c.results.add(c.system.name(), stepOneApplied, times.applied)
		c.results.add(c.system.name(), stepOneRead, times.read)
		c.results.add(c.system.name(), stepOneInForce, times.read+times.applied)
		c.results.add(c.system.name(), stepOneAnswered, answered)
	}
	return nil
}

// putOne sends such configurations over the API.
func (c *configTrial) putOne(ctx context.Context) error {
	config := c.configuration()
	client := c.daemon.client()
	defer client.CloseIdleConnections()
	for i := range changesPerRound {
		config.changed, config.bandwidth = i*c.layout.extensions/changesPerRound, 200+i
		_, answered, err := ask(ctx, client, "PUT", "/v1/config", config.yaml())
		if err != nil {
			return err
		}
		times, err := c.daemon.lastReload()
		if err != nil {
			return err
		}
		c.results.add(c.system.name(), stepPutApplied, times.applied)
		c.results.add(c.system.name(), stepPutAnswered, answered)
	}
	return nil
}

// restart times a daemon that finds nothing in the kernel.
func (c *configTrial) restart(ctx context.Context) error {
	if err := c.daemon.stop(); err != nil {
		return err
	}
	start := time.Now()
	if err := c.daemon.start(ctx, c.topology, c.layout); err != nil {
		return err
	}
	c.results.add(c.system.name(), stepStart, time.Since(start))
	return nil
}
