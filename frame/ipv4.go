// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers that the builder fills in.
const (
	ProtocolHopByHop    = 0
	ProtocolICMP        = 1
	ProtocolIPv4        = 4
	ProtocolTCP         = 6
	ProtocolUDP         = 17
	ProtocolIPv6        = 41
	ProtocolRouting     = 43
	ProtocolFragment    = 44
	ProtocolESP         = 50
	ProtocolAuth        = 51
	ProtocolICMPv6      = 58
	ProtocolNone        = 59
	ProtocolDestination = 60
)

const ipv4Size = 20

// ipCarried is a layer that an IP protocol number announces.
type ipCarried interface{ protocol() uint8 }

// IPv4 is an IPv4 header. A zero TTL becomes 64.
type IPv4 struct {
	Src, Dst       netip.Addr
	TOS            uint8
	ID             uint16
	DontFragment   bool
	MoreFragments  bool
	Reserved       bool   // the first of the three flag bits, which must be zero
	FragmentOffset uint16 // in units of 8 bytes
	TTL            uint8
	Options        []byte // a multiple of 4 bytes, at most 40
	Version        Field
	HeaderWords    Field // IHL
	TotalLength    Field
	Protocol       Field
	Checksum       Field
}

func (h IPv4) etherType() uint16 { return TypeIPv4 }
func (h IPv4) protocol() uint8   { return ProtocolIPv4 }

func (h IPv4) pseudo(protocol uint8, length int) uint32 {
	return pseudo(addr4(h.Src), addr4(h.Dst), protocol, length)
}

func (h IPv4) encode(s stack) []byte {
	size := ipv4Size + len(h.Options)
	b := make([]byte, size, size+len(s.payload))
	b[0] = h.Version.or8(4)<<4 | h.HeaderWords.or8(uint8(size/4))&0xf
	b[1] = h.TOS
	binary.BigEndian.PutUint16(b[2:], h.TotalLength.or16(uint16(size+len(s.payload))))
	binary.BigEndian.PutUint16(b[4:], h.ID)
	binary.BigEndian.PutUint16(b[6:], h.fragmentWord())
	b[8] = h.TTL
	if h.TTL == 0 {
		b[8] = 64
	}
	b[9] = h.Protocol.or8(protocolOf(s))
	copy(b[12:], addr4(h.Src))
	copy(b[16:], addr4(h.Dst))
	copy(b[ipv4Size:], h.Options)
	binary.BigEndian.PutUint16(b[10:], h.Checksum.or16(fold(sum16(0, b))))
	return append(b, s.payload...)
}

func (h IPv4) fragmentWord() uint16 {
	w := h.FragmentOffset & 0x1fff
	for _, flag := range []struct {
		on  bool
		bit uint16
	}{{h.Reserved, 1 << 15}, {h.DontFragment, 1 << 14}, {h.MoreFragments, 1 << 13}} {
		if flag.on {
			w |= flag.bit
		}
	}
	return w
}

// protocolOf is the protocol number in front of the next layer.
func protocolOf(s stack) uint8 {
	if above, ok := s.above.(ipCarried); ok {
		return above.protocol()
	}
	return ProtocolNone
}
