// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"maps"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Raise draws the bridge of an extension up: nothing flows until Lower, also over a restart. A bridge
// that is up stays up, with the reason that it had.
func (g *Gateway) Raise(ctx context.Context, ext, reason string) error {
	return g.do(ctx, func() error {
		name, err := g.extension(ext)
		if err != nil {
			return err
		}
		if _, raised := g.raised[name]; raised {
			return nil
		}
		raised := maps.Clone(g.raised)
		raised[name] = Latch{Reason: reason, Since: g.opts.Now().UTC()}
		return g.latchAll(raised)
	})
}

// Lower lets the bridge down again, whether the operator raised it or it tripped, and the back-off of its trips begins
// anew. A bridge that is down stays as it is.
func (g *Gateway) Lower(ctx context.Context, ext string) error {
	return g.do(ctx, func() error {
		name, err := g.extension(ext)
		if err != nil {
			return err
		}
		_, latched := g.raised[name]
		held := g.trips.holds(name)
		if err := g.letDown(name); err != nil {
			return err
		}
		if !latched && !held {
			return nil
		}
		if !latched {
			g.log.Append(loweredRecord(name, state.Lowered, ""))
			return nil
		}
		raised := maps.Clone(g.raised)
		delete(raised, name)
		return g.latchAll(raised)
	})
}

func (g *Gateway) extension(ext string) (l2.Name, error) {
	name := l2.Name(ext)
	if _, known := g.bridges[name]; !known {
		return "", fmt.Errorf("%q: %w", ext, ErrUnknownExtension)
	}
	return name, nil
}

// latchAll makes a set of raised bridges the present one, in the kernel and on disk. The kernel comes
// first: it is what counts, and it holds the latch too. On an error all is as before.
func (g *Gateway) latchAll(raised map[l2.Name]Latch) error {
	former := g.raised
	g.raised = raised
	in := g.inputs(g.links)
	plan, err := g.realise(&in, MakePlan(in), false)
	if err != nil {
		g.raised = former
		return err
	}
	g.links = in.Links
	g.diskFault(g.opts.Store.writeJSON(operatorFile, raised))
	g.publish(plan)
	return nil
}
