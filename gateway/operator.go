// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"maps"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// lostReason stands for the words of a raise of which only the kernel knows.
const lostReason = "before this start, and the reason is lost"

// Raise draws the bridge of an extension up: nothing flows until Lower, also over a restart. A bridge
// that is up stays up since then; another reason takes the place of the one that it had, and none leaves it.
func (g *Gateway) Raise(ctx context.Context, ext, reason string) error {
	return g.do(ctx, func() error {
		name, err := g.extension(ext)
		if err != nil {
			return err
		}
		latch := Latch{Reason: reason, Since: g.opts.Now().UTC()}
		if former, raised := g.raised[name]; raised {
			if reason == "" || reason == former.Reason {
				return nil
			}
			latch.Since = former.Since
		}
		raised := maps.Clone(g.raised)
		raised[name] = latch
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

// recallRaised takes up the latches that the kernel holds and the state directory does not have: it was lost, or is another one, or the
// daemon died between the two. The kernel is what counts, and nobody said that these bridges may come down.
func (g *Gateway) recallRaised() error {
	if !g.opts.Adopted {
		return nil
	}
	names, err := g.opts.Plane.Raised()
	if err != nil {
		return fmt.Errorf("read which bridges the kernel holds raised: %w", err)
	}
	before := len(g.raised)
	for _, name := range names {
		if _, known := g.raised[name]; !known {
			g.raised[name] = g.recallLatch(name)
		}
	}
	if len(g.raised) > before {
		g.diskFault(g.opts.Store.writeJSON(operatorFile, g.raised))
	}
	return nil
}

// recallLatch is what is known of a raise beside that it holds. Of a bridge of which users were told nothing yet, they are told with
// the first plan, as of one that was lowered until now.
func (g *Gateway) recallLatch(name l2.Name) Latch {
	told, known := g.bridges[name]
	if !known {
		g.bridges[name] = bridgeState{state: state.Lowered}
	}
	if told.raised {
		return Latch{Reason: told.words, Since: told.since}
	}
	return Latch{Reason: lostReason, Since: g.opts.Now().UTC()}
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
