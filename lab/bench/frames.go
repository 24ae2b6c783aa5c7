// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
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

// The inner addresses; the stations differ by MAC and port.
var (
	innerCustomer = netip.MustParseAddr("10.1.0.1")
	innerCloud    = netip.MustParseAddr("10.1.0.2")
)

// magic starts the generator's UDP payload; the sink looks for it. bpf/frame.h has the same.
const magic = 0x64626265

// discardPort is RFC 863's.
const discardPort = 9

// frame is a whole frame of a size, without FCS: the first station's of the first extension. A UDP checksum of 0 lets the
// generator change ports.
func (s stream) frame(size int) []byte {
	from, to := customerSide, cloudSide
	source, destination := innerCustomer, innerCloud
	if s.direction == toCustomer {
		from, to, source, destination = to, from, destination, source
	}
	payload := make(frame.Raw, size-fcsSize-markOffset)
	binary.BigEndian.PutUint32(payload, magic)
	layers := []frame.Layer{
		frame.IPv4{Src: source, Dst: destination, DontFragment: true},
		frame.UDP{DstPort: discardPort, Checksum: frame.Set(0)},
		payload,
	}
	if s.encoding == tagged {
		layers = slices.Insert(layers, 0, frame.Layer(frame.VLAN{ID: firstVLAN}))
	}
	inner := frame.Ethernet{Src: stationMAC(from, 0), Dst: stationMAC(to, 0)}.With(layers...)
	if s.encoding != tunnel {
		return inner.Bytes()
	}
	return frame.Ethernet{Src: vtepMAC, Dst: underlayMAC}.With(
		frame.IPv4{Src: cloudVTEP, Dst: gatewayVTEP, DontFragment: true},
		frame.UDP{DstPort: frame.VXLANPort, Checksum: frame.Set(0)},
		frame.VXLAN{VNI: firstVNI},
		frame.Raw(inner.Bytes()),
	).Bytes()
}

// Which half of the station addresses belongs to a side.
const customerSide, cloudSide byte = 0xc0, 0xd0

// stationMAC is what the generator writes for a station, on the customer's side or the cloud's.
func stationMAC(side byte, station int) l2.MAC {
	return l2.MAC{2, side, 0, byte(station >> 16), byte(station >> 8), byte(station)}
}
