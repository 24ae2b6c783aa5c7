// SPDX-License-Identifier: Apache-2.0

// Package event has everything that can happen to a gateway, as plain values. Sources (host, data
// plane, API, timer, configuration) produce them; the gateway's one loop consumes them in order.
// They hold no pointers into live state, so that they can be recorded and replayed.
package event

import (
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Event is one thing that happened. The concrete types of this package are the closed set.
type Event interface{ event() }

// LinksChanged says that links, addresses, routes or neighbours of the host may have changed. The loop
// re-reads the host: a lost notification must not leave us wrong, so this carries no detail.
type LinksChanged struct{}

// Tampered says that somebody detached a program or removed a pin of ours.
type Tampered struct {
	Object string // what was missing, such as "xdp link on eth2"
}

// MACMoved says that the data path saw a known MAC on another side or VTEP.
type MACMoved struct {
	Slot uint32 // the extension's slot in the data plane
	MAC  l2.MAC
	From Place
	To   Place
	At   time.Time
}

// Place is where a station is: a side, and the VTEP when that side is the cloud.
type Place struct {
	Side l2.Side
	VTEP netip.Addr // invalid on the customer's side
}

// String prints "customer" or "cloud 192.0.2.20".
func (p Place) String() string {
	if p.Side == l2.Cloud && p.VTEP.IsValid() {
		return "cloud " + p.VTEP.String()
	}
	return p.Side.String()
}

// MACFrozen says that a MAC moved too often between the sides: it stays at Home, and frames with that
// source from elsewhere are dropped until then.
type MACFrozen struct {
	Slot  uint32
	MAC   l2.MAC
	Home  Place // where it was last stable
	From  Place // whence it moved once too often
	Until time.Time
	At    time.Time
}

// GuardDropped is a sample of the frames that a guard dropped: at most one per kernel tick, extension and
// direction. Each is one frame; how many there were the counters say.
type GuardDropped struct {
	Slot        uint32
	Direction   l2.Direction
	Reason      string // as the drop counters name it, such as "storm-broadcast"
	Source      l2.MAC
	Destination l2.MAC
	IP          netip.Addr // the source's, from IP, ARP or ND; invalid when the frame has none
	VLAN        uint16     // of the tag behind the circuit's own; 0: none
	At          time.Time
}

// Evidence is what tells of a loop.
type Evidence string

// The three kinds of evidence.
const (
	ByProbe    Evidence = "probe"    // our own probe came back
	ByCrossing Evidence = "crossing" // what entered from one side entered from the other
	ByHairpin  Evidence = "hairpin"  // the same frame entered from the customer again and again
)

// LoopSign says that the data path saw a sign of a loop. Tripped is false for a suspicion, which only a
// probe can confirm.
type LoopSign struct {
	Slot     uint32
	Evidence Evidence
	Tripped  bool
	Until    time.Time // how long BUM is held; zero when nothing is, as in mode observe
	Side     l2.Side   // where the sign came in
	MAC      l2.MAC    // source of the frame that showed it
	IP       netip.Addr
	VLAN     uint16
	At       time.Time
}

// Overflow says that signals from the data path were lost because nobody read them in time.
type Overflow struct{ Lost uint64 }

// Tick comes about once a second and drives comparing the kernel with what it should be.
type Tick struct{ Now time.Time }

func (LinksChanged) event() {}
func (Tampered) event()     {}
func (MACMoved) event()     {}
func (MACFrozen) event()    {}
func (GuardDropped) event() {}
func (LoopSign) event()     {}
func (Overflow) event()     {}
func (Tick) event()         {}
