// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"

	"github.com/drawbridge-l2/drawbridge/config"
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
		plan, err = g.realise(&in, MakePlan(in), false)
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
	g.tellUnnoted()
	g.retry.settle(len(g.unfit) > 0, g.opts.Now())
	g.publish(plan)
	g.syncNeighbours()
	return nil
}
