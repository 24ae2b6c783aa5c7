// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
)

// startTries is how often a start is tried when the host's links change under it.
const startTries = 3

// Start sets everything up for the first time; call it once, before Run. Text is what cfg was made
// of, nil for flags. An extension whose circuit or underlay is not fit is down, and the others go
// on; an error means that the kernel does not hold this configuration, and still holds what an earlier
// daemon left there.
func (g *Gateway) Start(cfg *config.Config, text []byte) error {
	g.cfg, g.started = cfg, g.opts.Now()
	var plan Plan
	var err error
	for range startTries {
		var links map[string]Link
		if links, err = g.opts.Host.Links(); err != nil {
			return fmt.Errorf("read links: %w", err)
		}
		in := g.inputs(relevantLinks(cfg, links))
		plan, err = g.realise(&in, false)
		if g.links = in.Links; err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	g.keepLastGood(text)
	g.tidy()
	g.tellStarted(plan)
	g.tellForgotten()
	g.tellNotEnforced()
	g.retry.settle(len(g.unfit) > 0, g.opts.Now())
	g.publish(plan)
	g.syncNeighbours()
	return nil
}

// tellNotEnforced warns of guards that somebody counts on and that this version does not have.
func (g *Gateway) tellNotEnforced() {
	keys := g.cfg.NotEnforcedYet()
	if len(keys) == 0 {
		return
	}
	g.log.Append(event.Record{
		Kind:     event.Hint,
		Severity: event.Warning,
		Message:  fmt.Sprintf("%d configured keys are not enforced by this version, %s among them: see drawbridge check", len(keys), keys[0]),
		Detail:   map[string]any{"count": len(keys), "keys": keys[:min(len(keys), faultsLogged)]},
	})
}
