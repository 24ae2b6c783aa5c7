// SPDX-License-Identifier: Apache-2.0

package frame

import "encoding/binary"

const (
	udpSize = 8
	tcpSize = 20
)

// UDP is a UDP header. Set(0) as Checksum sends none.
type UDP struct {
	SrcPort, DstPort uint16
	Length           Field
	Checksum         Field
}

func (u UDP) protocol() uint8 { return ProtocolUDP }

func (u UDP) encode(s stack) []byte {
	b := make([]byte, udpSize, udpSize+len(s.payload))
	binary.BigEndian.PutUint16(b, u.SrcPort)
	binary.BigEndian.PutUint16(b[2:], u.DstPort)
	binary.BigEndian.PutUint16(b[4:], u.Length.or16(uint16(udpSize+len(s.payload))))
	b = append(b, s.payload...)
	sum := transportSum(s.below, ProtocolUDP, b)
	if sum == 0 { // RFC 768: zero means none, so a computed zero is sent as ones
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], u.Checksum.or16(sum))
	return b
}

// TCP flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// TCP is a TCP header.
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            uint8
	Window           uint16
	Urgent           uint16
	Options          []byte // a multiple of 4 bytes, at most 40
	DataOffset       Field  // in units of 4 bytes
	Checksum         Field
}

// MSS is the TCP option that carries the maximum segment size.
func MSS(size uint16) []byte { return []byte{2, 4, byte(size >> 8), byte(size)} }

func (t TCP) protocol() uint8 { return ProtocolTCP }

func (t TCP) encode(s stack) []byte {
	size := tcpSize + len(t.Options)
	b := make([]byte, size, size+len(s.payload))
	binary.BigEndian.PutUint16(b, t.SrcPort)
	binary.BigEndian.PutUint16(b[2:], t.DstPort)
	binary.BigEndian.PutUint32(b[4:], t.Seq)
	binary.BigEndian.PutUint32(b[8:], t.Ack)
	b[12] = t.DataOffset.or8(uint8(size/4)) << 4
	b[13] = t.Flags
	binary.BigEndian.PutUint16(b[14:], t.Window)
	binary.BigEndian.PutUint16(b[18:], t.Urgent)
	copy(b[tcpSize:], t.Options)
	b = append(b, s.payload...)
	binary.BigEndian.PutUint16(b[16:], t.Checksum.or16(transportSum(s.below, ProtocolTCP, b)))
	return b
}
