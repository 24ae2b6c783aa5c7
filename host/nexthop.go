// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NextHop is where packets to a peer go when they leave through one uplink.
type NextHop struct {
	Peer   netip.Addr
	Uplink int        // ifindex
	Addr   netip.Addr // a router, or the peer itself; invalid when no route leads out of the uplink
	MTU    int        // of the route, in bytes of IP packet; 0 when the route states none
	MAC    l2.MAC     // zero while not resolved
}

// Resolved reports whether packets can be sent: route and link address are known.
func (n NextHop) Resolved() bool { return !n.MAC.IsZero() }

// NextHops finds the next hops of every peer over every uplink, and whether they are resolved. A peer
// without a route over an uplink is in the result with an invalid Addr. An invalid vtep leaves the choice
// of the source address to the kernel.
func (h *Host) NextHops(peers []netip.Addr, vtep netip.Addr, uplinks []int) ([]NextHop, error) {
	hops, err := h.routeAll(peers, vtep, uplinks)
	if err != nil {
		return nil, err
	}
	neighbours, err := h.neighbours()
	if err != nil {
		return nil, err
	}
	for i := range hops {
		if n, ok := neighbours[hops[i].key()]; ok && n.valid() {
			hops[i].MAC = n.mac
		}
	}
	return hops, nil
}

func (n NextHop) key() neighbourKey { return neighbourKey{n.Uplink, n.Addr} }

func (h *Host) routeAll(peers []netip.Addr, vtep netip.Addr, uplinks []int) ([]NextHop, error) {
	hops := make([]NextHop, 0, len(peers)*len(uplinks))
	for _, peer := range peers {
		for _, uplink := range uplinks {
			routed, err := h.route(peer, vtep, uplink)
			if err != nil {
				return nil, err
			}
			if routed == nil {
				routed = []NextHop{{Peer: peer, Uplink: uplink}}
			}
			hops = append(hops, routed...)
		}
	}
	return hops, nil
}

// route asks for the route itself, not for a lookup's result: a lookup bound to a device calls everything
// on-link that has no route, and chooses one of several next hops by chance.
func (h *Host) route(peer, vtep netip.Addr, uplink int) ([]NextHop, error) {
	options := &netlink.RouteGetOptions{OifIndex: uplink, FIBMatch: true}
	if vtep.IsValid() {
		options.SrcAddr = vtep.AsSlice()
	}
	routes, err := h.rtnl.RouteGetWithOptions(peer.AsSlice(), options)
	if isNoRoute(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find route to %s: %w", peer, err)
	}
	var hops []NextHop
	for _, r := range routes {
		if r.Type == unix.RTN_UNICAST {
			hops = append(hops, hopsOver(uplink, peer, &r)...)
		}
	}
	return hops, nil
}

// isNoRoute knows the kernel's answers that mean that nothing leads there now. EINVAL is the answer to a
// blackhole route and to a source address that the host lacks, EACCES to a prohibit route.
func isNoRoute(err error) bool {
	for _, e := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.ENODEV, unix.ENXIO,
		unix.EADDRNOTAVAIL, unix.EINVAL, unix.EACCES, unix.ESRCH, unix.EAGAIN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func hopsOver(uplink int, peer netip.Addr, r *netlink.Route) []NextHop {
	paths := r.MultiPath
	if len(paths) == 0 {
		paths = []*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw, Via: r.Via, Flags: r.Flags}}
	}
	var hops []NextHop
	for _, p := range paths {
		if p.LinkIndex == uplink && p.Flags&unix.RTNH_F_DEAD == 0 {
			hops = append(hops, NextHop{Peer: peer, Uplink: uplink, Addr: gateway(p, peer), MTU: r.MTU})
		}
	}
	return hops
}

// gateway is the router of a path; without one the peer is on the link itself. A router of the other
// family (RFC 5549) is in RTA_VIA.
func gateway(p *netlink.NexthopInfo, peer netip.Addr) netip.Addr {
	ip := p.Gw
	if via, ok := p.Via.(*netlink.Via); ok {
		ip = via.Addr
	}
	if addr, ok := netip.AddrFromSlice(net.IP(ip)); ok {
		return addr.Unmap()
	}
	return peer
}
