// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Names and addresses on the two wires. The gateway's NICs have names of their own per topology, because the
// threads of their NAPI are found by name among all of the machine's.
const (
	hostNIC = "host0" // the customer's
	vtepNIC = "vtep0" // the cloud's

	customerMTU = 1500
	underlayMTU = 1600 // carries a full customer frame in VXLAN
)

var (
	hostMAC     = l2.MAC{2, 0, 0, 0, 0, 1}
	customerMAC = l2.MAC{2, 0, 0, 0, 0, 2}
	underlayMAC = l2.MAC{2, 0, 0, 0, 0, 3}
	vtepMAC     = l2.MAC{2, 0, 0, 0, 0, 4}

	gatewayVTEP = netip.MustParseAddr("192.0.2.1")
	cloudVTEP   = netip.MustParseAddr("192.0.2.2")
)

// topology is customer —veth— gateway —veth— cloud, each in a namespace of its own. Every system under test gets one,
// and they are all alike but for what runs in the gateway.
type topology struct {
	prefix string // of the namespaces' names; names the gateway, too

	customer, gateway, cloud *namespace

	customerNIC, underlayNIC string // in the gateway
}

// newTopology builds the namespaces, which prefix names, and the wires between them.
func newTopology(prefix string, number int) (*topology, error) {
	t := &topology{
		prefix:      prefix,
		customerNIC: fmt.Sprintf("c%dx%d", pid, number),
		underlayNIC: fmt.Sprintf("u%dx%d", pid, number),
	}
	if err := t.build(); err != nil {
		return nil, errors.Join(err, t.remove())
	}
	return t, nil
}

func (t *topology) build() error {
	var err error
	for _, room := range []struct {
		at     **namespace
		suffix string
	}{{&t.customer, "customer"}, {&t.gateway, "gateway"}, {&t.cloud, "cloud"}} {
		if *room.at, err = newNamespace(t.prefix + "-" + room.suffix); err != nil {
			return err
		}
	}
	if err := t.wire(t.customerNIC, customerMAC, t.customer, hostNIC, hostMAC, customerMTU); err != nil {
		return err
	}
	if err := t.wire(t.underlayNIC, underlayMAC, t.cloud, vtepNIC, vtepMAC, underlayMTU); err != nil {
		return err
	}
	return t.addressUnderlay()
}

// wire joins the gateway's NIC to the far namespace's by a veth pair with one queue, and brings both up.
func (t *topology) wire(near string, nearMAC l2.MAC, far *namespace, farName string, farMAC l2.MAC, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = near, nearMAC[:], mtu
	attrs.NumTxQueues, attrs.NumRxQueues = 1, 1
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerHardwareAddr, pair.PeerMTU = farName, farMAC[:], uint32(mtu)
	pair.PeerNumTxQueues, pair.PeerNumRxQueues = 1, 1
	pair.PeerNamespace = netlink.NsFd(far.handle)
	if err := t.gateway.links.LinkAdd(pair); err != nil {
		return fmt.Errorf("add veth %s: %w", near, err)
	}
	if err := t.gateway.up(near); err != nil {
		return err
	}
	return far.up(farName)
}

// addressUnderlay gives both VTEPs their address and a permanent neighbour: nobody waits for ARP in a measurement.
func (t *topology) addressUnderlay() error {
	if err := t.gateway.address(t.underlayNIC, underlayPrefix()); err != nil {
		return err
	}
	if err := t.cloud.address(vtepNIC, netip.PrefixFrom(cloudVTEP, 24)); err != nil {
		return err
	}
	if err := t.gateway.neighbour(t.underlayNIC, cloudVTEP, vtepMAC); err != nil {
		return err
	}
	return t.cloud.neighbour(vtepNIC, gatewayVTEP, underlayMAC)
}

// underlayPrefix is the gateway's address with its network.
func underlayPrefix() netip.Prefix { return netip.PrefixFrom(gatewayVTEP, 24) }

// remove deletes the three namespaces.
func (t *topology) remove() error {
	var errs []error
	for _, n := range []*namespace{t.customer, t.gateway, t.cloud} {
		if n != nil {
			errs = append(errs, n.remove())
		}
	}
	return errors.Join(errs...)
}

func (n *namespace) up(name string) error {
	link, err := n.links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", name, n.name, err)
	}
	if err := n.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	return nil
}

func (n *namespace) address(name string, prefix netip.Prefix) error {
	link, err := n.links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", name, n.name, err)
	}
	address := &netlink.Addr{IPNet: &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}}
	if err := n.links.AddrAdd(link, address); err != nil {
		return fmt.Errorf("add %s to %s: %w", prefix, name, err)
	}
	return nil
}

func (n *namespace) neighbour(name string, ip netip.Addr, mac l2.MAC) error {
	link, err := n.links.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", name, n.name, err)
	}
	err = n.links.NeighSet(&netlink.Neigh{
		LinkIndex:    link.Attrs().Index,
		Family:       netlink.FAMILY_V4,
		State:        netlink.NUD_PERMANENT,
		IP:           ip.AsSlice(),
		HardwareAddr: mac[:],
	})
	if err != nil {
		return fmt.Errorf("set neighbour %s on %s: %w", ip, name, err)
	}
	return nil
}

// index is the interface's number, which XDP and BPF_PROG_RUN want.
func (n *namespace) index(name string) (int, error) {
	link, err := n.links.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("find %s in %s: %w", name, n.name, err)
	}
	return link.Attrs().Index, nil
}
