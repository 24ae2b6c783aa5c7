// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Guards are the settings of one extension's guards. The zero value limits nothing that has a rate, and lets
// nobody serve: Defaults has what an extension gets.
type Guards struct {
	Storm     [Classes]StormRate
	Flood     Flood
	LearnRate uint32    // new MACs a second on each side; the burst is the extension's MAC limit. 0: no limit
	Moves     MoveLimit // between the sides; the move that reaches Count freezes
	FastMoves MoveLimit
	Protect   []netip.Addr
	Serve     [Services]Sides
	Tunnelled Protocols
	MSS       [2]uint16 // the largest over IPv4 and over IPv6; 0: not touched
	Bandwidth [2]Rate   // by direction, in bytes
	CPU       uint8     // percent of one core; 0: no limit
	Loops     bool      // look at fingerprints
	Trip      bool      // a loop half-raises; else it is only reported
}

// Class is a storm class, in the order of the reasons.
type Class uint8

// The storm classes.
const (
	ARPND Class = iota
	DHCP
	Broadcast
	Multicast
	UnknownUnicast
	Classes // how many there are
)

// Reason is the drop reason of a class.
func (c Class) Reason() Reason { return StormARPND + Reason(c) }

// Rate is a token bucket: so many units a second, and so many at once. The zero value is no limit.
type Rate struct{ PerSecond, Burst uint64 }

// StormRate limits a class by frames, and by bytes when that is set.
type StormRate struct{ Frames, Bytes Rate }

// Flood lets wanted floods pass beside the classes.
type Flood struct {
	Allow []Prefix
	Rate  Rate // frames
}

// Prefix is a set of destinations: those whose first Bits bits are MAC's.
type Prefix struct {
	MAC  l2.MAC
	Bits int
}

// Contains reports whether m is one of them.
func (p Prefix) Contains(m l2.MAC) bool {
	for i := range m {
		keep := min(max(p.Bits-8*i, 0), 8)
		if mask := byte(0xff << (8 - keep)); (m[i]^p.MAC[i])&mask != 0 {
			return false
		}
	}
	return true
}

// MoveLimit is a number of moves within a window that starts with the first of them.
type MoveLimit struct {
	Count  uint32
	Window time.Duration
}

// Service is something that only a server, router or querier sends.
type Service uint8

// The services, in the order of their reasons.
const (
	ServeDHCP Service = iota
	ServeRouter
	ServeFHRP
	ServeQuerier
	Services // how many there are
)

// Sides is a set of sides.
type Sides uint8

// The sets.
const (
	NoSide       Sides = 0
	CustomerSide Sides = 1
	CloudSide    Sides = 2
	BothSides    Sides = 3
)

// Protocols is a set of control protocols.
type Protocols uint16

// The control protocols that may be tunnelled. Other control frames never are.
const (
	CDP Protocols = 1 << iota
	DTP
	PAgP
	UDLD
	VTP
	PVST
	CFM
	EAP
	GVRP
	LACP
	LLDP
	MRP
	STP
)

// Defaults are the guards of an extension whose configuration says nothing: profile stretched.
func Defaults() Guards {
	storm := func(n uint64) StormRate { return StormRate{Frames: Rate{n, n}} }
	return Guards{
		Storm:     [Classes]StormRate{storm(500), storm(50), storm(200), storm(500), storm(200)},
		Flood:     Flood{Rate: Rate{20000, 20000}},
		LearnRate: 100,
		Moves:     MoveLimit{5, 180 * time.Second}, // RFC 7432 §15.1
		FastMoves: MoveLimit{3, time.Second},
		Serve:     [Services]Sides{BothSides, BothSides, NoSide, BothSides},
		Loops:     true,
		Trip:      true,
	}
}
