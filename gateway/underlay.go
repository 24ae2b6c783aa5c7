// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/state"
)

// underlay is the plan of the IP network that carries the tunnels.
type underlay struct {
	desired state.Underlay
	short   ShortMTU
	down    string // why no tunnel can work; empty when they can
	refused string // what no change of the host's links would mend; also in down
}

// planUnderlay finds the uplinks, the local VTEP's address and the path's MTU.
func planUnderlay(c config.Underlay, links map[string]Link, engine state.Engine) underlay {
	u := underlay{desired: state.Underlay{
		Port:               c.Port,
		ZeroChecksum6:      c.ZeroChecksum6,
		IgnoreReservedBits: c.IgnoreReservedBits,
	}}
	present := presentUplinks(c.Interfaces, links)
	for _, l := range present {
		if u.refused = cmp.Or(u.refused, refuseBond(engine, l)); u.refused != "" {
			continue
		}
		u.desired.Uplinks = append(u.desired.Uplinks, state.Uplink{Name: l.Name, Ifindex: l.Ifindex, MAC: l.MAC})
	}
	u.desired.MTU, u.short = fitMTU(c.MTU, present)
	if u.refused != "" {
		u.desired.Uplinks, u.down = nil, u.refused
		return u
	}
	addr, why := vtepAddr(c, present, links)
	u.desired.VTEP = addr
	u.down = cmp.Or(uplinksDown(c.Interfaces, links), why)
	return u
}

func presentUplinks(names []string, links map[string]Link) []Link {
	var out []Link
	for _, name := range names {
		if l, found := links[name]; found {
			out = append(out, l)
		}
	}
	return out
}

// uplinksDown says why none of the uplinks carries frames; empty when one does.
func uplinksDown(names []string, links map[string]Link) string {
	var why []string
	for _, name := range names {
		reason := downReason(links, name)
		if reason == "" {
			return ""
		}
		why = append(why, reason)
	}
	return "underlay: " + strings.Join(why, ", ")
}

// vtepAddr finds the local tunnel endpoint's address: the configured one when it is on an uplink or
// on lo, or else the uplinks' only global one.
func vtepAddr(c config.Underlay, uplinks []Link, links map[string]Link) (netip.Addr, string) {
	if c.Address.IsValid() {
		return configuredAddr(c, uplinks, links)
	}
	var found []netip.Addr
	for _, l := range uplinks {
		found = append(found, l.globalAddrs()...)
	}
	names := strings.Join(c.Interfaces, ", ")
	switch len(found) {
	case 1:
		return found[0], ""
	case 0:
		return netip.Addr{}, fmt.Sprintf("underlay: %s has no global address: give it one, or set underlay.address to one of lo", names)
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return netip.Addr{}, fmt.Sprintf("underlay: %s has the addresses %s: set underlay.address to one of them", names, joinAddrs(found))
}

func configuredAddr(c config.Underlay, uplinks []Link, links map[string]Link) (netip.Addr, string) {
	candidates := uplinks
	if lo, found := links["lo"]; found {
		candidates = append(slices.Clone(uplinks), lo)
	}
	for _, l := range candidates {
		for _, p := range l.Addrs {
			if p.Addr().Unmap().WithZone("") == c.Address {
				return c.Address, ""
			}
		}
	}
	return netip.Addr{}, fmt.Sprintf("underlay: address %s is neither on %s nor on lo", c.Address, strings.Join(c.Interfaces, ", "))
}

func joinAddrs(addrs []netip.Addr) string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return strings.Join(out, ", ")
}
