// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// configCell is how long a system takes to carry a number of extensions.
type configCell struct {
	System     string    `json:"system"`
	Extensions int       `json:"extensions"`
	Seconds    []float64 `json:"seconds"`
}

// configRounds is few: making and removing thousands of devices takes minutes.
const configRounds = 3

// configStep builds a gateway in a fresh topology and returns how long that took.
type configStep struct {
	name  string
	apply func(ctx context.Context, t *topology, pairs int) (time.Duration, error)
}

// measureConfig times both ways in turns.
func measureConfig(ctx context.Context, o *options, log logger) ([]configCell, error) {
	steps := []configStep{{"linux", applyLinux}}
	if o.binary != binaryNone {
		steps = append(steps, configStep{"xdp", applyDrawbridge(o, "xdp")}, configStep{"tc", applyDrawbridge(o, "tc")})
	}
	cells := make([]configCell, len(steps))
	for i, step := range steps {
		cells[i] = configCell{System: step.name, Extensions: o.pairs}
	}
	for range min(o.rounds, configRounds) {
		for i, step := range steps {
			took, err := timeConfig(ctx, step, i, o.pairs)
			if err != nil {
				return cells, err
			}
			log("%s: %d extensions in %s", step.name, o.pairs, took.Round(time.Millisecond))
			cells[i].Seconds = append(cells[i].Seconds, took.Seconds())
		}
	}
	return cells, nil
}

func timeConfig(ctx context.Context, step configStep, number, pairs int) (took time.Duration, err error) {
	t, err := newTopology(fmt.Sprintf("%sc%d", namePrefix(), number), number)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, t.remove()) }()
	for _, end := range []struct {
		n   *namespace
		nic string
	}{{t.customer, hostNIC}, {t.cloud, vtepNIC}} {
		if err := end.n.setGRO(end.nic, true); err != nil { // XDP's peer
			return 0, err
		}
	}
	took, err = step.apply(ctx, t, pairs)
	if err != nil {
		return 0, fmt.Errorf("apply %d extensions with %s: %w", pairs, step.name, err)
	}
	return took, nil
}

// applyLinux makes a vxlan device and a bridge per extension over one netlink socket, which is the fastest way there is. The customers'
// VLAN devices are left out: not every kernel has them, and it favours Linux.
func applyLinux(ctx context.Context, t *topology, pairs int) (time.Duration, error) {
	underlay, err := t.gateway.index(t.underlayNIC)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	for i := range pairs {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := addPair(t.gateway, i, underlay); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

func addPair(n *namespace, number, underlay int) error {
	bridgeAttrs, vxlanAttrs := netlink.NewLinkAttrs(), netlink.NewLinkAttrs()
	bridgeAttrs.Name, vxlanAttrs.Name = fmt.Sprintf("b%d", number), fmt.Sprintf("v%d", number)
	bridge := &netlink.Bridge{LinkAttrs: bridgeAttrs}
	if err := n.links.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add bridge %d: %w", number, err)
	}
	if err := n.links.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bring bridge %d up: %w", number, err)
	}
	vxlanAttrs.MasterIndex = bridge.Index
	vxlan := &netlink.Vxlan{LinkAttrs: vxlanAttrs, VxlanId: firstVNI + number, SrcAddr: gatewayVTEP.AsSlice(), VtepDevIndex: underlay, Port: 4789}
	if err := n.links.LinkAdd(vxlan); err != nil {
		return fmt.Errorf("add vxlan %d: %w", number, err)
	}
	if err := n.links.LinkSetUp(vxlan); err != nil {
		return fmt.Errorf("bring vxlan %d up: %w", number, err)
	}
	return n.addVTEP(vxlan, l2.MAC{}, cloudVTEP.AsSlice())
}

// applyDrawbridge times the daemon from its start until every extension is lowered.
func applyDrawbridge(o *options, engine string) func(context.Context, *topology, int) (time.Duration, error) {
	return func(ctx context.Context, t *topology, pairs int) (took time.Duration, err error) {
		d := &drawbridge{binary: o.binary, engine: engine, guards: true}
		defer func() { err = errors.Join(err, d.stop()) }()
		start := time.Now()
		err = d.start(ctx, t, layout{extensions: pairs, macs: pairs})
		return time.Since(start), err
	}
}
