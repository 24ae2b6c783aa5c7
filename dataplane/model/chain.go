// SPDX-License-Identifier: Apache-2.0

package model

// IP protocol numbers (IANA).
const (
	protocolHopByHop    = 0
	protocolICMP        = 1
	protocolIGMP        = 2
	protocolTCP         = 6
	protocolUDP         = 17
	protocolRouting     = 43
	protocolFragment    = 44
	protocolAuth        = 51
	protocolICMPv6      = 58
	protocolNone        = 59
	protocolDestination = 60
	protocolVRRP        = 112
	protocolMobility    = 135
	protocolHIP         = 139
	protocolShim6       = 140
)

const maxHeaders = 8 // IPv6 extension headers

// readIPv6 reads the header and the whole chain behind it.
func (l *layers) readIPv6(b []byte) bool {
	at := l.payload
	if len(b) == at {
		return false
	}
	if b[at]>>4 != 6 {
		return true // no host reads it as IP
	}
	if len(b) < at+ipv6Size {
		return false
	}
	length := int(get16(b, at+4))
	if length > len(b)-at-ipv6Size {
		return false
	}
	l.version, l.ip, l.tos = 6, at, b[at]<<4|b[at+1]>>4
	l.end = at + ipv6Size + length
	return l.readChain(b[:l.end], b[at+6], at+ipv6Size)
}

// readChain walks the extension headers. An unknown upper header ends the chain and passes; a chain that is cut
// off does not, nor does a first fragment without all of it (RFC 7113 §3).
func (l *layers) readChain(b []byte, next uint8, at int) bool {
	for headers := 0; ; headers++ {
		size, is := extensionSize(b, next, at)
		if !is {
			break
		}
		if headers == maxHeaders || at+size > len(b) {
			return false
		}
		fragment := next == protocolFragment
		next = b[at]
		if fragment {
			l.fragment = true
			if get16(b, at+2)>>3 != 0 {
				l.later, l.protocol = true, next
				return true
			}
		}
		at += size
	}
	l.protocol, l.upper = next, at
	return l.upperIsWhole(b)
}

// extensionSize is the size of an extension header by its length byte (RFC 8200 §4, RFC 4302 §2.2), and
// whether the number is one of an extension header at all.
func extensionSize(b []byte, next uint8, at int) (size int, is bool) {
	switch next {
	case protocolHopByHop, protocolRouting, protocolDestination, protocolMobility, protocolHIP, protocolShim6:
		return 8 + 8*int(get8(b, at+1)), true
	case protocolFragment:
		return 8, true
	case protocolAuth:
		return 8 + 4*int(get8(b, at+1)), true
	}
	return 0, false
}

// upperIsWhole: the upper header is there, and neighbour discovery is not fragmented (RFC 6980 §5).
func (l *layers) upperIsWhole(b []byte) bool {
	have := len(b) - l.upper
	switch l.protocol {
	case protocolUDP:
		return have >= udpSize
	case protocolTCP:
		return have >= tcpSize
	case protocolICMPv6:
		return have >= icmp6Size && !(l.fragment && isND(b[l.upper]))
	}
	return have > 0 || l.protocol == protocolNone
}

// isND reports whether an ICMPv6 type is one that RFC 6980 §5 forbids or advises not to fragment.
func isND(kind uint8) bool {
	return kind >= icmp6RouterSolicit && kind <= icmp6Redirect || kind == icmp6PathSolicit || kind == icmp6PathAdvert
}
