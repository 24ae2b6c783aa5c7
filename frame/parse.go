// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Parsed is a frame taken apart. Headers that are not there are nil; every Field of those that are is
// set. Payload is what follows the last header that was read.
type Parsed struct {
	Ethernet   Ethernet
	Tags       []VLAN // outermost first
	LLC        *LLC
	SNAP       *SNAP
	ARP        *ARP
	IPv4       *IPv4
	IPv6       *IPv6
	Extensions []Layer // IPv6 extension headers in order
	UDP        *UDP
	TCP        *TCP
	ICMP       *ICMP
	ICMPv6     *ICMPv6
	Payload    []byte
	Trailer    []byte // behind the end of the IP packet: padding

	segment []byte // transport header and payload, nil in a fragment
}

// Parse reads an Ethernet frame through its tags, LLC, ARP, IPv4 or IPv6 with extension headers, and its
// transport header. What it does not know is payload. A header that is cut off is an error.
func Parse(b []byte) (*Parsed, error) {
	if len(b) < 14 {
		return nil, short("Ethernet", b)
	}
	kind := binary.BigEndian.Uint16(b[12:])
	p := &Parsed{Ethernet: Ethernet{Dst: l2.MAC(b[0:6]), Src: l2.MAC(b[6:12]), Type: Set(uint32(kind))}}
	return p, p.tagged(kind, b[14:])
}

// IsTag reports whether an EtherType announces a tag that Drawbridge knows.
func IsTag(etherType uint16) bool {
	switch etherType {
	case TypeVLAN, TypeSVLAN, 0x9100, 0x9200, 0x9300:
		return true
	}
	return false
}

// EtherType is the type behind all tags, or the 802.3 length.
func (p *Parsed) EtherType() uint16 {
	kind, _ := p.Ethernet.Type.Get()
	if n := len(p.Tags); n > 0 {
		kind, _ = p.Tags[n-1].Type.Get()
	}
	return uint16(kind)
}

// Addrs are the IP addresses; invalid when there is no IP header.
func (p *Parsed) Addrs() (src, dst netip.Addr) {
	switch {
	case p.IPv4 != nil:
		return p.IPv4.Src, p.IPv4.Dst
	case p.IPv6 != nil:
		return p.IPv6.Src, p.IPv6.Dst
	}
	return netip.Addr{}, netip.Addr{}
}

// Layers is the frame as a stack that builds the same bytes again.
func (p *Parsed) Layers() Packet {
	s := Stack(p.Ethernet)
	for _, t := range p.Tags {
		s = s.With(t)
	}
	s = withLayer(s, p.LLC)
	s = withLayer(s, p.SNAP)
	s = withLayer(s, p.ARP)
	s = withLayer(s, p.IPv4)
	s = withLayer(s, p.IPv6)
	s = s.With(p.Extensions...)
	s = withLayer(s, p.UDP)
	s = withLayer(s, p.TCP)
	s = withLayer(s, p.ICMP)
	s = withLayer(s, p.ICMPv6)
	return s.With(Raw(p.Payload), Raw(p.Trailer))
}

func withLayer[L Layer](s Packet, l *L) Packet {
	if l == nil {
		return s
	}
	return s.With(*l)
}

func (p *Parsed) tagged(kind uint16, b []byte) error {
	for IsTag(kind) {
		if len(b) < 4 {
			return short("VLAN tag", b)
		}
		tci := binary.BigEndian.Uint16(b)
		next := binary.BigEndian.Uint16(b[2:])
		p.Tags = append(p.Tags, VLAN{TPID: Set(uint32(kind)), PCP: uint8(tci >> 13), DEI: tci&(1<<12) != 0,
			ID: tci & 0xfff, Type: Set(uint32(next))})
		kind, b = next, b[4:]
	}
	return p.typed(kind, b)
}

func (p *Parsed) typed(kind uint16, b []byte) error {
	p.Payload = b
	switch {
	case kind < 0x0600:
		return p.llc(b)
	case kind == TypeIPv4:
		return p.ipv4(b)
	case kind == TypeIPv6:
		return p.ipv6(b)
	case kind == TypeARP, kind == TypeRARP:
		return p.arp(b)
	}
	return nil
}

func (p *Parsed) llc(b []byte) error {
	if len(b) < 3 {
		return short("LLC", b)
	}
	if b[0] == 0xaa && b[1] == 0xaa && b[2] == 0x03 && len(b) >= 8 {
		p.SNAP = &SNAP{OUI: [3]byte(b[3:6]), Type: Set(uint32(binary.BigEndian.Uint16(b[6:])))}
		p.Payload = b[8:]
		return nil
	}
	p.LLC = &LLC{DSAP: b[0], SSAP: b[1], Control: b[2]}
	p.Payload = b[3:]
	return nil
}

// arp reads IPv4 over Ethernet; ARP for anything else stays payload.
func (p *Parsed) arp(b []byte) error {
	if len(b) < arpSize {
		return short("ARP", b)
	}
	if [6]byte(b[:6]) != [6]byte{0, hardwareEther, 0x08, 0x00, sizeMAC, sizeIPv4} {
		return nil
	}
	p.ARP = &ARP{
		Op:        binary.BigEndian.Uint16(b[6:]),
		SenderMAC: l2.MAC(b[8:14]), SenderIP: netip.AddrFrom4([4]byte(b[14:18])),
		TargetMAC: l2.MAC(b[18:24]), TargetIP: netip.AddrFrom4([4]byte(b[24:28])),
	}
	p.Payload = b[arpSize:]
	return nil
}

func short(header string, b []byte) error {
	return fmt.Errorf("parse %s: %d bytes are too few", header, len(b))
}
