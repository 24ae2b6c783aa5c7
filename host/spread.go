// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// SpreadPolicy is the kernel's fib_multipath_hash_policy for a family: by 0, its default, all packets between two addresses
// take one of several equal routes; by 1 a flow's ports count too (Documentation/networking/ip-sysctl).
func (h *Host) SpreadPolicy(ipv6 bool) (policy int) {
	family := "ipv4"
	if ipv6 {
		family = "ipv6"
	}
	_ = h.inside(func() error {
		policy = readNumber("/proc/sys/net/" + family + "/fib_multipath_hash_policy")
		return nil
	})
	return policy
}

// Spread are the peers that equal routes lead to by more than one of the uplinks.
func (h *Host) Spread(peers []netip.Addr, vtep netip.Addr, uplinks []int) (spread []netip.Addr, err error) {
	for _, peer := range peers {
		routes, err := h.rtnl.RouteGetWithOptions(peer.AsSlice(), &netlink.RouteGetOptions{FIBMatch: true, SrcAddr: vtep.AsSlice()})
		if err != nil && !isNoRoute(err) {
			return nil, fmt.Errorf("find route to %s: %w", peer, err)
		}
		if slices.ContainsFunc(routes, func(r netlink.Route) bool { return leadsBySeveral(&r, uplinks) }) {
			spread = append(spread, peer)
		}
	}
	return spread, nil
}

func leadsBySeveral(r *netlink.Route, uplinks []int) bool {
	by := map[int]bool{}
	for _, p := range r.MultiPath {
		if slices.Contains(uplinks, p.LinkIndex) {
			by[p.LinkIndex] = true
		}
	}
	return len(by) > 1
}
