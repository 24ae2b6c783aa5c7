// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

// Peers behind equal routes by both uplinks are told from those that one uplink leads to, or that a worse route leads to by the other.
func TestSpread(t *testing.T) {
	h := fresh(t)
	eth1, eth3 := uplinks(t, h)
	gw1, gw3 := net.ParseIP("192.0.2.1"), net.ParseIP("198.51.100.1")
	gw6, third6 := net.ParseIP("2001:db8:1::1"), net.ParseIP("2001:db8:3::1")
	addRoute(t, h, &netlink.Route{LinkIndex: eth1, Gw: gw1}, "203.0.113.0/26")
	addRoute(t, h, &netlink.Route{LinkIndex: eth3, Gw: gw3, Priority: 100}, "203.0.113.0/26")
	addRoute(t, h, &netlink.Route{MultiPath: []*netlink.NexthopInfo{{LinkIndex: eth1, Gw: gw1}, {LinkIndex: eth3, Gw: gw3}}}, "203.0.113.64/26")
	addRoute(t, h, &netlink.Route{MultiPath: []*netlink.NexthopInfo{{LinkIndex: eth1, Gw: gw6}, {LinkIndex: eth3, Gw: third6}}}, "2001:db8:200::/48")
	for _, c := range []struct {
		peers []string
		vtep  netip.Addr
		want  []string
	}{
		{[]string{"192.0.2.20", "203.0.113.1", "203.0.113.65", "203.0.113.255"}, vtep4, []string{"203.0.113.65"}},
		{[]string{"2001:db8:1::20", "2001:db8:200::1"}, vtep6, []string{"2001:db8:200::1"}},
	} {
		var peers []netip.Addr
		for _, p := range c.peers {
			peers = append(peers, netip.MustParseAddr(p))
		}
		spread, err := h.Spread(peers, c.vtep, []int{eth1, eth3})
		must(t, err)
		var got []string
		for _, p := range spread {
			got = append(got, p.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.peers, got, c.want)
		}
	}
	if p4, p6 := h.SpreadPolicy(false), h.SpreadPolicy(true); p4 != 0 || p6 != 0 {
		t.Errorf("policies %d and %d of a new namespace, want the kernel's default", p4, p6)
	}
}
