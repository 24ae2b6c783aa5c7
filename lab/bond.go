// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
)

// bondLinkCheck is how often, in milliseconds, a bond looks whether its ports carry.
const bondLinkCheck = 50

// Bond makes a bond of ports, which are down, and leaves it down: "active-backup", or "802.3ad" with fast LACP.
func (s *NS) Bond(name, mode string, ports ...string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bond := netlink.NewLinkBond(attrs)
	bond.Mode, bond.Miimon = netlink.StringToBondMode(mode), bondLinkCheck
	if bond.Mode == netlink.BOND_MODE_802_3AD {
		bond.LacpRate = netlink.BOND_LACP_RATE_FAST
	}
	if err := s.nl.LinkAdd(bond); err != nil {
		return fmt.Errorf("make bond %s in %s: %w", name, s.Role, err)
	}
	return s.eachLink(ports, "put under bond "+name, func(port netlink.Link) error {
		return s.nl.LinkSetMaster(port, bond)
	})
}

// BondPartner is the MAC address of the system that a bond has found by LACP; all zero before.
func (s *NS) BondPartner(name string) (string, error) {
	var report []byte
	err := s.Do(func() error {
		var err error
		report, err = os.ReadFile("/proc/thread-self/net/bonding/" + name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read bond %s in %s: %w", name, s.Role, err)
	}
	const label = "Partner Mac Address:"
	for line := range strings.Lines(string(report)) {
		if partner, ok := strings.CutPrefix(strings.TrimSpace(line), label); ok {
			return strings.TrimSpace(partner), nil
		}
	}
	return "", fmt.Errorf("bond %s in %s speaks no LACP", name, s.Role)
}
