// SPDX-License-Identifier: Apache-2.0

// Package state has the tables between decision and kernel: what is desired (Desired) and what was
// observed (Status). Values are plain and are replaced as a whole, never changed in place, so that a
// reader may keep one without a lock.
package state

import (
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Engine is how frames are moved.
type Engine uint8

// The two engines.
const (
	EngineTC  Engine = 1
	EngineXDP Engine = 2
)

// String prints tc or xdp.
func (e Engine) String() string {
	switch e {
	case EngineTC:
		return "tc"
	case EngineXDP:
		return "xdp"
	}
	return "none"
}

// Desired is everything that the kernel shall hold for one gateway.
type Desired struct {
	Gateway    l2.Name
	Engine     Engine
	Underlay   Underlay
	NICs       []NIC       // the customers' NICs that exist and are fit
	Extensions []Extension // sorted by name
}

// Underlay is the IP network that carries the tunnels.
type Underlay struct {
	Uplinks            []Uplink   // 1 to 4 that exist
	VTEP               netip.Addr // local tunnel endpoint; invalid while the host lacks it
	Port               uint16     // UDP destination port
	MTU                int        // bytes of the outer IP packet that the path carries
	ZeroChecksum6      bool       // RFC 6935: outer UDP checksum 0 over IPv6
	IgnoreReservedBits bool       // RFC 7348 §5's reading: ignored on receipt
	TunnelIfindex      int        // our collect-metadata vxlan device
}

// Uplink is one NIC towards the underlay.
type Uplink struct {
	Name    string
	Ifindex int
	MAC     l2.MAC
}

// NIC is one NIC on which customers arrive.
type NIC struct {
	Name        string
	Ifindex     int
	MAC         l2.MAC
	MTU         int  // bytes of payload after the Ethernet header, tags not counted
	Passthrough bool // frames that fit no circuit go to the host
}

// PCPFromDSCP as Extension.PCP takes the priority of the tag from the inner DSCP's upper three bits.
const PCPFromDSCP = 8

// Extension is one circuit joined to one overlay segment.
type Extension struct {
	Name     l2.Name
	NIC      string // the circuit's NIC; need not exist while Down
	VLAN     l2.VLAN
	PCP      uint8 // 0–7, or PCPFromDSCP
	VNI      l2.VNI
	Peers    []netip.Addr // VTEPs, at most 128, without doubles
	Raised   bool         // by the operator: nothing flows
	Down     bool         // circuit or underlay down: what arrives is counted as no-next-hop
	MACLimit uint32       // learnt MACs a side
	MACAge   time.Duration
	Static   []StaticMAC
	Inner    InnerVLANs
	Mode     GuardMode
	Guards   Guards
}

// GuardMode is the mode of an extension's guards.
type GuardMode uint8

// The three modes. The zero value enforces.
const (
	Enforce GuardMode = 0
	Observe GuardMode = 1
	Off     GuardMode = 2
)

// InnerVLANs says which tags may follow the circuit's own. The zero value drops all.
type InnerVLANs struct {
	AllowAll bool
	Allowed  []l2.VID
}

// StaticMAC is a station whose place the operator gave.
type StaticMAC struct {
	MAC    l2.MAC
	Side   l2.Side
	VTEP   netip.Addr // of a station in the cloud; else invalid
	Pinned bool       // lives in the cloud, VTEP learnt, never learnt from the customer
}
