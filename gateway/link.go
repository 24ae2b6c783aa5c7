// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Link is what a plan needs to know of one NIC of the host.
type Link struct {
	Name    string
	Ifindex int
	MAC     l2.MAC
	MTU     int    // bytes of payload after the Ethernet header
	Kind    string // veth, bond, tun …; "device" when a driver of its own serves it
	Driver  string // such as mlx5_core; empty when unknown
	AdminUp bool
	Carrier bool
	Master  string         // the bridge or bond that it is a port of
	Addrs   []netip.Prefix // without IPv6 link-local ones that the kernel made by itself
	// NativeXDP says that the driver runs XDP programs itself and redirects between NICs.
	NativeXDP bool
}

// equal reports whether two links are the same to a plan.
func (l Link) equal(m Link) bool {
	return l.Name == m.Name && l.Ifindex == m.Ifindex && l.MAC == m.MAC && l.MTU == m.MTU &&
		l.Kind == m.Kind && l.Driver == m.Driver && l.AdminUp == m.AdminUp &&
		l.Carrier == m.Carrier && l.NativeXDP == m.NativeXDP && l.Master == m.Master && slices.Equal(l.Addrs, m.Addrs)
}

// downReason says in a sentence why no frame can cross the link; empty when one can.
func downReason(links map[string]Link, name string) string {
	l, found := links[name]
	switch {
	case !found:
		return fmt.Sprintf("interface %s does not exist", name)
	case !l.AdminUp:
		return fmt.Sprintf("interface %s is down", name)
	case !l.Carrier:
		return fmt.Sprintf("interface %s has no carrier", name)
	}
	return ""
}

// globalAddrs returns the link's addresses that other hosts could reach it by, without link-local
// ones: no VTEP elsewhere can send to those.
func (l Link) globalAddrs() []netip.Addr {
	var out []netip.Addr
	for _, p := range l.Addrs {
		if a := p.Addr().Unmap(); a.IsGlobalUnicast() && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// localAddrs returns every address of the host and the link that has it, the first by name of several.
func localAddrs(links map[string]Link) map[netip.Addr]string {
	out := map[netip.Addr]string{}
	for _, name := range slices.Sorted(maps.Keys(links)) {
		for _, p := range links[name].Addrs {
			a := p.Addr().Unmap().WithZone("")
			if _, known := out[a]; !known {
				out[a] = name
			}
		}
	}
	return out
}
