// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net/netip"
)

// gatewayConfig is what drawbridge's configuration file is written from.
type gatewayConfig struct {
	Name, Engine, Socket, State string
	Underlay, Customer          string
	VTEP, Peer                  netip.Addr
	Layout                      layout
	Guards, Untagged            bool
	OpenToMACs                  bool

	changed, bandwidth int // one extension's bandwidth to the cloud in Mb/s; 0: none has one
}

// leastMACLimit is the product's default; an extension with more stations gets twice their number.
const leastMACLimit = 1024

// mostMACLimit is the most that the product takes.
const mostMACLimit = 1 << 20

// yaml has one extension per circuit, all on the customer's NIC. Only the MAC limit and rate differ from the defaults, for tables
// are filled as fast as frames go.
func (c gatewayConfig) yaml() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "gateway:\n  name: %s\n  engine: %s\n", c.Name, c.Engine)
	fmt.Fprintf(&b, "  underlay: {interface: %s, address: %s}\n", c.Underlay, c.VTEP)
	fmt.Fprintf(&b, "  api: {socket: %s}\n  state: %s\nextensions:\n", c.Socket, c.State)
	limit := max(leastMACLimit, 2*c.Layout.perExtension())
	rate, storm := 100000, ""
	if c.OpenToMACs {
		limit, rate, storm = mostMACLimit, 1000000, ", storm: {unknown-unicast: 1000000pps}"
	}
	mode := "off"
	if c.Guards {
		mode = "enforce"
	}
	for i := range c.Layout.extensions {
		vlan := fmt.Sprint(firstVLAN + i)
		if c.Untagged {
			vlan = "untagged"
		}
		fmt.Fprintf(&b, "  e%d:\n", i)
		fmt.Fprintf(&b, "    attachment: {interface: %s, vlan: %s}\n", c.Customer, vlan)
		fmt.Fprintf(&b, "    overlay: {encapsulation: vxlan, vni: %d, peers: [%s]}\n", firstVNI+i, c.Peer)
		fmt.Fprintf(&b, "    guard: {mode: %s, macs: {limit: %d, rate: %d/s}%s", mode, limit, rate, storm)
		if c.bandwidth > 0 && i == c.changed {
			fmt.Fprintf(&b, ", bandwidth: {to-cloud: %dMbps}", c.bandwidth)
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}
