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
	if a, ok := w.answer(); ok && w.budgets().Answers.take(w.now, w.x.price.answers, 1) && !w.failsToAnswer() {
		w.result.Answer = a
		w.x.Counters[1-w.direction].Generated++
	}
	return TooBig
}

// answer is the message that the sender gets; none for what must not be answered (RFC 1122 §3.2.2, RFC 4443
// §2.4).
func (w *walk) answer() (*Answer, bool) {
	b, l := w.frame, &w.layers
	if w.group || l.version == 0 || l.departs.AnswersTags && l.tags > 0 {
		return nil, false
	}
	a := &Answer{
		Src: l.dst, Dst: l.src, MTU: w.longest() - ethernetHeader - tagSize*l.tags,
		Tags: b[12 : 12+tagSize*l.tags], Original: b[l.ip:],
	}
	if l.version == 4 {
		a.SrcIP, a.DstIP = netip.AddrFrom4([4]byte(b[l.ip+16:])), netip.AddrFrom4([4]byte(b[l.ip+12:]))
		return a, get16(b, l.ip+6)&0x4000 != 0 && !l.later && !w.isICMPError() && w.answerable(a)
	}
	a.SrcIP, a.DstIP = netip.AddrFrom16([16]byte(b[l.ip+24:])), netip.AddrFrom16([16]byte(b[l.ip+8:]))
	return a, !w.isICMPError() && !(l.departs.AnswersFragment && (l.later || l.protocol == protocolNone)) && w.answerable(a)
}

func (w *walk) failsToAnswer() bool {
	l := &w.layers
	return l.departs.AnswersOptions && l.version == 4 && w.frame[l.ip]&0xf > ipv4Size/4
}

// answerable: both ends are one station each.
func (w *walk) answerable(a *Answer) bool {
	for i, ip := range [2]netip.Addr{a.SrcIP, a.DstIP} {
		if i == 0 && ip.IsUnspecified() && w.layers.departs.AnswersAnybody {
			continue
		}
		if ip.IsMulticast() || ip.IsUnspecified() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			return false
		}
	}
	return true
}

func (w *walk) isICMPError() bool {
	l := &w.layers
	h := l.transport(w.frame)
	switch {
	case len(h) == 0:
		return false
	case l.version == 6:
		return l.protocol == protocolICMPv6 && (h[0] < 128 || h[0] == icmp6Redirect && !l.departs.AnswersAnybody)
	case l.protocol != protocolICMP:
		return false
	}
	return h[0] != 0 && h[0] != 8 // of what is no error only echo is worth an answer
}
