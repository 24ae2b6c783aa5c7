// SPDX-License-Identifier: Apache-2.0

package state

import (
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Guards is what an extension's guards allow. The zero value limits nothing and watches nothing.
type Guards struct {
	Storm       [StormClasses]StormRate
	FloodAllow  []MACPrefix // destinations whose flood is wanted, at most MaxFloodPrefixes
	Flood       Rate        // frames, of all of them together
	ToCloud     BitRate
	ToCustomer  BitRate
	Learn       Rate // new MACs a side
	Moves       MoveLimit
	FastMoves   MoveLimit
	Protected   []netip.Addr // that the customer may not claim
	Refused     Refused
	Tunnelled   []string // control protocols that cross, by their configuration keys
	MSS         MSS
	CPU         uint8 // percent of one core, 1 to 100; 0: no limit
	Fingerprint bool  // look for loops by fingerprints
	Trip        bool  // a loop half-raises the bridge; false: it is only reported
}

// MaxFloodPrefixes is the most prefixes of FloodAllow.
const MaxFloodPrefixes = 32

// The storm classes, in the order of their drop reasons.
const (
	StormARPND          = 0
	StormDHCP           = 1
	StormBroadcast      = 2
	StormMulticast      = 3
	StormUnknownUnicast = 4
	StormClasses        = 5
)

// Rate is a token bucket: units a second, and units that may pass at once. The zero value is no limit.
type Rate struct{ PerSecond, Burst uint64 }

// BitRate is a token bucket of bits of inner Ethernet frames; Burst is the time whose worth may pass at once.
// The zero value is no limit.
type BitRate struct {
	PerSecond uint64
	Burst     time.Duration
}

// StormRate limits one class by frames, and by bits when Bits is set.
type StormRate struct {
	Rate
	Bits BitRate
}

// MoveLimit is a number of moves within a window of time.
type MoveLimit struct {
	Count  uint32
	Window time.Duration
}

// MACPrefix is a set of destinations: those whose first Bits bits are MAC's.
type MACPrefix struct {
	MAC  l2.MAC
	Bits uint8 // 1 to 48
}

// Refused has the services that may not be served from a side.
type Refused struct{ FromCustomer, FromCloud Services }

// Services is a set of services.
type Services struct{ DHCP, Router, FHRP, Querier bool }

// MSS says to what TCP's maximum segment size is clamped. The zero value clamps to what fits both ways.
type MSS struct {
	Off   bool
	Bytes uint16 // 0: what fits
}
