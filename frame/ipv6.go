// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"net/netip"
)

const ipv6Size = 40

// IPv6 is an IPv6 header. A zero HopLimit becomes 64, and 255 in front of ND (RFC 4861 §7.1.1).
type IPv6 struct {
	Src, Dst      netip.Addr
	TrafficClass  uint8
	FlowLabel     uint32 // 20 bits
	HopLimit      uint8
	Version       Field
	PayloadLength Field
	NextHeader    Field
}

func (h IPv6) etherType() uint16 { return TypeIPv6 }
func (h IPv6) protocol() uint8   { return ProtocolIPv6 }

func (h IPv6) pseudo(protocol uint8, length int) uint32 {
	return pseudo(addr6(h.Src), addr6(h.Dst), protocol, length)
}

func (h IPv6) encode(s stack) []byte {
	b := make([]byte, ipv6Size, ipv6Size+len(s.payload))
	first := h.Version.or(6)<<28 | uint32(h.TrafficClass)<<20 | h.FlowLabel&0xfffff
	binary.BigEndian.PutUint32(b, first)
	binary.BigEndian.PutUint16(b[4:], h.PayloadLength.or16(uint16(len(s.payload))))
	b[6] = h.NextHeader.or8(protocolOf(s))
	b[7] = h.hopLimit(s.above)
	copy(b[8:], addr6(h.Src))
	copy(b[24:], addr6(h.Dst))
	return append(b, s.payload...)
}

func (h IPv6) hopLimit(above Layer) uint8 {
	if h.HopLimit != 0 {
		return h.HopLimit
	}
	if icmp, ok := above.(ICMPv6); ok && icmp.isND() {
		return 255
	}
	return 64
}

// Extension is an IPv6 extension header whose length byte counts units of 8 bytes after the first: hop-by-hop,
// destination options or routing (RFC 8200 §4). Body is padded with PadN or zero to a multiple of 8.
type Extension struct {
	Header     uint8  // ProtocolHopByHop, ProtocolDestination or ProtocolRouting
	Body       []byte // behind the two bytes next header and length
	NextHeader Field
	Length     Field // in units of 8 bytes after the first 8
}

// HopByHop is a hop-by-hop options header with these options.
func HopByHop(options ...byte) Extension {
	return Extension{Header: ProtocolHopByHop, Body: options}
}

// DestinationOptions is a destination options header with these options.
func DestinationOptions(options ...byte) Extension {
	return Extension{Header: ProtocolDestination, Body: options}
}

// Routing is a routing header of this type with no segments left, which a receiver skips.
func Routing(kind uint8) Extension {
	return Extension{Header: ProtocolRouting, Body: []byte{kind, 0, 0, 0, 0, 0}}
}

func (e Extension) protocol() uint8 { return e.Header }

func (e Extension) encode(s stack) []byte {
	b := append([]byte{0, 0}, e.Body...)
	b = padExtension(b)
	b[0] = e.NextHeader.or8(protocolOf(s))
	b[1] = e.Length.or8(uint8(len(b)/8 - 1))
	return append(b, s.payload...)
}

// padExtension fills up to a multiple of 8 with Pad1 or PadN (RFC 8200 §4.2).
func padExtension(b []byte) []byte {
	switch missing := (8 - len(b)%8) % 8; missing {
	case 0:
		return b
	case 1:
		return append(b, 0)
	default:
		b = append(b, 1, uint8(missing-2))
		return append(b, make([]byte, missing-2)...)
	}
}

// Fragment is an IPv6 fragment header (RFC 8200 §4.5).
type Fragment struct {
	Offset     uint16 // in units of 8 bytes
	More       bool
	ID         uint32
	NextHeader Field
}

func (f Fragment) protocol() uint8 { return ProtocolFragment }

func (f Fragment) encode(s stack) []byte {
	word := f.Offset << 3
	if f.More {
		word |= 1
	}
	b := []byte{f.NextHeader.or8(protocolOf(s)), 0}
	b = binary.BigEndian.AppendUint16(b, word)
	b = binary.BigEndian.AppendUint32(b, f.ID)
	return append(b, s.payload...)
}

// Auth is an IPsec authentication header (RFC 4302) with a 12-byte check value of zeros.
type Auth struct {
	SPI, Sequence uint32
	NextHeader    Field
}

const authSize = 24

func (a Auth) protocol() uint8 { return ProtocolAuth }

func (a Auth) encode(s stack) []byte {
	b := make([]byte, authSize, authSize+len(s.payload))
	b[0] = a.NextHeader.or8(protocolOf(s))
	b[1] = authSize/4 - 2
	binary.BigEndian.PutUint32(b[4:], a.SPI)
	binary.BigEndian.PutUint32(b[8:], a.Sequence)
	return append(b, s.payload...)
}

// ESP is an IPsec encrypted payload (RFC 4303): what follows cannot be read.
type ESP struct{ SPI, Sequence uint32 }

func (e ESP) protocol() uint8 { return ProtocolESP }

func (e ESP) encode(s stack) []byte {
	b := binary.BigEndian.AppendUint32(nil, e.SPI)
	b = binary.BigEndian.AppendUint32(b, e.Sequence)
	return append(b, s.payload...)
}
