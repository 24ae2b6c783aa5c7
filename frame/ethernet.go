// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// EtherTypes that the builder fills in (IEEE 802 numbers).
const (
	TypeIPv4  = 0x0800
	TypeARP   = 0x0806
	TypeRARP  = 0x8035
	TypeVLAN  = 0x8100
	TypeIPv6  = 0x86dd
	TypeSVLAN = 0x88a8
	TypeLocal = 0x88b5 // IEEE Std 802 local experimental 1
)

// etherTyped is a layer that an EtherType announces.
type etherTyped interface{ etherType() uint16 }

// Ethernet is the MAC header, without preamble and FCS. Type is filled in from the next layer: its
// EtherType, or the length of what follows when that is LLC or SNAP, or TypeLocal when it is raw.
type Ethernet struct {
	Dst, Src l2.MAC
	Type     Field
}

// With starts a packet.
func (e Ethernet) With(layers ...Layer) Packet { return Stack(e).With(layers...) }

// Bytes builds the header alone.
func (e Ethernet) Bytes() []byte { return Stack(e).Bytes() }

func (e Ethernet) encode(s stack) []byte {
	b := make([]byte, 0, 14+len(s.payload))
	b = append(b, e.Dst[:]...)
	b = append(b, e.Src[:]...)
	b = binary.BigEndian.AppendUint16(b, e.Type.or16(typeOf(s)))
	return append(b, s.payload...)
}

// typeOf is the EtherType or length field in front of the next layer.
func typeOf(s stack) uint16 {
	switch above := s.above.(type) {
	case etherTyped:
		return above.etherType()
	case LLC, SNAP:
		return uint16(len(s.payload))
	}
	return TypeLocal
}

// VLAN is one tag. TPID is TypeVLAN unless set. ID takes any 12 bits: a test needs 0 and 4095 too.
type VLAN struct {
	TPID Field
	PCP  uint8 // 0–7
	DEI  bool
	ID   uint16
	Type Field
}

// Tags is the stack of tags that frames of a circuit carry, with one priority.
func Tags(v l2.VLAN, pcp uint8) []Layer {
	var tags []Layer
	if v.Depth() > 0 {
		tags = append(tags, VLAN{TPID: Set(uint32(v.TPID())), PCP: pcp, ID: uint16(v.Outer())})
	}
	if v.Depth() > 1 {
		tags = append(tags, VLAN{PCP: pcp, ID: uint16(v.Inner())})
	}
	return tags
}

func (v VLAN) etherType() uint16 { return v.TPID.or16(TypeVLAN) }

func (v VLAN) encode(s stack) []byte {
	tci := uint16(v.PCP&7)<<13 | v.ID&0xfff
	if v.DEI {
		tci |= 1 << 12
	}
	b := make([]byte, 0, 4+len(s.payload))
	b = binary.BigEndian.AppendUint16(b, tci)
	b = binary.BigEndian.AppendUint16(b, v.Type.or16(typeOf(s)))
	return append(b, s.payload...)
}

// LLC is an IEEE 802.2 header with a one-byte control field.
type LLC struct{ DSAP, SSAP, Control uint8 }

func (l LLC) encode(s stack) []byte {
	return append([]byte{l.DSAP, l.SSAP, l.Control}, s.payload...)
}

// SNAP is the LLC header AA-AA-03 and the SNAP header behind it. Type is filled in as Ethernet's is.
type SNAP struct {
	OUI  [3]byte
	Type Field
}

func (n SNAP) encode(s stack) []byte {
	b := append([]byte{0xaa, 0xaa, 0x03}, n.OUI[:]...)
	b = binary.BigEndian.AppendUint16(b, n.Type.or16(typeOf(s)))
	return append(b, s.payload...)
}
