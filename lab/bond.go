// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"

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
	link, err := s.link(name)
	if err != nil {
		return "", err
	}
	bond, ok := link.(*netlink.Bond)
	if !ok || bond.AdInfo == nil {
		return "", fmt.Errorf("%s in %s speaks no LACP", name, s.Role)
	}
	return bond.AdInfo.PartnerMac.String(), nil
}
