// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Config says what to build. The zero value is one extension, VLAN 2301 to VNI 10100, between a customer
// with one host and two hypervisors with one VM each, over an IPv4 underlay of 1600 bytes.
type Config struct {
	Prefix      string // of the namespaces' names; "lab" when empty
	Extensions  []ExtSpec
	Hypervisors int // 2 when 0

	// The underlay.
	IPv6           bool
	MTU            int  // bytes of the outer IP packet; 1600 when 0
	Routed         bool // the gateway and the hypervisors are in different subnets
	VTEPOnLoopback bool // the gateway's VTEP address is on lo, not on an uplink; implies Routed
	Uplinks        int  // 1 when 0; several have a subnet each and imply Routed and VTEPOnLoopback
	NoLearning     bool // hypervisors flood: they do not learn where MACs are
	ThirdNIC       bool // the gateway has one more NIC, ThirdNIC, that is no uplink

	// The customer.
	CustomerNICs int // 1 when 0
	HostMTU      int // 1500 when 0

	// Wire makes frames as they are on a real wire, which XDP on veth needs: hosts finish checksums, and tags are
	// in the frame. Otherwise every NIC keeps its default offloads.
	Wire bool
}

// ExtSpec is one extension as the lab wires it.
type ExtSpec struct {
	Name         l2.Name
	NIC          int // 0 is the first customer NIC
	VLAN         l2.VLAN
	PCP          uint8 // of frames that the customer's switch sends
	VNI          l2.VNI
	Hosts        int          // the customer's; 1 when 0, none when negative
	VMs          int          // on each hypervisor; 1 when 0, none when negative
	IPv4         netip.Prefix // 10.n.0.0/24 when invalid; equal subnets have equal MACs too
	IPv6         netip.Prefix // fd00:n::/64 when invalid
	Unconfigured bool         // wired on both sides, but not in the gateway's configuration
}

// ThirdNIC is the name of the gateway's NIC that is no uplink.
const ThirdNIC = "eth9"

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	c.Prefix = orDefault(c.Prefix, "lab")
	c.Hypervisors = orDefault(c.Hypervisors, 2)
	c.MTU = orDefault(c.MTU, 1600)
	c.HostMTU = orDefault(c.HostMTU, 1500)
	c.Uplinks = orDefault(c.Uplinks, 1)
	c.CustomerNICs = orDefault(c.CustomerNICs, 1)
	c.VTEPOnLoopback = c.VTEPOnLoopback || c.Uplinks > 1
	c.Routed = c.Routed || c.VTEPOnLoopback
	if c.Extensions == nil {
		c.Extensions = []ExtSpec{{Name: "acme", VLAN: l2.SingleTag(2301), VNI: 10100}}
	}
	extensions := make([]ExtSpec, len(c.Extensions))
	for i, e := range c.Extensions {
		extensions[i] = e.withDefaults(i)
	}
	c.Extensions = extensions
	return c
}

func (e ExtSpec) withDefaults(i int) ExtSpec {
	e.Hosts = orDefault(e.Hosts, 1)
	e.VMs = orDefault(e.VMs, 1)
	if !e.IPv4.IsValid() {
		e.IPv4 = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte((i + 1) >> 8), byte(i + 1), 0}), 24)
	}
	if !e.IPv6.IsValid() {
		e.IPv6 = netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 2: byte((i + 1) >> 8), 3: byte(i + 1)}), 64)
	}
	return e
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

func (c Config) check() error {
	for _, e := range c.Extensions {
		if e.NIC < 0 || e.NIC >= c.CustomerNICs {
			return fmt.Errorf("build lab: extension %s is on customer NIC %d of %d", e.Name, e.NIC, c.CustomerNICs)
		}
	}
	if c.Hypervisors > 9 || c.Uplinks > 4 {
		return fmt.Errorf("build lab: %d hypervisors and %d uplinks: at most 9 and 4", c.Hypervisors, c.Uplinks)
	}
	return nil
}

// overhead is what a tunnel adds to the inner frame's payload: the inner Ethernet header and everything outside.
func (c Config) overhead() int {
	if c.IPv6 {
		return 70
	}
	return 50
}

// overlayMTU is the MTU of the hypervisors' tunnel devices.
func (c Config) overlayMTU() int { return c.MTU - c.overhead() }

// trunkMTU leaves room for a second tag when a circuit has one.
func (c Config) trunkMTU() int {
	for _, e := range c.Extensions {
		if e.VLAN.Depth() > 1 {
			return c.HostMTU + 4
		}
	}
	return c.HostMTU
}
