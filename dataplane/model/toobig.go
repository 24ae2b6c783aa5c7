// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

func (w *walk) longest() int {
	if w.direction == l2.ToCloud {
		return w.x.MaxToCloud
	}
	return w.x.MaxToCustomer
}

// tooBig drops what the tunnel or the circuit cannot carry, and tells the sender where that can be done
// (RFC 1191 §4, RFC 8201 §4).
func (w *walk) tooBig() Reason {
	if len(w.frame) <= w.longest() {
		return None
	}
	if a, ok := w.answer(); ok && w.budgets().Answers.take(w.now, w.x.price.answers, 1) {
		w.result.Answer = a
		w.x.Counters[1-w.direction].Generated++
	}
	return TooBig
}

// answer is the message that the sender gets; none for what must not be answered (RFC 1122 §3.2.2, RFC 4443
// §2.4).
func (w *walk) answer() (*Answer, bool) {
	b, l := w.frame, &w.layers
	if w.group || l.version == 0 {
		return nil, false
	}
	a := &Answer{
		Src: l.dst, Dst: l.src, MTU: w.longest() - ethernetHeader - tagSize*l.tags,
		Tags: b[12 : 12+tagSize*l.tags], Original: b[l.ip:],
	}
	if l.version == 4 {
		a.SrcIP, a.DstIP = netip.AddrFrom4([4]byte(b[l.ip+16:])), netip.AddrFrom4([4]byte(b[l.ip+12:]))
		return a, get16(b, l.ip+6)&0x4000 != 0 && !l.later && !w.isICMPError() && isHost(a.SrcIP) && isHost(a.DstIP)
	}
	a.SrcIP, a.DstIP = netip.AddrFrom16([16]byte(b[l.ip+24:])), netip.AddrFrom16([16]byte(b[l.ip+8:]))
	return a, !w.isICMPError() && isHost(a.SrcIP) && isHost(a.DstIP)
}

// noHosts holds the unspecified address, loopback's, and those that embed IPv4's (RFC 4291 §2.5).
var noHosts = netip.MustParsePrefix("::/32")

// isHost reports whether an address belongs to one host (RFC 1122 §3.2.1.3, §3.2.2; RFC 4443 §2.4).
func isHost(ip netip.Addr) bool {
	if ip.Is4() {
		first := ip.As4()[0] // neither 0/8 nor 127/8, and no class above C
		return first != 0 && first != 127 && first < 224
	}
	return !ip.IsMulticast() && !noHosts.Contains(ip)
}

func (w *walk) isICMPError() bool {
	l := &w.layers
	h := l.transport(w.frame)
	switch {
	case l.version == 6: // what is in a later fragment is longer than errors are
		return l.protocol == protocolICMPv6 && len(h) > 0 && (h[0] < 128 || h[0] == icmp6Redirect)
	case l.protocol != protocolICMP:
		return false
	}
	return len(h) == 0 || h[0] != 0 && h[0] != 8 // of what is no error only echo is worth an answer
}
