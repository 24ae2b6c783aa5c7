// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
)

// neighbourTicks is how often, in ticks, next hops are compared without a sign of change.
const neighbourTicks = 10

// tamperLogged is how many repaired objects are logged one by one in a tick.
const tamperLogged = 20

// tick compares host and kernel with what they should be. What others changed comes back here.
func (g *Gateway) tick() {
	g.ticks++
	for _, r := range g.moves.tick() {
		g.log.Append(r)
	}
	g.reportLost()
	g.endTrial()
	g.followLinks()
	g.checkPlane()
	g.checkNICs()
	if g.hopsStale || g.hops.waiting() || g.ticks%neighbourTicks == 0 {
		g.syncNeighbours()
	}
	if g.ticks%neighbourTicks == 0 {
		g.tidy()
		g.diskFault(errors.Join(g.recorder.flush(), g.noteBridges()))
	}
}

func (g *Gateway) reportLost() {
	if g.lost == 0 {
		return
	}
	g.log.Append(event.Record{
		Kind:     event.OverflowLog,
		Severity: event.Warning,
		Message:  fmt.Sprintf("%d signals of the data path were lost: more came than the daemon could read; frames were not", g.lost),
		Detail:   map[string]any{"lost": g.lost},
	})
	g.lost = 0
}

// followLinks makes host and kernel follow the links of the host, when these changed or when the last
// try failed.
func (g *Gateway) followLinks() {
	links, err := g.opts.Host.Links()
	g.fault("links", err, event.Link)
	if err != nil {
		return
	}
	lostTunnel := g.lostTunnel(links)
	links = relevantLinks(g.cfg, links)
	changed := lostTunnel || !equalLinks(g.links, links)
	if !changed && !g.retry.due(g.opts.Now()) {
		return
	}
	g.links = links
	clear(g.unfit) // each may be fit by now
	in := g.inputs(links)
	plan, err := g.realise(&in, MakePlan(in), false)
	g.fault("apply", err, event.Link)
	if err != nil {
		g.retry.failed(g.opts.Now())
		return
	}
	g.links = in.Links
	g.retry.settle(len(g.unfit) > 0, g.opts.Now())
	g.publish(plan)
}

// lostTunnel notices that somebody removed our tunnel device or set it down.
func (g *Gateway) lostTunnel(links map[string]Link) bool {
	if g.applied == nil || g.applied.Underlay.TunnelIfindex == 0 || g.retry.wait > 0 {
		return false // there is none, or putting it back is being tried already
	}
	for _, l := range links {
		if l.Ifindex == g.applied.Underlay.TunnelIfindex && l.AdminUp {
			return false
		}
	}
	g.tampered("the tunnel device")
	return true
}

// checkPlane repairs links and pins that somebody removed.
func (g *Gateway) checkPlane() {
	if g.applied == nil {
		return
	}
	repaired, err := g.opts.Plane.Check()
	for i, object := range repaired {
		if i == tamperLogged {
			g.tampered(fmt.Sprintf("%d more objects", len(repaired)-i))
			break
		}
		g.tampered(object)
	}
	g.fault("check", err, event.Tamper)
}

// checkNICs puts the settings of NICs back that somebody changed. A NIC that is down was set down by
// somebody, and its settings wait until it is up.
func (g *Gateway) checkNICs() {
	if g.applied == nil {
		return
	}
	for _, n := range wantedNICs(g.applied) {
		if !g.recorder.prepared(n) || !g.links[n.name].AdminUp {
			continue
		}
		settings, err := g.opts.Host.Survey(n.name, n.role, g.applied.Engine)
		if err != nil {
			continue // a NIC that is gone or in use now is followLinks' matter
		}
		g.fault("settings of "+n.name, g.repairNIC(n, settings, g.applied.Engine), event.Tamper)
	}
}

// relevantLinks picks what can change a plan: our NICs, and of the others the addresses alone.
func relevantLinks(c *config.Config, links map[string]Link) map[string]Link {
	out := make(map[string]Link, len(links))
	ours := map[string]bool{}
	for _, name := range allNICs(c) {
		ours[name] = true
	}
	for name, l := range links {
		if !ours[name] {
			l = Link{Name: l.Name, Addrs: l.Addrs}
			if len(l.Addrs) == 0 {
				continue
			}
		}
		out[name] = l
	}
	return out
}

func equalLinks(a, b map[string]Link) bool {
	if len(a) != len(b) {
		return false
	}
	for name, l := range a {
		if m, found := b[name]; !found || !l.equal(m) {
			return false
		}
	}
	return true
}

// retry spaces tries after a failure: at once doubled up to a few seconds. The zero value is not due.
type retry struct {
	wait time.Duration
	at   time.Time
}

const (
	firstWait = 500 * time.Millisecond
	lastWait  = 8 * time.Second
)

func (r *retry) due(now time.Time) bool { return r.wait > 0 && !now.Before(r.at) }

func (r *retry) failed(now time.Time) {
	r.wait = min(max(2*r.wait, firstWait), lastWait)
	r.at = now.Add(r.wait)
}

// settle ends the tries, or goes on with them when something is still amiss.
func (r *retry) settle(amiss bool, now time.Time) {
	if amiss {
		r.failed(now)
		return
	}
	*r = retry{}
}
