// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var (
	vtep4 = netip.MustParseAddr("192.0.2.10")
	vtep6 = netip.MustParseAddr("2001:db8:1::10")
)

// uplinks makes eth1 and eth3 with an address each; their other ends are here too.
func uplinks(t *testing.T, h *Host) (eth1, eth3 int) {
	t.Helper()
	veth(t, h, "eth1", "peer1")
	veth(t, h, "eth3", "peer3")
	up(t, h.rtnl, "eth1", "peer1", "eth3", "peer3")
	address(t, h.rtnl, "eth1", "192.0.2.10/24")
	address(t, h.rtnl, "eth1", "2001:db8:1::10/64")
	address(t, h.rtnl, "eth3", "198.51.100.10/24")
	address(t, h.rtnl, "eth3", "2001:db8:3::10/64")
	return link(t, h.rtnl, "eth1").Attrs().Index, link(t, h.rtnl, "eth3").Attrs().Index
}

func addRoute(t *testing.T, h *Host, r *netlink.Route, dst string) {
	t.Helper()
	_, n, err := net.ParseCIDR(dst)
	must(t, err)
	r.Dst = n
	must(t, h.rtnl.RouteAdd(r))
}

// gateways gives the next hops to one peer over each uplink, "-" where no route leads.
func gateways(t *testing.T, h *Host, peer string, vtep netip.Addr, uplinks ...int) []string {
	t.Helper()
	hops, err := h.NextHops([]netip.Addr{netip.MustParseAddr(peer)}, vtep, uplinks)
	must(t, err)
	var got []string
	for _, hop := range hops {
		if hop.Resolved() {
			t.Errorf("%+v resolved, with nobody there", hop)
		}
		text := "-"
		if hop.Addr.IsValid() {
			text = hop.Addr.String()
		}
		got = append(got, text)
	}
	return got
}

func TestNextHops(t *testing.T) {
	h := fresh(t)
	eth1, eth3 := uplinks(t, h)
	gw1, gw3 := net.ParseIP("192.0.2.1"), net.ParseIP("198.51.100.1")
	gw6 := net.ParseIP("2001:db8:1::1")
	addRoute(t, h, &netlink.Route{LinkIndex: eth1, Gw: gw1}, "203.0.113.0/26")
	addRoute(t, h, &netlink.Route{MultiPath: []*netlink.NexthopInfo{{LinkIndex: eth1, Gw: gw1}, {LinkIndex: eth3, Gw: gw3}}}, "203.0.113.64/26")
	addRoute(t, h, &netlink.Route{Type: unix.RTN_BLACKHOLE}, "203.0.113.128/26")
	addRoute(t, h, &netlink.Route{LinkIndex: eth1, Gw: gw1, MTU: 1400}, "203.0.113.192/26")
	addRoute(t, h, &netlink.Route{LinkIndex: eth1, Via: &netlink.Via{AddrFamily: unix.AF_INET6, Addr: gw6}}, "198.18.0.0/24")
	addRoute(t, h, &netlink.Route{LinkIndex: eth1, Gw: gw6}, "2001:db8:100::/48")
	addRoute(t, h, &netlink.Route{MultiPath: []*netlink.NexthopInfo{{LinkIndex: eth1, Gw: gw6}, {LinkIndex: eth3, Gw: net.ParseIP("2001:db8:3::1")}}}, "2001:db8:200::/48")

	for _, c := range []struct {
		name, peer string
		vtep       netip.Addr
		want       []string
	}{
		{"on the link", "192.0.2.20", vtep4, []string{"192.0.2.20", "-"}},
		{"behind a router", "203.0.113.1", vtep4, []string{"192.0.2.1", "-"}},
		{"without a source", "203.0.113.1", netip.Addr{}, []string{"192.0.2.1", "-"}},
		{"equal cost", "203.0.113.65", vtep4, []string{"192.0.2.1", "198.51.100.1"}},
		{"blackhole", "203.0.113.129", vtep4, []string{"-", "-"}},
		{"no route", "8.8.8.8", vtep4, []string{"-", "-"}},
		{"source gone", "192.0.2.20", netip.MustParseAddr("192.0.2.99"), []string{"-", "-"}},
		{"ourselves", "192.0.2.10", vtep4, []string{"-", "-"}},
		{"IPv4 behind an IPv6 router", "198.18.0.1", vtep4, []string{"2001:db8:1::1", "-"}},
		{"IPv6 on the link", "2001:db8:1::20", vtep6, []string{"2001:db8:1::20", "-"}},
		{"IPv6 behind a router", "2001:db8:100::1", vtep6, []string{"2001:db8:1::1", "-"}},
		{"IPv6 equal cost", "2001:db8:200::1", vtep6, []string{"2001:db8:1::1", "2001:db8:3::1"}},
		{"IPv6 no route", "2001:db8:999::1", vtep6, []string{"-", "-"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := gateways(t, h, c.peer, c.vtep, eth1, eth3); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}

	hops, err := h.NextHops([]netip.Addr{netip.MustParseAddr("203.0.113.193")}, vtep4, []int{eth1})
	must(t, err)
	if len(hops) != 1 || hops[0].MTU != 1400 || hops[0].Uplink != eth1 {
		t.Errorf("%+v", hops)
	}
}

func TestNextHopOverALinkThatIsGone(t *testing.T) {
	h := fresh(t)
	eth1, _ := uplinks(t, h)
	if got := gateways(t, h, "192.0.2.20", vtep4, 9999); !slices.Equal(got, []string{"-"}) {
		t.Error(got)
	}
	must(t, h.rtnl.LinkSetDown(link(t, h.rtnl, "eth1")))
	if got := gateways(t, h, "192.0.2.20", vtep4, eth1); !slices.Equal(got, []string{"-"}) {
		t.Error(got)
	}
}
