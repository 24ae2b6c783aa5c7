// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// GatewayConfig is a configuration file for Drawbridge, as far as the lab needs one.
type GatewayConfig struct {
	Name       string
	Engine     string // tc or xdp; auto when empty
	Uplinks    []string
	Address    netip.Addr
	Socket     string
	State      string
	Underlay   string // further keys of gateway.underlay, such as "reserved-bits: ignore"
	Interfaces string // the section interfaces in braces, such as "{eth2: {passthrough: true}}"
	Extensions []GatewayExtension
}

// GatewayExtension is one extension of a configuration file.
type GatewayExtension struct {
	Name       l2.Name
	Interface  string
	VLAN       l2.VLAN
	PCP        uint8
	VNI        l2.VNI
	Peers      []netip.Addr
	Guard      string // the section guard in braces, such as "{macs: {age: 10s}}"
	Attachment string // further keys of the attachment, such as "pcp: from-dscp"
}

// Text writes the file.
func (c GatewayConfig) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "gateway:\n  name: %s\n", c.Name)
	if c.Engine != "" {
		fmt.Fprintf(&b, "  engine: %s\n", c.Engine)
	}
	fmt.Fprintf(&b, "  underlay:\n    interface: [%s]\n", strings.Join(c.Uplinks, ", "))
	if c.Address.IsValid() {
		fmt.Fprintf(&b, "    address: %q\n", c.Address)
	}
	for line := range strings.Lines(c.Underlay) {
		fmt.Fprintf(&b, "    %s\n", strings.TrimRight(line, "\n"))
	}
	fmt.Fprintf(&b, "  api: {socket: %s}\n  state: %s\n", c.Socket, c.State)
	if c.Interfaces != "" {
		fmt.Fprintf(&b, "interfaces: %s\n", c.Interfaces)
	}
	if len(c.Extensions) > 0 {
		b.WriteString("extensions:\n")
	}
	for _, e := range c.Extensions {
		e.write(&b)
	}
	return b.String()
}

func (e GatewayExtension) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s:\n    attachment: {interface: %s, vlan: %s", e.Name, e.Interface, e.VLAN)
	if e.VLAN.Depth() == 2 && e.VLAN.TPID() == l2.TPIDCustomer {
		fmt.Fprintf(b, ", tpid: %v", e.VLAN.TPID())
	}
	if e.PCP != 0 {
		fmt.Fprintf(b, ", pcp: %d", e.PCP)
	}
	if e.Attachment != "" {
		fmt.Fprintf(b, ", %s", e.Attachment)
	}
	peers := make([]string, len(e.Peers))
	for i, p := range e.Peers {
		peers[i] = fmt.Sprintf("%q", p)
	}
	fmt.Fprintf(b, "}\n    overlay: {encapsulation: vxlan, vni: %d, peers: [%s]}\n", e.VNI, strings.Join(peers, ", "))
	if e.Guard != "" {
		fmt.Fprintf(b, "    guard: %s\n", e.Guard)
	}
}

// Extension finds an extension by name, to change it; nil when it is not there.
func (c *GatewayConfig) Extension(name l2.Name) *GatewayExtension {
	for i := range c.Extensions {
		if c.Extensions[i].Name == name {
			return &c.Extensions[i]
		}
	}
	return nil
}

// GatewayConfig is the configuration that joins both sides of every extension that is not Unconfigured. Name,
// socket and state are filled in by Daemon.Configure.
func (l *Lab) GatewayConfig(engine string) GatewayConfig {
	c := GatewayConfig{Engine: engine, Uplinks: l.Gateway.Uplinks, Address: l.Gateway.VTEP}
	for _, e := range l.Config.Extensions {
		if e.Unconfigured {
			continue
		}
		c.Extensions = append(c.Extensions, GatewayExtension{
			Name: e.Name, Interface: customerName(e.NIC), VLAN: e.VLAN, VNI: e.VNI, Peers: l.VTEPs(),
		})
	}
	return c
}

// VTEPs are the hypervisors' tunnel endpoints.
func (l *Lab) VTEPs() []netip.Addr {
	vteps := make([]netip.Addr, len(l.Hypervisors))
	for i, h := range l.Hypervisors {
		vteps[i] = h.VTEP
	}
	return vteps
}
