// SPDX-License-Identifier: Apache-2.0

package config

import "slices"

// Protocol is a link-local control protocol whose frames a guard may tunnel.
type Protocol string

// The protocols that may be tunnelled. PAUSE and PFC are not among them: they stop the sender on one link,
// and on another link they would stop somebody else (IEEE 802.3 annex 31B). Nor are ISL and EAPS: the one is
// a trunk's encapsulation, the other protects a ring that must not run through a tunnel.
const (
	CDP  Protocol = "cdp"  // Cisco discovery, 01:00:0c:cc:cc:cc
	CFM  Protocol = "cfm"  // connectivity fault management, EtherType 0x8902
	DTP  Protocol = "dtp"  // Cisco dynamic trunking, 01:00:0c:cc:cc:cc
	EAP  Protocol = "eap"  // IEEE 802.1X, 01:80:c2:00:00:03
	GVRP Protocol = "gvrp" // VLAN registration, 01:80:c2:00:00:21
	LACP Protocol = "lacp" // link aggregation, EtherType 0x8809
	LLDP Protocol = "lldp" // discovery, EtherType 0x88cc
	MRP  Protocol = "mrp"  // MMRP and MVRP, 01:80:c2:00:00:20 and 21
	PAGP Protocol = "pagp" // Cisco port aggregation, 01:00:0c:cc:cc:cc
	PVST Protocol = "pvst" // Cisco's spanning tree for each VLAN, 01:00:0c:cc:cc:cd
	STP  Protocol = "stp"  // spanning tree, 01:80:c2:00:00:00
	UDLD Protocol = "udld" // Cisco unidirectional links, 01:00:0c:cc:cc:cc
	VTP  Protocol = "vtp"  // Cisco VLAN trunking, 01:00:0c:cc:cc:cc
)

// Protocols lists them, sorted.
var Protocols = []Protocol{CDP, CFM, DTP, EAP, GVRP, LACP, LLDP, MRP, PAGP, PVST, STP, UDLD, VTP}

func (g *guardReader) controlFrames(path string, n *node) {
	tunnelled := make([]bool, len(Protocols))
	fields := make([]field, len(Protocols))
	for i, p := range Protocols {
		fields[i] = choice(g.reader, string(p), &tunnelled[i], option[bool]{"drop", false}, option[bool]{"tunnel", true})
	}
	g.mapping(path, n, fields)
	for i, p := range Protocols {
		if tunnelled[i] {
			g.guard.ControlFrames = append(g.guard.ControlFrames, p)
		}
	}
	slices.Sort(g.guard.ControlFrames)
}
