// SPDX-License-Identifier: Apache-2.0

package model

import (
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Budgets are the buckets of one direction.
type Budgets struct {
	Reserved  [Classes]Bucket // the half of a class that known sources share
	Open      [Classes]Bucket // the other half: first come, first served
	Bytes     [Classes]Bucket
	Pressed   [Classes]uint64 // since when Reserved has been in use without a pause, ns
	Flood     Bucket
	Bandwidth Bucket
	Learn     Bucket
	Answers   Bucket
}

// prices are what the buckets of an extension charge.
type prices struct {
	storm, stormBytes [Classes]price
	flood             price
	bandwidth         [2]price
	learn             price
	answers           price
	cpu               price // of a ns
}

// A known source has a tenth of its class; the halves are 2.
const (
	half  = 2
	tenth = 10
)

// answersPerSecond limits ICMP errors of one extension and direction.
const answersPerSecond = 10

// cpuAhead is how far an extension may run ahead of its share of a core.
const cpuAhead = 100 * time.Millisecond

func pricesOf(s *Guards, macLimit uint32) prices {
	p := prices{
		flood:     s.Flood.Rate.price(),
		bandwidth: [2]price{s.Bandwidth[0].price(), s.Bandwidth[1].price()},
		learn:     Rate{uint64(s.LearnRate), uint64(macLimit)}.price(),
		answers:   Rate{answersPerSecond, 1}.price(),
	}
	if s.CPU > 0 {
		p.cpu = price{100 << fraction / uint64(s.CPU), uint64(cpuAhead)}
	}
	for c, r := range s.Storm {
		p.storm[c], p.stormBytes[c] = r.Frames.price(), r.Bytes.price()
	}
	return p
}

// storm limits what floods, and control frames that are let through.
func (w *walk) storm() Reason {
	if !w.flood && !w.link {
		return None
	}
	if w.flood && w.isWanted() {
		return w.wanted()
	}
	return w.limited(w.class())
}

// limited asks the class's bytes first, and takes them only from a frame that passes.
func (w *walk) limited(class Class) Reason {
	bytes, price := &w.budgets().Bytes[class], w.x.price.stormBytes[class]
	next, fits := bytes.after(w.now, price, len(w.frame))
	if price.limits() && !fits {
		return class.Reason()
	}
	reason := w.fairly(class)
	if reason == None && price.limits() {
		bytes.Next = next
	}
	return reason
}

func (w *walk) isWanted() bool {
	for _, p := range w.x.Guards.Flood.Allow {
		if p.Contains(w.layers.dst) {
			return true
		}
	}
	return false
}

// wanted floods have a bucket of their own.
func (w *walk) wanted() Reason {
	switch {
	case w.budgets().Flood.take(w.now, w.x.price.flood, 1):
		return None
	case w.group:
		return StormMulticast
	}
	return StormUnknownUnicast
}

func (w *walk) class() Class {
	l := &w.layers
	switch {
	case w.link:
		return Multicast
	case l.arp, l.isNeighborDiscovery(w.frame):
		return ARPND
	case l.isDHCP(w.frame):
		return DHCP
	case l.dst == l2.Broadcast:
		return Broadcast
	case w.group:
		return Multicast
	}
	return UnknownUnicast
}

// isNeighborDiscovery: router and neighbour messages and redirects (RFC 4861).
func (l *layers) isNeighborDiscovery(b []byte) bool {
	kind, ok := l.isICMPv6(b)
	return ok && kind >= icmp6RouterSolicit && kind <= icmp6Redirect
}

// isDHCP goes by either port.
func (l *layers) isDHCP(b []byte) bool {
	if l.version == 0 || l.protocol != protocolUDP || l.upper == 0 {
		return false
	}
	for _, port := range [2]uint16{get16(b, l.upper), get16(b, l.upper+2)} {
		switch {
		case l.version == 4 && (port == dhcpServer || port == dhcpClient),
			l.version == 6 && (port == dhcp6Client || port == dhcp6Serve):
			return true
		}
	}
	return false
}

// room is how much of the half that is kept for known sources one may use: all of it, until that half has been in use for a quarter of a
// second without a pause. Then three quarters, and of the last one as much as its own share has been free, of a second: who floods least
// comes first.
func (w *walk) room(class Class, whole price) price {
	b, now, share := w.budgets(), uint64(w.now), w.source.Share[class].Next
	if b.Reserved[class].Next <= now {
		b.Pressed[class] = now
	}
	if now-b.Pressed[class] < uint64(250*time.Millisecond) {
		return whole
	}
	quarter, parts := whole.burst/4, min((max(now, share)-share)>>20, 1024) // of about a ms
	return price{whole.cost, max(whole.cost>>fraction, 3*quarter+quarter*parts>>10)}
}

// fairly takes from a class: known sources from their half, each up to its own tenth; what does not fit there, and
// all others, from the open half.
func (w *walk) fairly(class Class) Reason {
	whole, budgets := w.x.price.storm[class], w.budgets()
	if !whole.limits() {
		return None
	}
	exhausted := false
	if w.source.known(w.now) {
		own, ownFits := w.source.Share[class].after(w.now, whole.share(tenth), 1)
		reserved, reservedFits := budgets.Reserved[class].after(w.now, w.room(class, whole.share(half)), 1)
		if ownFits && reservedFits {
			w.source.Share[class].Next, budgets.Reserved[class].Next = own, reserved
			return None
		}
		exhausted = !ownFits
	}
	switch {
	case budgets.Open[class].take(w.now, whole.share(half), 1):
		return None
	case exhausted:
		return StormSource
	}
	return class.Reason()
}
