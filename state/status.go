// SPDX-License-Identifier: Apache-2.0

package state

import (
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Bridge is the state of an extension's bridge.
//
//	            trip                operator
//	lowered ──────────► half-raised ─────────► raised
//	   ▲  ◄──────────        │                   │
//	   │      release        └───── operator ────┤
//	   └──────────────── lower ──────────────────┘
//	down: circuit or underlay is not there; any state returns to what it was when the link does.
type Bridge uint8

// The four states; their numbers are the metric's values.
const (
	Lowered    Bridge = 0
	HalfRaised Bridge = 1
	RaisedUp   Bridge = 2
	Down       Bridge = 3
)

// String prints lowered, half-raised, raised or down.
func (b Bridge) String() string {
	return [...]string{"lowered", "half-raised", "raised", "down"}[b&3]
}

// Status is one reading of a whole gateway.
type Status struct {
	Gateway    GatewayStatus
	Interfaces []InterfaceStatus
	Extensions []ExtensionStatus // sorted by name
}

// GatewayStatus is about the gateway itself.
type GatewayStatus struct {
	Name         l2.Name
	Version      string
	Engine       Engine
	EngineReason string
	Uptime       time.Duration
	UnderlayNICs []string
	VTEP         netip.Addr
	UnderlayMTU  int
	KernelMemory uint64 // bytes of our maps and programs in the kernel
}

// Count is a number of frames and their bytes. A GSO super-frame counts as its segments.
type Count struct{ Frames, Bytes uint64 }

// InterfaceStatus is about one NIC.
type InterfaceStatus struct {
	Name   string
	Role   string // customer or underlay
	Rx     Count  // frames that our program saw
	Passed uint64 // frames handed to the host
	Lost   uint64 // frames that the device lost after we handed them over
	Drops  map[string]uint64
}

// ExtensionStatus is about one extension.
type ExtensionStatus struct {
	Name        l2.Name
	Description string
	Bridge      Bridge
	Reason      string // why the bridge is not lowered; empty when it is
	Since       time.Time
	NIC         string
	VLAN        l2.VLAN
	VNI         l2.VNI
	Peers       []netip.Addr
	MACs        MACCounts
	ToCloud     Counters
	ToCustomer  Counters
}

// MACCounts counts live FDB entries by side; Limit is the most learnt a side.
type MACCounts struct{ Customer, Cloud, Limit int }

// Counters counts one direction: Rx.Frames = Tx.Frames + Σ Drops.
type Counters struct {
	Rx, Tx    Count
	Copies    uint64 // frames that replication sent
	Generated uint64 // our own probes and ICMP
	Drops     map[string]uint64
	WouldDrop map[string]uint64
}

// MACEntry is one live FDB entry.
type MACEntry struct {
	Extension l2.Name
	MAC       l2.MAC
	Side      l2.Side
	VTEP      netip.Addr // invalid on the customer's side
	Age       time.Duration
	Static    bool
	Moves     int
	Frozen    bool
}

// Reading is what the data plane counts, by name.
type Reading struct {
	Interfaces   map[string]InterfaceReading
	Extensions   map[l2.Name]ExtensionReading
	KernelMemory uint64 // bytes that our maps and programs hold in the kernel
}

// InterfaceReading counts one NIC.
type InterfaceReading struct {
	Rx     Count
	Passed uint64
	Lost   uint64
	Drops  map[string]uint64
}

// ExtensionReading counts one extension. Customer and Cloud are live FDB entries by side.
type ExtensionReading struct {
	ToCloud, ToCustomer Counters
	Customer, Cloud     int
}
