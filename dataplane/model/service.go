// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/drawbridge-l2/drawbridge/l2"

// ICMP and ICMPv6 types (RFC 792, RFC 1256, RFC 4443, RFC 4861, RFC 2710, RFC 3971).
const (
	icmpRedirect            = 5
	icmpRouterAdvert        = 9
	icmp6ListenerQuery      = 130
	icmp6RouterSolicit      = 133
	icmp6RouterAdvert       = 134
	icmp6NeighborAdvert     = 136
	icmp6Redirect           = 137
	icmp6PathSolicit        = 148
	icmp6PathAdvert         = 149
	igmpQuery               = 0x11
	dhcpServer, dhcpClient  = 67, 68
	dhcp6Client, dhcp6Serve = 546, 547
	bootReply               = 2
)

// services drops what only a server sends, when none may stand on the side that it comes from. A frame may be several
// servers' at once; the first that may not stand there counts it.
func (w *walk) services() Reason {
	for s := range Services {
		if w.x.Guards.Serve[s]&sidesOf(w.side()) == 0 && w.layers.serves(w.frame, s) {
			return ServiceDHCP + Reason(s)
		}
	}
	return None
}

func sidesOf(s l2.Side) Sides {
	if s == l2.Customer {
		return CustomerSide
	}
	return CloudSide
}

// serves reports whether a frame is one that only such a server sends. A later fragment is none: without the
// first nobody puts it together.
func (l *layers) serves(b []byte, s Service) bool {
	h := l.transport(b)
	if l.version == 0 || l.upper == 0 {
		return false
	}
	switch s {
	case ServeDHCP:
		return l.protocol == protocolUDP && l.isDHCPServer(h)
	case ServeRouter:
		kind := get8(h, 0)
		return l.version == 6 && l.protocol == protocolICMPv6 && (kind == icmp6RouterAdvert || kind == icmp6Redirect) ||
			l.version == 4 && l.protocol == protocolICMP && (kind == icmpRouterAdvert || kind == icmpRedirect)
	case ServeFHRP:
		return l.protocol == protocolVRRP || l.protocol == protocolUDP && isFHRPPort(get16(h, 2)) && l.toGroup(b)
	case ServeQuerier:
		return l.version == 6 && l.protocol == protocolICMPv6 && h[0] == icmp6ListenerQuery ||
			l.version == 4 && l.protocol == protocolIGMP && get8(h, 0) == igmpQuery
	}
	return false
}

// isDHCPServer goes by the ports, and where both ends may use them by the message's type. A message that is too short
// to tell is taken for a server's.
func (l *layers) isDHCPServer(h []byte) bool {
	src, dst := get16(h, 0), get16(h, 2)
	kind, told := get8(h, udpSize), len(h) > udpSize
	if l.version == 4 {
		return dst == dhcpClient || (src == dhcpServer || dst == dhcpServer) && (kind == bootReply || !told)
	}
	return dst == dhcp6Client || (src == dhcp6Serve || dst == dhcp6Serve) && (isDHCPv6Server(kind) || !told)
}

// isFHRPPort: HSRP, HSRP for IPv6, GLBP.
func isFHRPPort(port uint16) bool { return port == 1985 || port == 2029 || port == 3222 }

// isDHCPv6Server: ADVERTISE, REPLY, RECONFIGURE, RELAY-REPL (RFC 8415 §7.3).
func isDHCPv6Server(kind uint8) bool {
	return kind == 2 || kind == 7 || kind == 10 || kind == 13
}

// toGroup reports whether the frame goes to a group, by its MAC or its IP address.
func (l *layers) toGroup(b []byte) bool {
	if l.dst.IsGroup() {
		return true
	}
	if l.version == 4 {
		return b[l.ip+16]>>4 == 0xe
	}
	return b[l.ip+24] == 0xff
}
