// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddAddr gives a link an address, usable at once: without duplicate address detection.
func (s *NS) AddAddr(name string, prefix netip.Prefix) error {
	link, err := s.link(name)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: ipNet(prefix)}
	if prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := s.nl.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("add %v to %s in %s: %w", prefix, name, s.Role, err)
	}
	return nil
}

// DeleteAddr takes an address from a link; gone is success.
func (s *NS) DeleteAddr(name string, prefix netip.Prefix) error {
	link, err := s.link(name)
	if err != nil {
		return err
	}
	err = s.nl.AddrDel(link, &netlink.Addr{IPNet: ipNet(prefix)})
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("delete %v from %s in %s: %w", prefix, name, s.Role, err)
	}
	return nil
}

// Route sets where packets to dst go: over one next hop, or several of equal cost. It replaces the route
// that was there.
func (s *NS) Route(dst netip.Prefix, via ...netip.Addr) error {
	route := &netlink.Route{Dst: ipNet(dst)}
	for _, hop := range via {
		route.MultiPath = append(route.MultiPath, &netlink.NexthopInfo{Gw: hop.AsSlice()})
	}
	if len(via) == 1 {
		route.Gw, route.MultiPath = via[0].AsSlice(), nil
	}
	if err := s.nl.RouteReplace(route); err != nil {
		return fmt.Errorf("set route to %v in %s: %w", dst, s.Role, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// LearntRoutes is how many IPv6 routes the namespace has from router advertisements.
func (s *NS) LearntRoutes() (int, error) {
	routes, err := s.nl.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{Protocol: unix.RTPROT_RA}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return 0, fmt.Errorf("list routes in %s: %w", s.Role, err)
	}
	return len(routes), nil
}
