// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// VXLANPort is the UDP destination port (RFC 7348 §8).
const VXLANPort = 4789

const vxlanSize = 8

// VXLAN is a VXLAN header (RFC 7348 §5). Flags is 0x08 unless set. VNI takes any 24 bits.
type VXLAN struct {
	Flags     Field
	Reserved1 [3]byte // between flags and VNI
	VNI       uint32
	Reserved2 uint8
}

func (v VXLAN) encode(s stack) []byte {
	b := make([]byte, vxlanSize, vxlanSize+len(s.payload))
	b[0] = v.Flags.or8(0x08)
	copy(b[1:], v.Reserved1[:])
	binary.BigEndian.PutUint32(b[4:], v.VNI<<8|uint32(v.Reserved2))
	return append(b, s.payload...)
}

// Tunnel is a VXLAN packet taken apart.
type Tunnel struct {
	Outer    *Parsed
	Src, Dst netip.Addr // VTEPs
	VXLAN    VXLAN
	Inner    []byte // the frame inside
}

// ParseVXLAN reads an Ethernet frame that carries VXLAN, to whatever UDP port.
func ParseVXLAN(b []byte) (Tunnel, error) {
	outer, err := Parse(b)
	if err != nil {
		return Tunnel{}, err
	}
	if outer.UDP == nil || len(outer.Payload) < vxlanSize {
		return Tunnel{}, fmt.Errorf("parse VXLAN: no VXLAN header in %d bytes", len(b))
	}
	h := outer.Payload
	word := binary.BigEndian.Uint32(h[4:])
	src, dst := outer.Addrs()
	return Tunnel{
		Outer: outer, Src: src, Dst: dst, Inner: h[vxlanSize:],
		VXLAN: VXLAN{Flags: Set(uint32(h[0])), Reserved1: [3]byte(h[1:4]), VNI: word >> 8, Reserved2: uint8(word)},
	}, nil
}
