// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// machine is the host as the gateway's loop sees it.
type machine struct {
	*host.Host
	name  l2.Name                 // of the gateway
	guard func(ifindex int) error // attaches the program of a tunnel device that is not up yet
}

var _ gateway.Host = machine{}

// Links translates the host's links.
func (m machine) Links() (map[string]gateway.Link, error) {
	all, err := m.Host.Links()
	if err != nil {
		return nil, err
	}
	out := make(map[string]gateway.Link, len(all))
	for name, l := range all {
		out[name] = gateway.Link{
			Name: l.Name, Ifindex: l.Ifindex, MAC: l.MAC, MTU: l.MTU,
			Kind: l.Kind, Driver: l.Driver, NativeXDP: l.NativeXDP,
			AdminUp: l.AdminUp, Carrier: l.Carrier, Master: l.Master, Addrs: l.Addrs,
		}
	}
	return out, nil
}

// Survey returns what Prepare would change.
func (m machine) Survey(nic string, role gateway.Role, engine state.Engine) (gateway.Saved, error) {
	plan, err := m.Host.Plan(nic, hostRole(role), engine)
	if err != nil {
		return nil, err
	}
	var out gateway.Saved
	for _, c := range plan {
		out = append(out, gateway.Setting{Device: c.Device, Name: string(c.Setting), Was: c.Was})
	}
	return out, nil
}

// Prepare makes a NIC fit. What it changes was surveyed before. The host sets a customer's NIC up in the
// same breath; of one that is down only the offloads are changed here, since some drivers take no XDP
// program with them on, and SetUp does the rest once a program guards it.
func (m machine) Prepare(nic string, role gateway.Role, engine state.Engine) error {
	plan, err := m.Host.Plan(nic, hostRole(role), engine)
	if err != nil {
		return err
	}
	as := hostRole(role)
	if slices.ContainsFunc(plan, func(c host.Change) bool { return c.Setting == host.Up }) {
		as = host.Underlay
	}
	_, err = m.Host.Prepare(nic, as, engine)
	return err
}

// SetUp makes a NIC fit and sets it up.
func (m machine) SetUp(nic string, role gateway.Role, engine state.Engine) error {
	_, err := m.Host.Prepare(nic, hostRole(role), engine)
	return err
}

// Restore gives a NIC its settings back.
func (m machine) Restore(nic string, saved gateway.Saved) error {
	var s host.Saved
	for _, c := range saved {
		s = append(s, host.Change{Device: c.Device, Setting: host.Setting(c.Name), Was: c.Was})
	}
	return m.Host.Restore(nic, s)
}

// Release gives a NIC its settings back but leaves it up.
func (m machine) Release(nic string, saved gateway.Saved) error {
	return m.Restore(nic, slices.DeleteFunc(slices.Clone(saved), func(c gateway.Setting) bool { return c.Name == string(host.Up) }))
}

// hostRole translates a role.
func hostRole(r gateway.Role) host.Role {
	switch r {
	case gateway.Customer:
		return host.Customer
	case gateway.Shared:
		return host.Shared
	}
	return host.Underlay
}

// EnsureTunnel makes the tunnel device of a port.
func (m machine) EnsureTunnel(port uint16, zeroChecksum6 bool) (int, error) {
	return m.EnsureTunnelDevice(tunnelName(m.name, port), port, zeroChecksum6, m.guard)
}

// RemoveTunnel removes it.
func (m machine) RemoveTunnel(port uint16) error {
	return m.RemoveTunnelDevice(tunnelName(m.name, port))
}

// tunnelName names the tunnel device of a gateway and a port. Each port has a device of its own, so that
// another port can be set up beside the one that serves; each gateway, so that none takes another's. Device
// names have at most 15 characters.
func tunnelName(name l2.Name, port uint16) string {
	return fmt.Sprintf("dbt%d%s", port, tunnelSuffix(name))
}

func tunnelSuffix(name l2.Name) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return fmt.Sprintf("-%06x", h.Sum32()&0xffffff)
}

// isTunnelName reports whether a device has the name of a tunnel device of the gateway, of any port.
func isTunnelName(name l2.Name, device string) bool {
	return strings.HasPrefix(device, "dbt") && strings.HasSuffix(device, tunnelSuffix(name))
}

// NextHops translates the host's next hops.
func (m machine) NextHops(peers []netip.Addr, vtep netip.Addr, uplinks []int) ([]gateway.NextHop, error) {
	hops, err := m.Host.NextHops(peers, vtep, uplinks)
	if err != nil {
		return nil, err
	}
	out := make([]gateway.NextHop, len(hops))
	for i, h := range hops {
		out[i] = gateway.NextHop{Peer: h.Peer, Routed: h.Addr.IsValid(), Resolved: h.Resolved()}
	}
	return out, nil
}
