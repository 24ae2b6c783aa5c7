// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

// realise makes host and kernel equal to a plan of the inputs, and returns the plan that holds now.
// On an error the kernel holds what it held before, and what was added to the host is taken back. NICs
// that are ours for the first time are set up last, when nothing can come in unguarded; the inputs' links
// are then those after it. Strict: a customer's NIC that cannot be prepared is an error, unless the inputs
// have it among the unfit.
func (g *Gateway) realise(in *Inputs, plan Plan, strict bool) (Plan, error) {
	plan, err := g.pass(in, plan, strict)
	if err != nil || !g.setUpNICs(&plan.Desired, in) {
		return plan, err
	}
	links, err := g.opts.Host.Links()
	if err != nil {
		return plan, nil // the next tick finds what changed
	}
	again := *in
	again.Links = relevantLinks(in.Config, links)
	second, err := g.pass(&again, MakePlan(again), false)
	if err != nil {
		return plan, nil // as before: what holds is right but for the NICs that came up
	}
	*in = again
	return second, nil
}

// pass does all of it but setting NICs up.
func (g *Gateway) pass(in *Inputs, plan Plan, strict bool) (Plan, error) {
	unfit := g.prepareNICs(&plan.Desired, in)
	if strict && len(unfit) > 0 {
		g.tidy()
		return Plan{}, errors.Join(unfit...)
	}
	if len(unfit) > 0 {
		plan = MakePlan(*in) // without the NICs that turned out to be unfit
	}
	if err := g.ensureTunnel(&plan.Desired); err != nil {
		g.tidy()
		return Plan{}, err
	}
	if g.applied == nil || !g.applied.Equal(&plan.Desired) {
		if err := g.opts.Plane.Apply(&plan.Desired); err != nil {
			g.tidy()
			return Plan{}, fmt.Errorf("apply to the data plane: %w", err)
		}
		g.applied = &plan.Desired
	}
	g.unfit = map[string]unfitNIC{}
	for name, why := range in.Unfit {
		g.unfit[name] = unfitNIC{in.Links[name].Ifindex, why}
	}
	return plan, nil
}

// prepareNICs makes every NIC fit for its role, and returns the errors of customers' NICs that cannot
// be. An uplink that cannot be made fit is used as it is.
func (g *Gateway) prepareNICs(d *state.Desired, in *Inputs) []error {
	var unfit []error
	for _, n := range wantedNICs(d) {
		err := g.prepareNIC(n, in.Links[n.name].AdminUp, d.Engine)
		if n.role == Underlay {
			g.fault("uplink "+n.name, err, event.Link)
			continue
		}
		if err != nil {
			unfit = append(unfit, err)
			in.Unfit[n.name] = err.Error()
		}
	}
	return unfit
}

// prepareNIC notes how a NIC is, on disk, and only then changes it. A disk that cannot take the note
// does not keep customers from their segment. A NIC that we made fit and that is down now was set down
// by somebody, and stays down.
func (g *Gateway) prepareNIC(n wantedNIC, up bool, engine state.Engine) error {
	prepared := g.recorder.prepared(n)
	if !up && prepared {
		return nil
	}
	settings, err := g.opts.Host.Survey(n.name, n.role, engine)
	if err != nil {
		return fmt.Errorf("read the settings of %s: %w", n.name, err)
	}
	if prepared && g.applied != nil && g.applied.Engine == engine {
		return g.repairNIC(n, settings, engine)
	}
	if saved, changes := g.recorder.otherRole(n); changes {
		if err := g.opts.Host.Release(n.name, saved); err != nil {
			return fmt.Errorf("release %s from its former role: %w", n.name, err)
		}
	}
	g.diskFault(g.recorder.recordNIC(n, settings))
	if err := g.opts.Host.Prepare(n.name, n.role, engine); err != nil {
		return fmt.Errorf("prepare %s: %w", n.name, err)
	}
	return nil
}

// setUpNICs ends the preparation of NICs that are ours for the first time. It reports whether it set one
// up. A NIC that cannot be set up is tried again later.
func (g *Gateway) setUpNICs(d *state.Desired, in *Inputs) (changed bool) {
	for _, n := range wantedNICs(d) {
		if g.recorder.prepared(n) {
			continue
		}
		if n.role != Underlay && !in.Links[n.name].AdminUp {
			if err := g.opts.Host.SetUp(n.name, n.role, d.Engine); err != nil {
				g.unfit[n.name] = unfitNIC{n.ifindex, fmt.Sprintf("set %s up: %v", n.name, err)}
				continue
			}
			changed = true
		}
		g.diskFault(g.recorder.recordPrepared(n))
	}
	return changed
}

// repairNIC puts settings back that somebody changed since we made the NIC fit. They are not noted: what
// was before us is noted already.
func (g *Gateway) repairNIC(n wantedNIC, found Saved, engine state.Engine) error {
	if len(found) == 0 {
		return nil
	}
	if err := g.opts.Host.Prepare(n.name, n.role, engine); err != nil {
		return fmt.Errorf("put the settings of %s back: %w", n.name, err)
	}
	g.tampered(fmt.Sprintf("settings of interface %s (found: %s)", n.name, found))
	return nil
}

// ensureTunnel makes the device by whose routing both engines find next hops, and through which tc
// encapsulates and decapsulates some frames.
func (g *Gateway) ensureTunnel(d *state.Desired) error {
	port := d.Underlay.Port
	g.diskFault(g.recorder.recordTunnel(port))
	ifindex, err := g.opts.Host.EnsureTunnel(port, d.Underlay.ZeroChecksum6)
	if err != nil {
		return fmt.Errorf("make the tunnel device: %w", err)
	}
	d.Underlay.TunnelIfindex = ifindex
	return nil
}

// tidy takes back what the host has of us and what the kernel's tables do not use: the rest of a former
// configuration, or of one that failed. What cannot be taken back now is tried again later. Before the
// first success nothing is touched: the kernel may still forward for an earlier daemon.
func (g *Gateway) tidy() {
	if g.applied == nil {
		return
	}
	used := map[string]bool{}
	for _, name := range allNICs(g.cfg) {
		used[name] = true
	}
	var err error
	for name := range g.recorder.changes.NICs {
		if !used[name] {
			err = firstError(err, restoreNIC(g.recorder, g.opts.Host, name))
		}
	}
	for _, p := range slices.Clone(g.recorder.changes.Tunnels) {
		if p != g.applied.Underlay.Port {
			err = firstError(err, removeTunnel(g.recorder, g.opts.Host, p))
		}
	}
	g.fault("tidy", err, event.Hint)
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// syncNeighbours keeps the next hops of all VTEPs resolved, and tells which cannot be.
func (g *Gateway) syncNeighbours() {
	g.hopsStale = false
	if g.applied == nil || !g.applied.Underlay.VTEP.IsValid() || len(g.applied.Underlay.Uplinks) == 0 {
		return
	}
	var uplinks []int
	for _, u := range g.applied.Underlay.Uplinks {
		uplinks = append(uplinks, u.Ifindex)
	}
	peers, vtep := allPeers(g.applied), g.applied.Underlay.VTEP
	err := g.opts.Host.SyncNeighbours(peers, vtep, uplinks)
	if err == nil {
		var hops []NextHop
		hops, err = g.opts.Host.NextHops(peers, vtep, uplinks)
		for _, r := range g.hops.observe(hops, g.opts.Now()) {
			g.log.Append(r)
		}
	}
	g.fault("next hops", err, event.NextHop)
}

// allPeers returns every VTEP of a gateway once, sorted.
func allPeers(d *state.Desired) []netip.Addr {
	seen := map[netip.Addr]bool{}
	var out []netip.Addr
	for i := range d.Extensions {
		for _, p := range d.Extensions[i].Peers {
			if !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}
