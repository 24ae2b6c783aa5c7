// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ForgetNeighbours deletes what a link has resolved; the kernel resolves it again.
func (s *NS) ForgetNeighbours(name string) error {
	return s.eachLink([]string{name}, "forget the neighbours of", func(l netlink.Link) error {
		list, err := s.nl.NeighList(l.Attrs().Index, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, n := range list {
			if n.State == netlink.NUD_NOARP {
				continue
			}
			if err := s.nl.NeighDel(&n); err != nil && err != unix.ENOENT {
				return err
			}
		}
		return nil
	})
}

// Unreachable sets a route that leads nowhere; DeleteRoute takes it back.
func (s *NS) Unreachable(dst netip.Prefix) error {
	if err := s.nl.RouteReplace(&netlink.Route{Dst: ipNet(dst), Type: unix.RTN_UNREACHABLE}); err != nil {
		return fmt.Errorf("make %v unreachable in %s: %w", dst, s.Role, err)
	}
	return nil
}

// DeleteRoute deletes a route that leads nowhere.
func (s *NS) DeleteRoute(dst netip.Prefix) error {
	if err := s.nl.RouteDel(&netlink.Route{Dst: ipNet(dst), Type: unix.RTN_UNREACHABLE}); err != nil {
		return fmt.Errorf("delete route to %v in %s: %w", dst, s.Role, err)
	}
	return nil
}

// LimitMemory limits a running daemon's address space to what it has now: the next page that it wants is its end. A limit
// by cgroup would be the kernel's way, and needs a hierarchy that a lab cannot count on.
func (d *Daemon) LimitMemory() error {
	if d.process == nil {
		return errors.New("limit the daemon's memory: none runs")
	}
	limit := unix.Rlimit{Cur: 1, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(d.PID(), unix.RLIMIT_AS, &limit, nil); err != nil {
		return fmt.Errorf("limit the daemon's memory: %w", err)
	}
	return nil
}
