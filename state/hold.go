// SPDX-License-Identifier: Apache-2.0

package state

import (
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Hold is what the data path keeps to itself about an extension's trips. The deadlines are the kernel's:
// they pass without anybody's help. The zero value holds nothing.
type Hold struct {
	HalfRaisedUntil time.Time // BUM does not flow before; zero: no such deadline
	Level           int       // of the back-off: how often the hold was doubled
	MACStormUntil   time.Time // BUM of sources not learnt before the storm does not flow
}

// Ways is a set of directions: a bit for each.
type Ways uint8

// WayOf is the set of one direction.
func WayOf(d l2.Direction) Ways { return 1 << d }

// RecordedFrame is one frame that the flight recorder kept, or that was recorded live.
type RecordedFrame struct {
	At        time.Time
	Direction l2.Direction
	Reason    string // why it was dropped; empty: it was forwarded
	WouldDrop string // what a guard in mode observe had against it
	Size      int    // bytes on the wire, as they are counted
	Bytes     []byte // the first of them
}

// Flight is what the flight recorder has of an extension: the last frames that flooded, and samples of those that
// were dropped, or would have been.
type Flight struct {
	Mode   GuardMode       // of the extension's guards
	Taken  uint32          // frames it took so far; it wraps
	Frames []RecordedFrame // the last of them, oldest first
}

// Source is one of the busiest sources of what the guards of an extension dropped, in one direction.
type Source struct {
	Direction l2.Direction
	MAC       l2.MAC
	IP        netip.Addr // not valid: no frame of it showed one
	VLAN      uint16     // behind the circuit's tags; 0: none was seen
	Share     float64    // of the samples, 0 to 1
}
