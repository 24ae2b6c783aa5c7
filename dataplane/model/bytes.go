// SPDX-License-Identifier: Apache-2.0

package model

import "encoding/binary"

// get16 reads 16 bits in wire order, 0 behind the end.
func get16(b []byte, at int) uint16 {
	if at < 0 || at+2 > len(b) {
		return 0
	}
	return binary.BigEndian.Uint16(b[at:])
}

// get8 reads a byte, 0 behind the end.
func get8(b []byte, at int) uint8 {
	if at < 0 || at >= len(b) {
		return 0
	}
	return b[at]
}

// replace16 writes 16 bits at an even offset of what a checksum covers, and makes the checksum at sum right
// again (RFC 1624 equation 3).
func replace16(b []byte, at, sum int, value uint16) {
	old := binary.BigEndian.Uint16(b[at:])
	binary.BigEndian.PutUint16(b[at:], value)
	binary.BigEndian.PutUint16(b[sum:], adjusted(binary.BigEndian.Uint16(b[sum:]), old, value))
}

func adjusted(sum, old, value uint16) uint16 {
	n := uint32(^sum) + uint32(^old) + uint32(value)
	n = n>>16 + n&0xffff
	n = n>>16 + n&0xffff
	return ^uint16(n)
}

// sumOf is the ones' complement sum of an IPv4 header: 0xffff when its checksum is right (RFC 1071).
func sumOf(b []byte) uint16 {
	n := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		n += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}
