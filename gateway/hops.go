// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
)

const (
	// hopGrace is how long a next hop may be unresolved before anybody is told: asking takes the kernel
	// up to three tries of a second each (mcast_solicit of arp(7)).
	hopGrace = 4 * time.Second
	// hopsLogged is how many VTEPs are logged one by one at a time.
	hopsLogged = 20
)

// NextHop is where packets to a peer go when they leave through one uplink.
type NextHop struct {
	Peer     netip.Addr
	Routed   bool // a route leads there
	Resolved bool // and the next hop's link address is known
}

// hopWatch tells which VTEPs cannot be reached. The zero value knows nothing.
type hopWatch struct {
	peers map[netip.Addr]*peerHops
}

// peerHops is one VTEP.
type peerHops struct {
	unresolved time.Time // since when; zero while it is resolved
	told       bool      // that it is unresolved
}

// observe takes the next hops of all peers as they are, and returns what is to be told.
func (w *hopWatch) observe(hops []NextHop, now time.Time) []event.Record {
	best := bestHops(hops)
	known := w.peers
	w.peers = make(map[netip.Addr]*peerHops, len(best))
	var out []event.Record
	for _, peer := range sortedPeers(best) {
		p := known[peer]
		if p == nil {
			p = &peerHops{}
		}
		w.peers[peer] = p
		if r, tell := p.update(best[peer], now); tell {
			out = append(out, r)
		}
	}
	return boundHops(out)
}

// waiting reports whether a peer is unresolved and nobody was told yet.
func (w *hopWatch) waiting() bool {
	for _, p := range w.peers {
		if !p.unresolved.IsZero() && !p.told {
			return true
		}
	}
	return false
}

func (p *peerHops) update(h NextHop, now time.Time) (event.Record, bool) {
	r := event.Record{Kind: event.NextHop, Detail: map[string]any{"vtep": h.Peer.String(), "resolved": h.Resolved}}
	switch {
	case h.Resolved:
		was := p.told
		*p = peerHops{}
		r.Severity, r.Message = event.Info, fmt.Sprintf("VTEP %s can be reached again", h.Peer)
		return r, was
	case p.unresolved.IsZero():
		p.unresolved = now
		return r, false
	case p.told || now.Sub(p.unresolved) < hopGrace:
		return r, false
	}
	p.told = true
	why := "its next hop does not answer"
	if !h.Routed {
		why = "no route leads there over the uplinks"
	}
	r.Severity, r.Message = event.Warning, fmt.Sprintf("VTEP %s cannot be reached: %s", h.Peer, why)
	return r, true
}

// bestHops keeps the best of each peer's next hops: one uplink that works is enough.
func bestHops(hops []NextHop) map[netip.Addr]NextHop {
	best := make(map[netip.Addr]NextHop, len(hops))
	for _, h := range hops {
		b := best[h.Peer]
		b.Peer, b.Routed, b.Resolved = h.Peer, b.Routed || h.Routed, b.Resolved || h.Resolved
		best[h.Peer] = b
	}
	return best
}

func sortedPeers(hops map[netip.Addr]NextHop) []netip.Addr {
	out := make([]netip.Addr, 0, len(hops))
	for peer := range hops {
		out = append(out, peer)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func boundHops(records []event.Record) []event.Record {
	if len(records) <= hopsLogged {
		return records
	}
	more := len(records) - hopsLogged
	return append(records[:hopsLogged], event.Record{
		Kind:     event.NextHop,
		Severity: event.Warning,
		Message:  fmt.Sprintf("%d more VTEPs changed between reachable and not", more),
		Detail:   map[string]any{"more": more},
	})
}
