// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/drawbridge-l2/drawbridge/l2"

// control reports whether a frame belongs to one link only, and as which protocol it may be tunnelled; 0 when
// it may not.
func (l *layers) control(b []byte) (Protocols, bool) {
	if p, is := controlType(l.kind); is {
		if subtype := get8(b, l.payload); p == LACP && subtype != slowLACP && subtype != slowMarker { // OAM and others share the type (IEEE 802.3 annex 57A)
			return 0, true
		}
		return p, true
	}
	if p, is := controlType(l.carried); is {
		return p, true
	}
	d := l.dst
	switch [5]byte(d[:5]) {
	case [5]byte{0x01, 0x80, 0xc2, 0, 0}:
		return reservedGroup(d[5])
	case [5]byte{0x01, 0x00, 0x0c, 0xcc, 0xcc}:
		switch d[5] {
		case 0xcc:
			return ciscoProtocol(b, l), true
		case 0xcd:
			return PVST, true
		}
	case [5]byte{0x00, 0xe0, 0x2b, 0, 0}:
		return 0, d[5] < 0x10 // EDP, EAPS
	}
	return 0, d == l2.MAC{0x01, 0x00, 0x0c} // ISL
}

// The subtypes of slow protocols that link aggregation has: LACP, and its marker.
const (
	slowLACP   = 1
	slowMarker = 2
)

func controlType(kind uint16) (Protocols, bool) {
	switch kind {
	case typePause:
		return 0, true
	case typeSlow:
		return LACP, true
	case typeLLDP:
		return LLDP, true
	case typeCFM:
		return CFM, true
	}
	return 0, false
}

// reservedGroup is IEEE 802.1Q's table 8-1, and the groups of MRP and CFM.
func reservedGroup(last uint8) (Protocols, bool) {
	switch {
	case last == 0x00:
		return STP, true
	case last == 0x03:
		return EAP, true
	case last < 0x10:
		return 0, true
	case last == 0x20:
		return MRP, true
	case last == 0x21:
		return GVRP | MRP, true
	case last >= 0x20 && last < 0x30:
		return 0, true
	case last >= 0x30 && last < 0x40:
		return CFM, true
	}
	return 0, false
}

// ciscoProtocol tells the protocols apart that share 01:00:0c:cc:cc:cc, by SNAP's protocol under Cisco's
// OUI.
func ciscoProtocol(b []byte, l *layers) Protocols {
	if !l.llc || l.kind < snapSize || [6]byte(b[l.payload:l.payload+6]) != [6]byte{0xaa, 0xaa, 0x03, 0, 0, 0x0c} {
		return 0
	}
	switch get16(b, l.payload+6) {
	case 0x2000:
		return CDP
	case 0x2003:
		return VTP
	case 0x2004:
		return DTP
	case 0x0104:
		return PAgP
	case 0x0111:
		return UDLD
	}
	return 0
}
