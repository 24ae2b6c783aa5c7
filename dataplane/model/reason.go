// SPDX-License-Identifier: Apache-2.0

package model

// Reason says why a frame was dropped. The order is that of the stages; None means that it was not.
type Reason uint8

// Every reason of docs/reference/drop-reasons.md.
const (
	None Reason = iota
	NoCircuit
	UnknownVTEP
	TunnelHeader
	UnknownVNI
	Raised
	Malformed
	InnerVLAN
	BadSource
	ControlFrame
	MACPinned
	AddressProtected
	MACMove
	MACLimit
	MACRate
	HalfRaised
	ServiceDHCP
	ServiceRouter
	ServiceFHRP
	ServiceQuerier
	SameSide
	SplitHorizon
	TooBig
	StormSource
	StormARPND
	StormDHCP
	StormBroadcast
	StormMulticast
	StormUnknownUnicast
	Bandwidth
	CPUBudget
	NoNextHop
	Reasons // how many there are, None included
)

var reasonNames = [Reasons]string{
	"", "no-circuit", "unknown-vtep", "tunnel-header", "unknown-vni",
	"raised", "malformed", "inner-vlan", "bad-source", "control-frame",
	"mac-pinned", "address-protected", "mac-move", "mac-limit", "mac-rate",
	"half-raised", "service-dhcp", "service-router", "service-fhrp", "service-querier",
	"same-side", "split-horizon", "too-big", "storm-source", "storm-arp-nd", "storm-dhcp", "storm-broadcast",
	"storm-multicast", "storm-unknown-unicast", "bandwidth", "cpu-budget", "no-next-hop",
}

// String is the name that users read; "" for None.
func (r Reason) String() string { return reasonNames[r] }
