// SPDX-License-Identifier: Apache-2.0

package frame

import "encoding/binary"

// ICMP and ICMPv6 types that tests use.
const (
	EchoReply4          = 0
	Unreachable4        = 3
	EchoRequest4        = 8
	PacketTooBig6       = 2
	EchoRequest6        = 128
	EchoReply6          = 129
	RouterSolicitation  = 133
	RouterAdvertisement = 134
	NeighborSolicit     = 135
	NeighborAdvert      = 136
	Redirect6           = 137
	icmpSize            = 8
)

// ICMP is an ICMP message: the first 8 bytes, the rest is payload. Rest is identifier and sequence
// number of an echo, or unused and MTU of a too-big message.
type ICMP struct {
	Type, Code uint8
	Rest       [4]byte
	Checksum   Field
}

func (i ICMP) protocol() uint8 { return ProtocolICMP }

func (i ICMP) encode(s stack) []byte {
	b := icmpBytes(i.Type, i.Code, i.Rest, s.payload)
	binary.BigEndian.PutUint16(b[2:], i.Checksum.or16(fold(sum16(0, b))))
	return b
}

// ICMPv6 is an ICMPv6 message, shaped as ICMP.
type ICMPv6 struct {
	Type, Code uint8
	Rest       [4]byte
	Checksum   Field
}

func (i ICMPv6) protocol() uint8 { return ProtocolICMPv6 }

func (i ICMPv6) isND() bool { return i.Type >= RouterSolicitation && i.Type <= Redirect6 }

func (i ICMPv6) encode(s stack) []byte {
	b := icmpBytes(i.Type, i.Code, i.Rest, s.payload)
	sum := transportSum(s.below, ProtocolICMPv6, b)
	binary.BigEndian.PutUint16(b[2:], i.Checksum.or16(sum))
	return b
}

func icmpBytes(kind, code uint8, rest [4]byte, payload []byte) []byte {
	b := make([]byte, icmpSize, icmpSize+len(payload))
	b[0], b[1] = kind, code
	copy(b[4:], rest[:])
	return append(b, payload...)
}

// Echo is the Rest of an echo message.
func Echo(id, sequence uint16) [4]byte {
	return [4]byte{byte(id >> 8), byte(id), byte(sequence >> 8), byte(sequence)}
}
