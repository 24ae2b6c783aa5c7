// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"github.com/drawbridge-l2/drawbridge/frame"
)

func icmp4(kind uint8, body int) []frame.Layer {
	return []frame.Layer{frame.ICMP{Type: kind}, frame.Raw(make([]byte, body))}
}

func icmp6(kind uint8, body int) []frame.Layer {
	return []frame.Layer{frame.ICMPv6{Type: kind}, frame.Raw(make([]byte, body))}
}

func udp(from, to uint16, payload ...frame.Layer) []frame.Layer {
	return append([]frame.Layer{frame.UDP{SrcPort: from, DstPort: to}}, payload...)
}

func raw(b ...byte) []frame.Layer { return []frame.Layer{frame.Raw(b)} }

// dhcp6 is the start of a DHCPv6 message of one of some types.
func (c *crafter) dhcp6(kinds ...byte) frame.Raw {
	return frame.Raw{kinds[c.IntN(len(kinds))], byte(c.Uint32()), byte(c.Uint32()), 1}
}

// hello stands for the body of a message that the gateway does not read.
var hello = frame.Raw(make([]byte, 20))

const toAll = "255.255.255.255"

// fhrpRogues are hellos of first-hop redundancy protocols, which no profile lets across.
func (c *crafter) fhrpRogues() []message {
	return []message{
		{kind: "VRRP", group: "224.0.0.18", ttl: 255, protocol: 112, layers: raw(hello...)},
		{kind: "VRRP over IPv6", ipv6: true, group: "ff02::12", ttl: 255, protocol: 112, layers: raw(hello...)},
		{kind: "HSRP", group: "224.0.0.2", bound: true, layers: udp(1985, 1985, hello)},
		{kind: "HSRP 2", group: "224.0.0.102", bound: true, layers: udp(1985, 1985, hello)},
		{kind: "HSRP over IPv6", ipv6: true, group: "ff02::66", bound: true, layers: udp(2029, 2029, hello)},
		{kind: "GLBP", group: "224.0.0.102", bound: true, layers: udp(3222, 3222, hello)},
	}
}

// serviceRogues are what else a customer has no business to serve under profile hosted.
func (c *crafter) serviceRogues() []message {
	port := uint16(10000 + c.IntN(40000))
	reply := frame.DHCPv4{Type: uint8(frame.DHCPOffer + 3*c.IntN(2)), ID: c.Uint32(), ClientMAC: c.to.MAC,
		YourIP: c.to.IPv4.Addr(), Server: c.from.IPv4.Addr()} // offer or ack
	return []message{
		{kind: "DHCP reply", group: toAll, layers: udp(67, 68, reply)},
		{kind: "DHCP to the client's port", group: toAll, layers: udp(port, 68, hello)},
		{kind: "DHCP reply to a relay", group: toAll, layers: udp(67, 67, reply)},
		{kind: "DHCP reply from another port", group: toAll, layers: udp(port, 67, reply)},
		{kind: "DHCPv6 to the client's port", ipv6: true, group: "ff02::1:2", layers: udp(547, 546, c.dhcp6(2, 7, 10))},
		{kind: "DHCPv6 to a relay", ipv6: true, group: "ff02::1:2", layers: udp(547, 547, c.dhcp6(2, 7, 10, 13))},
		{kind: "DHCPv6 from another port", ipv6: true, group: "ff02::1:2", layers: udp(port, 547, c.dhcp6(2, 7, 10, 13))},
		{kind: "RA", ipv6: true, group: "ff02::1", ttl: 255, layers: icmp6(134, 8)},
		{kind: "Redirect", ipv6: true, group: "ff02::1", ttl: 255, layers: icmp6(137, 32)},
		{kind: "ICMP redirect", group: "224.0.0.1", layers: icmp4(5, 20)},
		{kind: "ICMP router advertisement", group: "224.0.0.1", layers: icmp4(9, 20)},
		{kind: "IGMP query", group: "224.0.0.1", ttl: 1, protocol: 2, layers: raw(0x11, 100, 0, 0, 0, 0, 0, 0)},
		{kind: "MLD query", ipv6: true, group: "ff02::1", ttl: 1, layers: icmp6(130, 16)},
	}
}

// rogue is a message of a customer that plays at being a server, disguised.
func (c *crafter) rogue(number int) crafted {
	all := append(c.serviceRogues(), c.fhrpRogues()...)
	return c.packet(all[number%len(all)], label(evil, number), true)
}

// plainRogue is one that profile stretched lets through, as it is.
func (c *crafter) plainRogue(number int) crafted {
	all := c.serviceRogues()
	m := all[number%len(all)]
	m.whole = true
	mac, ip := c.to.MAC, c.to.IPv4.Addr()
	var header frame.Layer = frame.IPv4{Src: c.from.IPv4.Addr(), Dst: ip, TTL: m.ttl, Protocol: setUnless0(m.protocol)}
	if m.ipv6 {
		header = frame.IPv6{Src: c.from.IPv6.Addr(), Dst: c.to.IPv6.Addr(), HopLimit: m.ttl, NextHeader: setUnless0(m.protocol)}
	}
	layers := append(append([]frame.Layer{header}, m.layers...), label(evil, number))
	return crafted{m.kind, frame.Ethernet{Dst: mac, Src: c.from.MAC}.With(layers...).Bytes()}
}

func setUnless0(v uint8) frame.Field {
	if v == 0 {
		return frame.Field{}
	}
	return frame.Set(uint32(v))
}

// honest is a frame that no guard has anything against, to a machine that is known.
func (c *crafter) honest(number int) crafted {
	tail := label(good, number)
	if c.chance(6) {
		return c.opaque(tail)
	}
	all := c.honestMessages()
	return c.packet(all[number%len(all)], tail, false)
}

func (c *crafter) honestMessages() []message {
	from, to := uint16(10000+c.IntN(40000)), uint16(10000+c.IntN(40000))
	target := c.to.IPv6.Addr().AsSlice()
	multicastReports := []byte{0x12, 0x16, 0x17, 0x22}
	protocols := []uint8{47, 50, 89, 103, 132, 200}
	messages := []message{
		{kind: "UDP", layers: udp(from, to, c.bytes(400))},
		{kind: "UDP to HSRP's port of a machine", layers: udp(1985, 1985, hello)},
		{kind: "TCP", layers: []frame.Layer{frame.TCP{SrcPort: from, DstPort: to, Flags: frame.ACK}, c.bytes(400)}},
		{kind: "echo", layers: []frame.Layer{frame.ICMP{Type: 8}, c.bytes(100)}},
		{kind: "unreachable", layers: icmp4(3, 28)},
		{kind: "IGMP report", protocol: 2, layers: raw(multicastReports[c.IntN(4)], 0, 0, 0, 239, 1, 1, 1)},
		{kind: "DHCP client", layers: udp(68, 67, frame.DHCPv4{Type: frame.DHCPDiscover, ID: c.Uint32(), ClientMAC: c.from.MAC})},
		{kind: "another protocol", protocol: protocols[c.IntN(len(protocols))], layers: raw(c.bytes(100)...)},
		{kind: "UDP over IPv6", ipv6: true, layers: udp(from, to, c.bytes(400))},
		{kind: "TCP over IPv6", ipv6: true, layers: []frame.Layer{frame.TCP{SrcPort: from, DstPort: to, Flags: frame.SYN}, c.bytes(400)}},
		{kind: "echo over IPv6", ipv6: true, layers: icmp6(128, 16)},
		{kind: "RS", ipv6: true, ttl: 255, whole: true, layers: icmp6(133, 0)},
		{kind: "NS", ipv6: true, ttl: 255, whole: true, layers: []frame.Layer{frame.ICMPv6{Type: 135}, frame.Raw(target)}},
		{kind: "NA", ipv6: true, ttl: 255, whole: true, layers: []frame.Layer{frame.ICMPv6{Type: 136}, frame.Raw(target)}},
		{kind: "MLD report", ipv6: true, ttl: 1, whole: true, layers: icmp6([]uint8{131, 132, 143}[c.IntN(3)], 16)},
		{kind: "DHCPv6 client", ipv6: true, layers: udp(546, 547, c.dhcp6(1, 3, 4, 5, 6, 8, 9, 11))},
		{kind: "DHCPv6 relay's question", ipv6: true, layers: udp(547, 547, c.dhcp6(12))},
		{kind: "another protocol over IPv6", ipv6: true, protocol: protocols[c.IntN(len(protocols))], layers: raw(c.bytes(100)...)},
	}
	return messages
}

// opaque is a frame without IP.
func (c *crafter) opaque(tail frame.Raw) crafted {
	ethernet := frame.Ethernet{Dst: c.to.MAC, Src: c.from.MAC}
	switch c.IntN(4) {
	case 0:
		types := []uint32{0x0842, 0x22f3, 0x8137, 0x8847, 0x8848, 0x8863, 0x8864, 0x88b6, 0x88e5, 0x88f7, 0x8914, 0xffff, 0x0600}
		ethernet.Type = frame.Set(types[c.IntN(len(types))])
		return crafted{"opaque", ethernet.With(c.bytes(60), tail).Bytes()}
	case 1:
		saps := []uint8{0x04, 0x42, 0x7e, 0xe0, 0xf0, 0xfe}
		sap := saps[c.IntN(len(saps))]
		return crafted{"LLC", ethernet.With(frame.LLC{DSAP: sap, SSAP: sap, Control: 3}, c.bytes(60), tail).Bytes()}
	case 2:
		ouis := [][3]byte{{0x08, 0, 0x07}, {0, 0, 0x0c}, {0, 0x80, 0xc2}}
		return crafted{"SNAP of others", ethernet.With(frame.SNAP{OUI: ouis[c.IntN(3)], Type: frame.Set(0x809b)}, c.bytes(60), tail).Bytes()}
	}
	arp := frame.ARP{Op: uint16(1 + c.IntN(2)), SenderMAC: c.from.MAC, SenderIP: c.from.IPv4.Addr(), TargetMAC: c.to.MAC, TargetIP: c.to.IPv4.Addr()}
	return crafted{"ARP", ethernet.With(arp, tail).Bytes()}
}
