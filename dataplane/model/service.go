// SPDX-License-Identifier: Apache-2.0

package model

import (
	"github.com/drawbridge-l2/drawbridge/l2"
)

// ICMP and ICMPv6 types (RFC 792, RFC 1256, RFC 4443, RFC 4861, RFC 2710, RFC 3971).
const (
	icmpRedirect            = 5
	icmpRouterAdvert        = 9
	icmp6ListenerQuery      = 130
	icmp6RouterSolicit      = 133
	icmp6RouterAdvert       = 134
	icmp6NeighborAdvert     = 136
	icmp6Redirect           = 137
	icmp6CertificationPath  = 148
	igmpQuery               = 0x11
	dhcpServer, dhcpClient  = 67, 68
	dhcp6Client, dhcp6Serve = 546, 547
	bootReply               = 2
)

// services drops what only a server sends, when none may stand on the side that it comes from.
func (w *walk) services() Reason {
	s := w.layers.service(w.frame)
	if s == notServed || w.x.Guards.Serve[s]&sidesOf(w.side()) != 0 {
		return None
	}
	return ServiceDHCP + Reason(s)
}

func sidesOf(s l2.Side) Sides {
	if s == l2.Customer {
		return CustomerSide
	}
	return CloudSide
}

// service tells what a frame serves, or notServed.
func (l *layers) service(b []byte) Service {
	if l.version == 0 {
		return notServed
	}
	if l.protocol == protocolVRRP {
		return ServeFHRP
	}
	h := l.transport(b)
	switch {
	case len(h) == 0:
		return notServed
	case l.protocol == protocolUDP:
		return l.udpService(b, h)
	case l.version == 6 && l.protocol == protocolICMPv6:
		return icmp6Service(h[0])
	case l.version == 4 && l.protocol == protocolICMP && (h[0] == icmpRedirect || h[0] == icmpRouterAdvert):
		return ServeRouter
	case l.version == 4 && l.protocol == protocolIGMP && h[0] == igmpQuery:
		return ServeQuerier
	}
	return notServed
}

func icmp6Service(kind uint8) Service {
	switch kind {
	case icmp6RouterAdvert, icmp6Redirect:
		return ServeRouter
	case icmp6ListenerQuery:
		return ServeQuerier
	}
	return notServed
}

func (l *layers) udpService(b, h []byte) Service {
	src, dst := get16(h, 0), get16(h, 2)
	kind, either := get8(h, udpSize), func(port uint16) bool { return src == port || dst == port }
	switch {
	case l.version == 4 && (dst == dhcpClient || either(dhcpServer) && kind == bootReply):
		return ServeDHCP
	case l.version == 6 && (dst == dhcp6Client || either(dhcp6Serve) && isDHCPv6Server(kind)):
		return ServeDHCP
	case (dst == 1985 || dst == 2029 || dst == 3222) && l.toGroup(b): // HSRP, HSRP for IPv6, GLBP
		return ServeFHRP
	}
	return notServed
}

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
		return b[l.ip+16]>>4 == 0xe || [4]byte(b[l.ip+16:]) == [4]byte{255, 255, 255, 255}
	}
	return b[l.ip+24] == 0xff
}
