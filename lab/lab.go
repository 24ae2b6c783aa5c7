// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Lab is a whole network: a customer, a gateway and a cloud.
type Lab struct {
	*Net
	Config      Config // with the defaults filled in
	Switch      *Switch
	Hosts       []*Host // the customer's, in the order of the extensions
	Gateway     *Gateway
	Underlay    *NS
	Hypervisors []*Hypervisor
	VMs         []*Host // by hypervisor, then by extension

	bridges map[l2.Name]string // of the customer's switch, by extension
}

// Gateway is the machine that Drawbridge runs on.
type Gateway struct {
	*NS
	Uplinks      []string // eth1, eth3 …, up
	CustomerNICs []string // eth2, eth4 …, down: Drawbridge prepares them and brings them up
	VTEP         netip.Addr

	net *Net
}

// Build makes a network. Nothing forwards between customer and cloud until a gateway is started. After an
// error nothing is left.
func Build(c Config) (*Lab, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	n, err := New(c.Prefix)
	if err != nil {
		return nil, err
	}
	l := &Lab{Net: n, Config: c, bridges: make(map[l2.Name]string)}
	for _, step := range []func() error{l.buildUnderlay, l.buildGateway, l.buildCloud, l.buildCustomer, l.waitUp} {
		if err := step(); err != nil {
			return nil, errors.Join(fmt.Errorf("build lab: %w", err), l.Close())
		}
	}
	return l, nil
}

// waitUp waits until everything but the customer's trunks carries frames: their other ends are the gateway's.
func (l *Lab) waitUp() error {
	for _, hosts := range [][]*Host{l.Hosts, l.VMs} {
		for _, h := range hosts {
			if err := h.waitUp(); err != nil {
				return err
			}
		}
	}
	for _, h := range l.Hypervisors {
		if err := h.WaitUp(h.Uplink); err != nil {
			return err
		}
	}
	return l.Gateway.WaitUp(l.Gateway.Uplinks...)
}

// buildCustomer makes the switch, its trunks to the gateway and the hosts.
func (l *Lab) buildCustomer() error {
	var err error
	if l.Switch, err = l.newSwitch("site", l.Config.trunkMTU(), len(l.Config.Extensions)); err != nil {
		return err
	}
	for i := range l.Config.CustomerNICs {
		if err := l.addTrunk(i); err != nil {
			return err
		}
	}
	for _, e := range l.Config.Extensions {
		if err := l.addHosts(e); err != nil {
			return err
		}
	}
	return nil
}

// TrunkName is the switch's end of the cable to a customer NIC of the gateway, counted from 0.
func TrunkName(nic int) string { return fmt.Sprintf("trunk%d", nic) }

func (l *Lab) addTrunk(i int) error {
	gateway := End{NS: l.Gateway.NS, Name: customerName(i)}
	if err := l.plugTrunk(gateway, TrunkName(i)); err != nil {
		return err
	}
	if !slices.Contains(l.Gateway.CustomerNICs, gateway.Name) {
		l.Gateway.CustomerNICs = append(l.Gateway.CustomerNICs, gateway.Name)
	}
	return nil
}

// plugTrunk cables a customer NIC of a gateway to a new trunk of the switch.
func (l *Lab) plugTrunk(gateway End, name string) error {
	trunk := End{NS: l.Switch.NS, Name: name}
	if err := Cable(gateway, trunk, l.Config.trunkMTU()); err != nil {
		return err
	}
	if l.Config.Wire {
		for _, end := range []End{gateway, trunk} {
			if err := end.NS.Offload(end.Name, false, TxVLAN, TxSVLAN, RxVLAN, RxSVLAN); err != nil {
				return err
			}
		}
		if err := l.Switch.Offload(trunk.Name, true, GRO); err != nil {
			return err
		}
	}
	return l.Switch.AddTrunk(trunk.Name)
}

// ReplugTrunk puts back a customer NIC of the gateway, counted from 0, that was deleted. What the switch's VLANs need
// is there again too.
func (l *Lab) ReplugTrunk(i int) error {
	if err := l.addTrunk(i); err != nil {
		return err
	}
	for number, e := range l.Config.Extensions {
		if e.NIC != i {
			continue
		}
		if err := l.Switch.rejoin(number, TrunkName(i), e.VLAN, e.PCP); err != nil {
			return err
		}
	}
	return nil
}

// addHosts makes the customer's hosts of one extension: numbers 11, 12…
func (l *Lab) addHosts(e ExtSpec) error {
	bridge, err := l.Switch.AddVLAN(TrunkName(e.NIC), e.VLAN, e.PCP)
	if err != nil {
		return err
	}
	l.bridges[e.Name] = bridge
	for n := range max(e.Hosts, 0) {
		host, err := l.newHost(hostSpec{
			role: fmt.Sprintf("host-%s-%d", e.Name, n+1), extension: string(e.Name),
			number: byte(11 + n), subnet4: e.IPv4, subnet6: e.IPv6,
			mtu: l.Config.HostMTU, wire: l.Config.Wire,
		}, l.Switch.NS, bridge)
		if err != nil {
			return err
		}
		l.Hosts = append(l.Hosts, host)
	}
	return nil
}

// Host is a customer's host of an extension, counted from 0; nil when there is none.
func (l *Lab) Host(extension string, n int) *Host { return nth(l.Hosts, extension, n) }

// VM is a virtual machine of an extension on a hypervisor, both counted from 0; nil when there is none.
func (l *Lab) VM(extension string, hypervisor, n int) *Host {
	if hypervisor >= len(l.Hypervisors) {
		return nil
	}
	return nth(l.Hypervisors[hypervisor].VMs, extension, n)
}

func nth(hosts []*Host, extension string, n int) *Host {
	for _, h := range hosts {
		if h.Extension != extension {
			continue
		}
		if n == 0 {
			return h
		}
		n--
	}
	return nil
}

// Spec is an extension's specification with its defaults filled in.
func (l *Lab) Spec(extension string) ExtSpec {
	for _, e := range l.Config.Extensions {
		if string(e.Name) == extension {
			return e
		}
	}
	return ExtSpec{}
}

// MoveToCustomer moves a machine to the customer's side of its extension.
func (l *Lab) MoveToCustomer(h *Host) error {
	return h.Move(l.Switch.NS, l.bridges[l2.Name(h.Extension)])
}

// MoveToCloud moves a machine to a hypervisor.
func (l *Lab) MoveToCloud(h *Host, hypervisor *Hypervisor) error {
	return h.Move(hypervisor.NS, hypervisor.Bridge(l.Spec(h.Extension).VNI))
}
