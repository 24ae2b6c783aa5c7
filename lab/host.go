// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os/exec"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// Host is a machine with one NIC: a customer's host or a virtual machine in the cloud.
type Host struct {
	*NS
	Extension string // the segment that it lives on
	Link      string // its NIC
	MAC       l2.MAC
	IPv4      netip.Prefix
	IPv6      netip.Prefix

	plug End       // the other end of its cable
	dhcp *exec.Cmd // nil while it serves no DHCP
}

// hostSpec is what makes a host.
type hostSpec struct {
	role      string
	extension string
	number    byte // the last part of its addresses
	subnet4   netip.Prefix
	subnet6   netip.Prefix
	mtu       int
	wire      bool // no unfinished checksums
}

// quietIPv6 keeps a machine from speaking before it is asked: no autoconfiguration, no link-local address.
var quietIPv6 = map[string]string{
	"ipv6/conf/default/accept_ra":            "0",
	"ipv6/conf/default/autoconf":             "0",
	"ipv6/conf/default/accept_dad":           "0",
	"ipv6/conf/default/dad_transmits":        "0",
	"ipv6/conf/default/router_solicitations": "0",
	"ipv6/conf/default/addr_gen_mode":        "1",
	// The kernel repeats multicast listener reports after this many milliseconds.
	"ipv6/conf/default/mldv2_unsolicited_report_interval": "1",
}

// noIPv6 is for namespaces that only switch frames.
var noIPv6 = map[string]string{
	"ipv6/conf/all/disable_ipv6":     "1",
	"ipv6/conf/default/disable_ipv6": "1",
}

// noBridgeFilter keeps netfilter out of bridges: it would drop frames whose IP header it does not like.
var noBridgeFilter = map[string]string{
	"bridge/bridge-nf-call-iptables":  "0",
	"bridge/bridge-nf-call-ip6tables": "0",
	"bridge/bridge-nf-call-arptables": "0",
}

// skipBridgeFilter sets noBridgeFilter; where netfilter's bridge part is not loaded nothing is in the way.
func (s *NS) skipBridgeFilter() error {
	if err := s.sysctls(noBridgeFilter); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// newHost makes a host and plugs it into a bridge of another namespace.
func (n *Net) newHost(spec hostSpec, at *NS, bridge string) (*Host, error) {
	space, err := n.NS(spec.role)
	if err != nil {
		return nil, err
	}
	if err := space.sysctls(quietIPv6); err != nil {
		return nil, err
	}
	h := &Host{
		NS: space, Extension: spec.extension, Link: "eth0",
		MAC:  hostMAC(spec.subnet4, spec.number),
		IPv4: hostPrefix(spec.subnet4, spec.number),
		IPv6: hostPrefix(spec.subnet6, spec.number),
		plug: End{NS: at, Name: n.portName()},
	}
	if err := Cable(End{NS: space, Name: h.Link, MAC: h.MAC}, h.plug, spec.mtu); err != nil {
		return nil, err
	}
	if spec.wire {
		if err := space.Offload(h.Link, false, TxChecksum); err != nil {
			return nil, err
		}
	}
	return h, h.plugIn(bridge)
}

// plugIn connects the host's cable to a bridge and gives the host its addresses.
func (h *Host) plugIn(bridge string) error {
	if err := h.plug.NS.Enslave(h.plug.Name, bridge); err != nil {
		return err
	}
	if err := h.Up(h.Link); err != nil {
		return err
	}
	for _, prefix := range []netip.Prefix{h.IPv4, h.IPv6} {
		if !prefix.IsValid() {
			continue
		}
		if err := h.AddAddr(h.Link, prefix); err != nil {
			return err
		}
	}
	return nil
}

// Move unplugs the host and plugs it into a bridge elsewhere, as a live migration does: addresses and
// connections stay, and a RARP tells the new segment where it is now.
func (h *Host) Move(to *NS, bridge string) error {
	if err := h.plug.NS.MoveLink(h.plug.Name, to); err != nil {
		return fmt.Errorf("move host %s: %w", h.Role, err)
	}
	h.plug.NS = to
	if err := to.Enslave(h.plug.Name, bridge); err != nil {
		return fmt.Errorf("move host %s: %w", h.Role, err)
	}
	if err := h.waitUp(); err != nil {
		return fmt.Errorf("move host %s: %w", h.Role, err)
	}
	return h.Announce()
}

// waitUp waits until both ends of the host's cable carry frames.
func (h *Host) waitUp() error {
	if err := h.plug.NS.WaitUp(h.plug.Name); err != nil {
		return err
	}
	return h.WaitUp(h.Link)
}

// Announce sends what a hypervisor sends for a machine that has just arrived.
func (h *Host) Announce() error {
	return h.Send(h.Link, frame.RARP(h.MAC), frame.GratuitousARP(h.MAC, h.IPv4.Addr()))
}

// hostMAC follows from the IPv4 address: equal subnets have equal stations.
func hostMAC(subnet netip.Prefix, number byte) l2.MAC {
	a := subnet.Addr().As4()
	return l2.MAC{0x02, 0xdb, a[0], a[1], a[2], number}
}

// hostPrefix puts number into the last byte of a subnet's address.
func hostPrefix(subnet netip.Prefix, number byte) netip.Prefix {
	b := subnet.Addr().AsSlice()
	if len(b) == 0 {
		return netip.Prefix{}
	}
	b[len(b)-1] = number
	addr, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(addr, subnet.Bits())
}
