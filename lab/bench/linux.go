// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// linuxSystem is the kernel's own gateway: a bridge with the customer's NIC and a vxlan device as ports. It gets every favour:
// untagged frames (a tag would cost it a VLAN device more), no learning, static tables, no netfilter, no snooping.
type linuxSystem struct{ untaggedEnds }

func (s *linuxSystem) name() string { return systemLinux }
func (s *linuxSystem) describe() string {
	return "Linux bridge + vxlan: untagged, static FDB, nolearning, no netfilter"
}
func (s *linuxSystem) learns() bool { return false }
func (s *linuxSystem) skbs() bool   { return true }
func (s *linuxSystem) stop() error  { return nil } // it goes with its namespace

func (s *linuxSystem) counters() string { return "" }

func (s *linuxSystem) fits(l layout) string {
	if l.extensions > 1 {
		return "one untagged NIC carries one extension"
	}
	return ""
}

func (s *linuxSystem) start(ctx context.Context, t *topology, l layout) error {
	gateway := t.gateway
	for _, table := range []string{"iptables", "ip6tables", "arptables"} {
		if err := gateway.sysctl("bridge/bridge-nf-call-"+table, "0"); err != nil {
			return err
		}
	}
	for _, nic := range []string{t.customerNIC, t.underlayNIC} {
		if err := gateway.setGRO(nic, true); err != nil {
			return err
		}
	}
	bridge, err := gateway.addBridge("bridge0")
	if err != nil {
		return err
	}
	vxlan, err := gateway.addVXLAN("vxlan0", gatewayVTEP.AsSlice(), t.underlayNIC)
	if err != nil {
		return err
	}
	customer, err := gateway.links.LinkByName(t.customerNIC)
	if err != nil {
		return fmt.Errorf("find %s: %w", t.customerNIC, err)
	}
	for _, port := range []netlink.Link{customer, vxlan} {
		if err := gateway.addPort(bridge, port); err != nil {
			return err
		}
	}
	return s.fill(ctx, gateway, customer, vxlan, l.stations())
}

// addBridge makes a bridge without multicast snooping and brings it up.
func (n *namespace) addBridge(name string) (*netlink.Bridge, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, customerMTU
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := n.links.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("add bridge %s: %w", name, err)
	}
	return bridge, n.up(name)
}

// addVXLAN makes a vxlan device of the first extension's segment over a NIC and brings it up.
func (n *namespace) addVXLAN(name string, local net.IP, underlay string) (*netlink.Vxlan, error) {
	ifindex, err := n.index(underlay)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, customerMTU
	vxlan := &netlink.Vxlan{
		LinkAttrs: attrs, VxlanId: firstVNI, SrcAddr: local, VtepDevIndex: ifindex,
		Port: 4789, PortLow: 49152, PortHigh: 65535, TTL: 64,
	}
	if err := n.links.LinkAdd(vxlan); err != nil {
		return nil, fmt.Errorf("add vxlan %s: %w", name, err)
	}
	return vxlan, n.up(name)
}

// addPort puts a device into a bridge, with learning off.
func (n *namespace) addPort(bridge *netlink.Bridge, port netlink.Link) error {
	if err := n.links.LinkSetMaster(port, bridge); err != nil {
		return fmt.Errorf("put %s into %s: %w", port.Attrs().Name, bridge.Name, err)
	}
	if err := n.links.LinkSetLearning(port, false); err != nil {
		return fmt.Errorf("turn learning of %s off: %w", port.Attrs().Name, err)
	}
	return nil
}

// fill writes the stations into the bridge's and the vxlan device's tables, and the flood entry that ARP needs.
func (s *linuxSystem) fill(ctx context.Context, n *namespace, customer, vxlan netlink.Link, stations int) error {
	if err := n.addVTEP(vxlan, l2.MAC{}, cloudVTEP.AsSlice()); err != nil {
		return err
	}
	for i := range stations {
		if err := ctx.Err(); err != nil {
			return err
		}
		cloud := stationMAC(cloudSide, i)
		if err := n.addStatic(customer, stationMAC(customerSide, i)); err != nil {
			return err
		}
		if err := n.addStatic(vxlan, cloud); err != nil {
			return err
		}
		if err := n.addVTEP(vxlan, cloud, cloudVTEP.AsSlice()); err != nil {
			return err
		}
	}
	return nil
}

// addStatic is `bridge fdb add MAC dev PORT master static`.
func (n *namespace) addStatic(port netlink.Link, mac l2.MAC) error {
	err := n.links.NeighSet(&netlink.Neigh{
		LinkIndex: port.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER,
		State: netlink.NUD_NOARP, HardwareAddr: mac[:],
	})
	if err != nil {
		return fmt.Errorf("add %s to bridge at %s: %w", mac, port.Attrs().Name, err)
	}
	return nil
}

// addVTEP is `bridge fdb append MAC dev VXLAN dst IP self permanent`.
func (n *namespace) addVTEP(vxlan netlink.Link, mac l2.MAC, vtep net.IP) error {
	err := n.links.NeighAppend(&netlink.Neigh{
		LinkIndex: vxlan.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF,
		State: netlink.NUD_NOARP | netlink.NUD_PERMANENT, HardwareAddr: mac[:], IP: vtep,
	})
	if err != nil {
		return fmt.Errorf("add %s to %s: %w", mac, vxlan.Attrs().Name, err)
	}
	return nil
}
