// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Verdict is where a frame's walk ended.
type Verdict uint8

// The verdicts.
const (
	Dropped Verdict = iota
	Forwarded
	Passed // to the host, unchanged
)

// String prints dropped, forwarded or passed.
func (v Verdict) String() string { return [...]string{"dropped", "forwarded", "passed"}[v] }

// Result is what became of a frame. It and its slices are valid until the gateway's next frame.
type Result struct {
	Verdict   Verdict
	Reason    Reason
	WouldDrop Reason     // what a guard in mode observe had against it
	Extension *Extension // nil when none was known
	Direction l2.Direction
	Size      int // of the inner frame, without the circuit's tags
	Flooded   bool
	Leaves    []Leaving
	Changes   []Change
	Signals   []Signal
	Answer    *Answer // an ICMP error that goes back
	Print     *Print  // of a frame that floods and was not seen before
}

// Leaving is a frame that leaves.
type Leaving struct {
	NIC   string // the customer's; "" towards the cloud
	Bytes []byte // towards the customer with all tags; towards the cloud the inner frame

	// Towards the cloud: the outer headers by their fields.
	VTEP netip.Addr
	VNI  l2.VNI
	TOS  uint8 // DSCP and ECN
}

// Act is what was done to the FDB.
type Act uint8

// What the FDB does.
const (
	Learnt Act = iota
	Refreshed
	Moved
	Frozen
)

// Change is one change of the FDB.
type Change struct {
	Act Act
	MAC l2.MAC
	To  Place
}

// Sign says what a signal is about.
type Sign uint8

// The signals.
const (
	SignMoved Sign = iota
	SignFrozen
	SignProbe
	SignCrossing
	SignHairpin
)

// Signal is something that the daemon is told of.
type Signal struct {
	Sign    Sign
	MAC     l2.MAC
	Tripped bool  // of a loop: more than a suspicion
	Until   int64 // frozen or half-raised until
}

// Answer is an ICMP or ICMPv6 too-big message: from the destination that the frame was for, back to who sent it.
type Answer struct {
	Src, Dst     l2.MAC
	SrcIP, DstIP netip.Addr
	MTU          int
	Tags         []byte // the inner tags, as the frame had them
	Original     []byte // what did not fit, from the IP header on; the message holds its beginning
}

func (r *Result) reset(direction l2.Direction) {
	*r = Result{Direction: direction, Leaves: r.Leaves[:0], Changes: r.Changes[:0], Signals: r.Signals[:0]}
}
