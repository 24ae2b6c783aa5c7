// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// maxExtensions bounds the chain of IPv6 extension headers that is read.
const maxExtensions = 32

func (p *Parsed) ipv4(b []byte) error {
	if len(b) < ipv4Size {
		return short("IPv4", b)
	}
	size, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || size < ipv4Size || total < size || total > len(b) {
		return fmt.Errorf("parse IPv4: version %d, header %d, length %d of %d bytes", b[0]>>4, size, total, len(b))
	}
	p.IPv4 = readIPv4(b[:size])
	p.IPv4.TotalLength = Set(uint32(total))
	p.Payload, p.Trailer = b[size:total], b[total:]
	if p.IPv4.MoreFragments || p.IPv4.FragmentOffset != 0 {
		return nil
	}
	return p.transport(b[9], p.Payload)
}

func readIPv4(b []byte) *IPv4 {
	word := binary.BigEndian.Uint16(b[6:])
	return &IPv4{
		Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])),
		TOS: b[1], ID: binary.BigEndian.Uint16(b[4:]),
		Reserved: word&(1<<15) != 0, DontFragment: word&(1<<14) != 0, MoreFragments: word&(1<<13) != 0,
		FragmentOffset: word & 0x1fff, TTL: b[8], Options: b[ipv4Size:],
		Version: Set(uint32(b[0] >> 4)), HeaderWords: Set(uint32(b[0] & 0xf)),
		Protocol: Set(uint32(b[9])), Checksum: Set(uint32(binary.BigEndian.Uint16(b[10:]))),
	}
}

func (p *Parsed) ipv6(b []byte) error {
	if len(b) < ipv6Size {
		return short("IPv6", b)
	}
	first, length := binary.BigEndian.Uint32(b), int(binary.BigEndian.Uint16(b[4:]))
	if first>>28 != 6 || length > len(b)-ipv6Size {
		return fmt.Errorf("parse IPv6: version %d, length %d of %d bytes", first>>28, length, len(b)-ipv6Size)
	}
	p.IPv6 = &IPv6{
		Src: netip.AddrFrom16([16]byte(b[8:24])), Dst: netip.AddrFrom16([16]byte(b[24:40])),
		TrafficClass: uint8(first >> 20), FlowLabel: first & 0xfffff, HopLimit: b[7],
		Version: Set(first >> 28), PayloadLength: Set(uint32(length)), NextHeader: Set(uint32(b[6])),
	}
	p.Trailer = b[ipv6Size+length:]
	return p.chain(b[6], b[ipv6Size:ipv6Size+length])
}

// chain reads extension headers up to the transport header, or to a fragment's content.
func (p *Parsed) chain(next uint8, b []byte) error {
	p.Payload = b
	for range maxExtensions {
		size, err := extensionSize(next, b)
		if err != nil {
			return err
		}
		if size == 0 {
			return p.transport(next, b)
		}
		layer := readExtension(next, b[:size])
		p.Extensions = append(p.Extensions, layer)
		next, b = b[0], b[size:]
		p.Payload = b
		if f, ok := layer.(Fragment); ok && (f.More || f.Offset != 0) {
			return nil
		}
	}
	return fmt.Errorf("parse IPv6: more than %d extension headers", maxExtensions)
}

// extensionSize is the size of the extension header of this number in bytes, 0 when the number is none.
func extensionSize(header uint8, b []byte) (int, error) {
	size := 0
	switch header {
	case ProtocolHopByHop, ProtocolDestination, ProtocolRouting:
		size = 8
		if len(b) > 1 {
			size = 8 + int(b[1])*8
		}
	case ProtocolFragment:
		size = 8
	case ProtocolAuth:
		size = 8
		if len(b) > 1 {
			size = max(8, int(b[1])*4+8)
		}
	}
	if len(b) < size {
		return 0, short("IPv6 extension header", b)
	}
	return size, nil
}

func readExtension(header uint8, b []byte) Layer {
	next := Set(uint32(b[0]))
	switch header {
	case ProtocolFragment:
		word := binary.BigEndian.Uint16(b[2:])
		return Fragment{Offset: word >> 3, More: word&1 != 0, ID: binary.BigEndian.Uint32(b[4:]), NextHeader: next}
	case ProtocolAuth:
		if len(b) == authSize {
			return Auth{SPI: binary.BigEndian.Uint32(b[4:]), Sequence: binary.BigEndian.Uint32(b[8:]), NextHeader: next}
		}
		return Raw(b)
	}
	return Extension{Header: header, Body: b[2:], NextHeader: next, Length: Set(uint32(b[1]))}
}

func (p *Parsed) transport(protocol uint8, b []byte) error {
	switch protocol {
	case ProtocolUDP:
		return p.udp(b)
	case ProtocolTCP:
		return p.tcp(b)
	case ProtocolICMP, ProtocolICMPv6:
		return p.icmp(protocol, b)
	}
	return nil
}

func (p *Parsed) udp(b []byte) error {
	if len(b) < udpSize {
		return short("UDP", b)
	}
	p.UDP = &UDP{
		SrcPort: binary.BigEndian.Uint16(b), DstPort: binary.BigEndian.Uint16(b[2:]),
		Length:   Set(uint32(binary.BigEndian.Uint16(b[4:]))),
		Checksum: Set(uint32(binary.BigEndian.Uint16(b[6:]))),
	}
	p.segment, p.Payload = b, b[udpSize:]
	return nil
}

func (p *Parsed) tcp(b []byte) error {
	if len(b) < tcpSize {
		return short("TCP", b)
	}
	size := int(b[12]>>4) * 4
	if size < tcpSize || size > len(b) {
		return fmt.Errorf("parse TCP: header of %d in %d bytes", size, len(b))
	}
	p.TCP = &TCP{
		SrcPort: binary.BigEndian.Uint16(b), DstPort: binary.BigEndian.Uint16(b[2:]),
		Seq: binary.BigEndian.Uint32(b[4:]), Ack: binary.BigEndian.Uint32(b[8:]),
		Flags: b[13], Window: binary.BigEndian.Uint16(b[14:]), Urgent: binary.BigEndian.Uint16(b[18:]),
		Options: b[tcpSize:size], DataOffset: Set(uint32(b[12] >> 4)),
		Checksum: Set(uint32(binary.BigEndian.Uint16(b[16:]))),
	}
	p.segment, p.Payload = b, b[size:]
	return nil
}

func (p *Parsed) icmp(protocol uint8, b []byte) error {
	if len(b) < icmpSize {
		return short("ICMP", b)
	}
	sum, rest := Set(uint32(binary.BigEndian.Uint16(b[2:]))), [4]byte(b[4:8])
	if protocol == ProtocolICMP {
		p.ICMP = &ICMP{Type: b[0], Code: b[1], Rest: rest, Checksum: sum}
	} else {
		p.ICMPv6 = &ICMPv6{Type: b[0], Code: b[1], Rest: rest, Checksum: sum}
	}
	p.segment, p.Payload = b, b[icmpSize:]
	return nil
}
