// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Plane makes the kernel equal to a desired state. Read, EachMAC, Extension and Holds may be called while
// another method runs; the others are called by the loop only.
type Plane interface {
	// Apply makes the kernel equal to d, or leaves it as it was and returns why.
	Apply(d *state.Desired) error
	// Check compares links and pins with what was applied, repairs what is missing, and names it.
	Check() (repaired []string, err error)
	// Read returns all counters. A NIC's Lost is what the tunnel device did not let through.
	Read() (state.Reading, error)
	// EachMAC visits the live FDB entries of one extension, or of all when ext is empty, in portions.
	EachMAC(ext l2.Name, visit func([]state.MACEntry) error) error
	// Extension names the extension of a slot in the kernel's tables.
	Extension(slot uint32) (l2.Name, bool)
	// Raised names the extensions that the kernel's records have drawn up by the operator; before the first Apply those of an earlier daemon.
	Raised() ([]l2.Name, error)
	// Probe sends one loop probe each way and remembers the nonce, so that the data path knows it when it
	// comes back.
	Probe(ext l2.Name, nonce uint64) error
	// Holds returns what the data path holds of the extensions where a deadline lies in the future, or has
	// just passed.
	Holds() (map[l2.Name]state.Hold, error)
	// SetMACStorm makes the data path drop, in some directions, BUM of sources that were not learnt by since, until the deadline.
	SetMACStorm(ext l2.Name, ways state.Ways, since, until time.Time) error
	// LetDown ends what the data path holds of an extension, and its back-off.
	LetDown(ext l2.Name) error
	// Recorded returns the flight recorder's frames of an extension, oldest first.
	Recorded(ext l2.Name) ([]state.RecordedFrame, error)
	Tracer
	FrameSource
}

// Host is the machine around us: its NICs and the devices that we add to it. Only the loop calls it, but
// for Lost and DroppingChains, which may be called while another method runs.
type Host interface {
	// Links returns the host's links by name.
	Links() (map[string]Link, error)
	// Survey returns what Prepare would change, with the present values, and changes nothing.
	Survey(nic string, role Role, engine state.Engine) (Saved, error)
	// Prepare makes a NIC fit for its role, as far as that can be while it is down, and does not set
	// it up. It is idempotent.
	Prepare(nic string, role Role, engine state.Engine) error
	// SetUp does the rest and sets the NIC up.
	SetUp(nic string, role Role, engine state.Engine) error
	// Restore gives a NIC the settings back that Survey returned. A NIC that is gone is success.
	Restore(nic string, saved Saved) error
	// Release is Restore for a NIC that goes on in another role: it stays up.
	Release(nic string, saved Saved) error
	// EnsureTunnel makes the collect-metadata VXLAN device of a port be there, right and up, and returns
	// its index.
	EnsureTunnel(port uint16, zeroChecksum6 bool) (ifindex int, err error)
	// RemoveTunnel removes that device. A device that is gone is success.
	RemoveTunnel(port uint16) error
	// SyncNeighbours keeps the next hop of every peer resolved.
	SyncNeighbours(peers []netip.Addr, vtep netip.Addr, uplinks []int) error
	// DropNeighbours forgets the next hops over a NIC that is no uplink any more. A NIC that is gone is
	// success.
	DropNeighbours(nic string) error
	// Lost counts the frames that a NIC itself lost after they were handed to it.
	Lost(nic string) (uint64, error)
	// DroppingChains names the firewall's chains on the way to the tunnel device that drop by default.
	DroppingChains() []string
	// NextHops returns the next hops of every peer over every uplink.
	NextHops(peers []netip.Addr, vtep netip.Addr, uplinks []int) ([]NextHop, error)
}

// Source is where the configuration comes from: a file, or the flags of the command line.
type Source interface {
	// Load returns the checked configuration and the text that it was made of; no text when it
	// came from flags.
	Load() (*config.Config, []byte, error)
}

// Role is what a NIC is for.
type Role uint8

// The roles of a NIC.
const (
	Customer Role = 1 // customers arrive on it, and the host does not use it
	Underlay Role = 2 // it carries the tunnels
	Shared   Role = 3 // customers arrive on it, and what fits no circuit goes to the host
)

// String prints customer or underlay, or shared.
func (r Role) String() string {
	switch r {
	case Customer:
		return "customer"
	case Underlay:
		return "underlay"
	}
	return "shared"
}

// Saved is what was changed on a NIC, in the order of changing.
type Saved []Setting

// Setting is one setting of a device, with the value that it had before us. Names and values are the
// host's.
type Setting struct {
	Device string `json:"device"`
	Name   string `json:"setting"`
	Was    int    `json:"was"`
}

// merge adds what was changed later. A setting that s knows keeps its value of s, which is older.
func (s Saved) merge(later Saved) Saved {
	merged := slices.Clone(s)
	for _, n := range later {
		known := slices.ContainsFunc(s, func(o Setting) bool { return o.Device == n.Device && o.Name == n.Name })
		if !known {
			merged = append(merged, n)
		}
	}
	return merged
}

// String lists the settings as "eth2 promisc 0, eth2 up 0".
func (s Saved) String() string {
	parts := make([]string, len(s))
	for i, n := range s {
		parts[i] = fmt.Sprintf("%s %s %d", n.Device, n.Name, n.Was)
	}
	return strings.Join(parts, ", ")
}
