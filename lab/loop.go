// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Patch is a cable that makes a loop.
type Patch struct {
	end End
}

// Pull takes the cable away; twice is success.
func (p *Patch) Pull() error { return p.end.NS.DeleteLink(p.end.Name) }

// PatchCustomer plugs a cable into two ports of the customer's switch, on an extension's VLAN: what is flooded goes round.
func (l *Lab) PatchCustomer(extension string) (*Patch, error) {
	bridge := l.bridges[l2.Name(extension)]
	return l.patch(l.Switch.NS, bridge, l.Switch.NS, bridge)
}

// PatchCloud is somebody else's bridge: a cable from the customer's LAN of an extension to the same extension's bridge on
// a hypervisor.
func (l *Lab) PatchCloud(extension string, hypervisor *Hypervisor) (*Patch, error) {
	return l.patch(l.Switch.NS, l.bridges[l2.Name(extension)], hypervisor.NS, hypervisor.Bridge(l.Spec(extension).VNI))
}

func (l *Lab) patch(a *NS, bridgeA string, b *NS, bridgeB string) (*Patch, error) {
	first, second := End{NS: a, Name: l.portName()}, End{NS: b, Name: l.portName()}
	if err := Cable(first, second, l.Config.trunkMTU()); err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	p := &Patch{end: first}
	if err := errors.Join(a.Enslave(first.Name, bridgeA), b.Enslave(second.Name, bridgeB)); err != nil {
		return nil, errors.Join(fmt.Errorf("patch: %w", err), p.Pull())
	}
	return p, nil
}

const secondTrunk = "trunk-b"

// SecondGateway makes another gateway on the fabric and on the customer's switch, where it has an extension's VLAN too.
// The hypervisors flood to both. Its configuration has the first gateway among the peers.
func (l *Lab) SecondGateway(extension, engine string) (*Gateway, GatewayConfig, error) {
	space, err := l.NS("gw-b")
	if err != nil {
		return nil, GatewayConfig{}, err
	}
	address := l.plan().fabric(11)
	g := &Gateway{NS: space, Uplinks: []string{uplinkName(0)}, CustomerNICs: []string{customerName(0)}, VTEP: address.Addr(), net: l.Net}
	for _, step := range []func() error{
		func() error { return g.sysctls(noForwarding) },
		func() error { return l.cableSecondUplink(g, address) },
		func() error { return l.cableSecondTrunk(g, extension) },
		func() error { return l.floodTo(g.VTEP, l.Spec(extension).VNI) },
	} {
		if err := step(); err != nil {
			return nil, GatewayConfig{}, fmt.Errorf("make second gateway: %w", err)
		}
	}
	c := l.GatewayConfig(engine)
	c.Address = g.VTEP
	own := *c.Extension(l2.Name(extension))
	own.Interface, own.Peers = g.CustomerNICs[0], append(l.VTEPs(), l.Gateway.VTEP)
	c.Extensions = []GatewayExtension{own}
	return g, c, nil
}

func (l *Lab) cableSecondUplink(g *Gateway, address netip.Prefix) error {
	port := l.portName()
	if err := Cable(End{NS: g.NS, Name: g.Uplinks[0]}, End{NS: l.Underlay, Name: port}, l.Config.MTU); err != nil {
		return err
	}
	if l.Config.Wire {
		if err := l.Underlay.Offload(port, true, GRO); err != nil {
			return err
		}
	}
	return errors.Join(l.Underlay.Enslave(port, fabricBridge), g.Up(g.Uplinks[0]), g.AddAddr(g.Uplinks[0], address))
}

// cableSecondTrunk gives the switch one more trunk. Its bridge for the VLAN and the first trunk's are one LAN.
func (l *Lab) cableSecondTrunk(g *Gateway, extension string) error {
	e := l.Spec(extension)
	if err := l.plugTrunk(End{NS: g.NS, Name: g.CustomerNICs[0]}, secondTrunk); err != nil {
		return err
	}
	bridge, err := l.Switch.AddVLAN(secondTrunk, e.VLAN, e.PCP)
	if err != nil {
		return err
	}
	_, err = l.patch(l.Switch.NS, bridge, l.Switch.NS, l.bridges[e.Name])
	return err
}

func (l *Lab) floodTo(vtep netip.Addr, vni l2.VNI) error {
	for _, h := range l.Hypervisors {
		if err := h.AddFlood(h.Device(vni), vtep); err != nil {
			return err
		}
	}
	return nil
}
