// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"slices"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// usesProtected reports whether a customer's frame uses a protected address as its source, or claims it in ARP
// or neighbour discovery. Who only asks whether an address is taken (RFC 5227, RFC 4862 §5.4) has no address
// yet, and passes.
func (w *walk) usesProtected() bool {
	if w.direction != l2.ToCloud || len(w.x.Guards.Protect) == 0 {
		return false
	}
	b, l := w.frame, &w.layers
	switch {
	case l.version == 4:
		return w.protected(netip.AddrFrom4([4]byte(b[l.ip+12:])))
	case l.version == 6:
		return w.protected(netip.AddrFrom16([16]byte(b[l.ip+8:]))) || w.claimsByND()
	case l.arp:
		sender, is := senderOf(b[l.payload:])
		return is && w.protected(sender)
	}
	return false
}

func (w *walk) protected(a netip.Addr) bool { return slices.Contains(w.x.Guards.Protect, a) }

// senderOf is who speaks in ARP (RFC 826): an IPv4 address behind a hardware address of whatever length.
func senderOf(b []byte) (sender netip.Addr, is bool) {
	at := 8 + int(b[4])
	if get16(b, 2) != typeIPv4 || b[5] != 4 || at+4 > len(b) {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(b[at:])), true
}

// claimsByND: the target of an advertisement or of a redirect (RFC 4861 §4.4, §4.5).
func (w *walk) claimsByND() bool {
	kind, ok := w.layers.isICMPv6(w.frame)
	if !ok || kind != icmp6NeighborAdvert && kind != icmp6Redirect {
		return false
	}
	const target = 8
	b := w.layers.transport(w.frame)
	return len(b) >= target+16 && w.protected(netip.AddrFrom16([16]byte(b[target:])))
}
