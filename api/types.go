// SPDX-License-Identifier: Apache-2.0

package api

import "time"

// Status is the document of GET /v1/status. Its lists and maps are never null.
type Status struct {
	Gateway    GatewayInfo `json:"gateway"`
	Interfaces []Interface `json:"interfaces"`
	Extensions []Extension `json:"extensions"` // sorted by name
}

// GatewayInfo is about the gateway itself.
type GatewayInfo struct {
	Name          string   `json:"name"`
	Version       string   `json:"version"`
	Engine        string   `json:"engine"`        // xdp, tc, or none before one is chosen
	EngineReason  string   `json:"engine_reason"` // why this engine
	UptimeSeconds int64    `json:"uptime_seconds"`
	Underlay      Underlay `json:"underlay"`
	KernelMemory  uint64   `json:"kernel_memory_bytes"` // of our maps and programs
}

// Underlay is the network that carries the tunnels.
type Underlay struct {
	Interfaces []string `json:"interfaces"`
	Address    string   `json:"address"` // the local VTEP; empty while the host lacks it
	MTU        int      `json:"mtu"`     // bytes of the outer IP packet
}

// Count is a number of frames and their bytes, without tag and FCS.
type Count struct {
	Frames uint64 `json:"frames"`
	Bytes  uint64 `json:"bytes"`
}

// Interface counts one NIC. Drops has a key for each reason of the NIC's role, also at zero.
type Interface struct {
	Name   string            `json:"name"`
	Role   string            `json:"role"` // customer or underlay
	Rx     Count             `json:"rx"`
	Passed uint64            `json:"passed"` // frames handed to the host
	Lost   uint64            `json:"lost"`   // frames that the device lost after we handed them over
	Drops  map[string]uint64 `json:"drops"`
}

// The values of Extension.Bridge.
const (
	BridgeLowered    = "lowered"
	BridgeHalfRaised = "half-raised"
	BridgeRaised     = "raised"
	BridgeDown       = "down"
)

// Extension is one customer's stretched segment.
type Extension struct {
	Name        string     `json:"name"`
	Bridge      string     `json:"bridge" enum:"lowered,half-raised,raised,down"`
	Reason      string     `json:"reason"` // why the bridge is not lowered; empty when it is
	Since       time.Time  `json:"since"`  // UTC, whole seconds
	Attachment  Attachment `json:"attachment"`
	Overlay     Overlay    `json:"overlay"`
	MACs        MACCounts  `json:"macs"`
	ToCloud     Counters   `json:"to_cloud"`
	ToCustomer  Counters   `json:"to_customer"`
	Description string     `json:"description"`
}

// Attachment is the circuit on which the customer arrives.
type Attachment struct {
	Interface string `json:"interface"`
	VLAN      string `json:"vlan"` // "2301", "100.200" (outer.inner) or "untagged"
}

// Overlay is the segment on the other side.
type Overlay struct {
	Encapsulation string   `json:"encapsulation"`
	VNI           uint32   `json:"vni"`
	Peers         []string `json:"peers"`
}

// MACCounts counts live FDB entries by side. Limit is the most that are learnt a side.
type MACCounts struct {
	Customer int `json:"customer"`
	Cloud    int `json:"cloud"`
	Limit    int `json:"limit"`
}

// Counters counts one direction: Rx.Frames = Tx.Frames + Σ Drops. Drops and WouldDrop hold only the
// reasons that have occurred.
type Counters struct {
	Rx        Count             `json:"rx"`
	Tx        Count             `json:"tx"`
	Copies    uint64            `json:"copies"`    // frames that replication sent
	Generated uint64            `json:"generated"` // our own probes and ICMP
	Drops     map[string]uint64 `json:"drops"`
	WouldDrop map[string]uint64 `json:"would_drop"`
}

// MAC is one live FDB entry.
type MAC struct {
	Extension  string `json:"extension"`
	MAC        string `json:"mac"`
	Side       string `json:"side" enum:"customer,cloud"`
	VTEP       string `json:"vtep"` // empty on the customer's side
	AgeSeconds int64  `json:"age_seconds"`
	Static     bool   `json:"static"`
	Moves      int    `json:"moves"`
	Frozen     bool   `json:"frozen"`
}
