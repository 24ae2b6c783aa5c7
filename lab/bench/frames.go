// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// direction is where frames travel.
type direction int

const (
	toCloud direction = iota
	toCustomer
)

// String uses the product's words.
func (d direction) String() string {
	if d == toCustomer {
		return "to-customer"
	}
	return "to-cloud"
}

// encoding is how a frame looks on a wire. The values are the generator's.
type encoding uint32

const (
	plain  encoding = iota // untagged
	tagged                 // one 802.1Q tag
	tunnel                 // VXLAN over IPv4
)

// Bytes in front of a frame's parts.
const (
	ethernetSize = 14
	tagSize      = 4
	tunnelSize   = 50
	ipv4Size     = 20
	udpSize      = 8
	fcsSize      = 4
	markOffset   = ethernetSize + ipv4Size + udpSize // of the generator's mark in an untagged frame
)

// overhead is what an encoding adds to an untagged frame.
func (e encoding) overhead() int { return [...]int{0, tagSize, tunnelSize}[e] }

// layout is how the frames are spread.
type layout struct {
	extensions int
	macs       int // station pairs through all extensions; at least one each
}

// perExtension rounds down: every extension has the same number.
func (l layout) perExtension() int { return max(1, l.macs/l.extensions) }

// stations is how many station pairs there really are.
func (l layout) stations() int { return l.perExtension() * l.extensions }

// frameMix is a sequence of frame sizes that repeats. A size is that of the untagged Ethernet frame with its FCS, as in RFC
// 2544, whatever the wire adds.
type frameMix struct {
	name    string
	sizes   []int
	pattern []uint8 // indexes into sizes
}

// parseMix reads a size in bytes or imix.
func parseMix(s string) (frameMix, error) {
	if s == "imix" {
		// 7:4:1, as in CSIT's 28×64 + 16×570 + 4×1518, spread evenly.
		return frameMix{name: s, sizes: []int{64, 570, 1518}, pattern: []uint8{0, 1, 0, 0, 1, 0, 2, 0, 1, 0, 0, 1}}, nil
	}
	var size int
	if _, err := fmt.Sscanf(s, "%d", &size); err != nil || fmt.Sprint(size) != s || size < 64 || size > 1518 {
		return frameMix{}, fmt.Errorf("frame size %q: want 64 to 1518, or imix", s)
	}
	return frameMix{name: s, sizes: []int{size}, pattern: []uint8{0}}, nil
}

// largest is the buffer that the generator needs.
func (m frameMix) largest(e encoding) int {
	largest := 0
	for _, size := range m.sizes {
		largest = max(largest, size)
	}
	return largest - fcsSize + e.overhead()
}

// meanSize is the average frame, with FCS.
func (m frameMix) meanSize() float64 {
	sum := 0
	for _, i := range m.pattern {
		sum += m.sizes[i]
	}
	return float64(sum) / float64(len(m.pattern))
}

// The inner addresses; the stations differ by MAC and port.
var innerCustomer, innerCloud = [4]byte{10, 1, 0, 1}, [4]byte{10, 1, 0, 2}

// magic starts the generator's UDP payload; the sink looks for it. bpf/frame.h has the same.
const magic = 0x64626265

// headers are a frame's first bytes, as far as the mark, for the first station of the first extension.
func (s stream) headers(size int) []byte {
	inner := size - fcsSize - ethernetSize
	from, to := customerSide, cloudSide
	source, destination := innerCustomer, innerCloud
	if s.direction == toCustomer {
		from, to, source, destination = to, from, destination, source
	}
	var b []byte
	if s.encoding == tunnel {
		outer := size - fcsSize + tunnelSize - ethernetSize
		b = slices.Concat(b, underlayMAC, vtepMAC)
		b = be.AppendUint16(b, etherTypeIPv4)
		b = appendUDP(b, outer, cloudVTEP.As4(), gatewayVTEP.As4(), vxlanPort)
		b = be.AppendUint32(b, vxlanFlagVNI)
		b = be.AppendUint32(b, firstVNI<<8)
	}
	b = slices.Concat(b, stationMAC(to, 0), stationMAC(from, 0))
	if s.encoding == tagged {
		b = be.AppendUint16(b, etherTypeVLAN)
		b = be.AppendUint16(b, firstVLAN)
	}
	b = be.AppendUint16(b, etherTypeIPv4)
	b = appendUDP(b, inner, source, destination, discardPort)
	b = be.AppendUint32(b, magic)
	return append(b, make([]byte, 8)...) // the sequence
}

var be = binary.BigEndian

const (
	etherTypeIPv4 = 0x0800
	etherTypeVLAN = 0x8100
	vxlanPort     = 4789
	discardPort   = 9
	vxlanFlagVNI  = 0x08000000
	protocolUDP   = 17
)

// appendUDP adds an IPv4 and a UDP header without checksum. total is the IP packet's length.
func appendUDP(b []byte, total int, source, destination [4]byte, port uint16) []byte {
	ip := make([]byte, ipv4Size)
	ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, protocolUDP // no options; DF; TTL
	be.PutUint16(ip[2:], uint16(total))
	copy(ip[12:], source[:])
	copy(ip[16:], destination[:])
	be.PutUint16(ip[10:], internetChecksum(ip))
	b = append(b, ip...)
	b = be.AppendUint16(b, 0) // the generator's to fill
	b = be.AppendUint16(b, port)
	b = be.AppendUint16(b, uint16(total-ipv4Size))
	return be.AppendUint16(b, 0)
}

// internetChecksum is RFC 1071's, of an even number of bytes.
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(be.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// stationMAC is what the generator writes for a station, on the customer's side or the cloud's.
func stationMAC(side byte, station int) []byte {
	return []byte{2, side, 0, byte(station >> 16), byte(station >> 8), byte(station)}
}

const customerSide, cloudSide byte = 0xc0, 0xd0
