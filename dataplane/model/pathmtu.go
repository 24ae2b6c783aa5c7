// SPDX-License-Identifier: Apache-2.0

package model

import "net/netip"

// ICMP's "too big" (RFC 792, RFC 4443 section 3.2), and how many tags and extension headers may be in front of it.
const (
	unreachable     = 3
	fragNeeded      = 4
	packetTooBig    = 2
	icmpHeader      = 8
	pathMostHeaders = 32
	pathMostTags    = 8
)

// shortensPath reports whether the kernel would believe a packet that the path to a VTEP is shorter than the operator says. Tags
// in front are taken off; a packet in pieces, or cut short, that may say so does.
func (g *Gateway) shortensPath(b []byte) bool {
	at := ethernetHeader - 2
	for tags := 0; isTag(get16(b, at)); tags++ {
		if at += tagSize; tags+1 == pathMostTags {
			return true
		}
	}
	switch get16(b, at) {
	case typeIPv4:
		return g.tooBigFrom4(b, at+2)
	case typeIPv6:
		return g.tooBigFrom6(b, at+2)
	}
	return false
}

func (g *Gateway) tooBigFrom4(b []byte, at int) bool {
	if len(b) < at+ipv4Size || b[at+9] != protocolICMP || get16(b, at+6)&0x1fff != 0 {
		return false
	}
	icmp := at + int(b[at]&0xf)*4
	if len(b) < icmp+2 || b[icmp] != unreachable || b[icmp+1] != fragNeeded {
		return false
	}
	quoted := icmp + icmpHeader + 16
	if get16(b, at+6)&0x2000 != 0 || len(b) < quoted+4 {
		return true
	}
	return g.hasVTEP(netip.AddrFrom4([4]byte(b[quoted : quoted+4])))
}

func (g *Gateway) tooBigFrom6(b []byte, at int) bool {
	if len(b) < at+7 {
		return false
	}
	next, upper := b[at+6], at+ipv6Size
	for headers := 0; ; headers++ {
		size, is := extensionSize(b, next, upper)
		if !is {
			break
		}
		if headers == pathMostHeaders {
			return true
		}
		if len(b) < upper+4 || next == protocolFragment && get16(b, upper+2)>>3 != 0 {
			return false
		}
		next, upper = b[upper], upper+size
	}
	if next != protocolICMPv6 || get8(b, upper) != packetTooBig {
		return false
	}
	quoted := upper + icmpHeader + 24
	if len(b) < quoted+16 {
		return true
	}
	return g.hasVTEP(netip.AddrFrom16([16]byte(b[quoted : quoted+16])))
}

func (g *Gateway) hasVTEP(a netip.Addr) bool {
	_, is := g.places[a]
	return is
}
