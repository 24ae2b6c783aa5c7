// SPDX-License-Identifier: Apache-2.0

package frame

// sum16 adds the 16-bit words of b to an unfolded ones' complement sum (RFC 1071).
func sum16(sum uint32, b []byte) uint32 {
	for len(b) >= 2 {
		sum += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
		if sum >= 1<<31 {
			sum = sum>>16 + sum&0xffff
		}
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// fold finishes a sum: the value of the checksum field.
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// pseudo sums the pseudo header of an upper protocol (RFC 9293 §3.1, RFC 8200 §8.1). Addresses are 4 or
// 16 bytes; the sum has the same form for both.
func pseudo(src, dst []byte, protocol uint8, length int) uint32 {
	sum := sum16(sum16(0, src), dst)
	return sum + uint32(protocol) + uint32(length>>16) + uint32(length&0xffff)
}

// network is a layer with a pseudo header.
type network interface {
	pseudo(protocol uint8, length int) uint32
}

// transportSum is the checksum of segment under the nearest IP header below. Without one it is the plain
// sum.
func transportSum(below []Layer, protocol uint8, segment []byte) uint16 {
	sum := uint32(0)
	for i := len(below) - 1; i >= 0; i-- {
		if n, ok := below[i].(network); ok {
			sum = n.pseudo(protocol, len(segment))
			break
		}
	}
	return fold(sum16(sum, segment))
}
