// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"bytes"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Control names the protocol of a control frame, which belongs to one link: by EtherType, or by the reserved addresses
// of IEEE 802.1Q tables 8-1 to 8-3, Cisco and Extreme. Names that a configuration has are as there. Empty: it is no
// control frame.
func (p *Parsed) Control() string {
	etherType := p.EtherType()
	if p.SNAP != nil {
		kind, _ := p.SNAP.Type.Get()
		etherType = uint16(kind)
	}
	switch etherType {
	case 0x8808:
		return "pause"
	case 0x8809:
		return "lacp"
	case 0x88cc:
		return "lldp"
	case 0x8902:
		return "cfm"
	}
	to := p.Ethernet.Dst
	switch {
	case bytes.HasPrefix(to[:], []byte{0x01, 0x80, 0xc2, 0, 0}):
		return bridgeControl(to[5])
	case to == l2.MAC{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}:
		return "pvst"
	case to == l2.MAC{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc}:
		return ciscoControl(etherType)
	case to == l2.MAC{0x01, 0x00, 0x0c}:
		return "isl"
	case bytes.HasPrefix(to[:], []byte{0x00, 0xe0, 0x2b, 0, 0}) && to[5]&0xf0 == 0:
		return "edp"
	}
	return ""
}

// bridgeControl is by the last octet of 01:80:c2:00:00.
func bridgeControl(last byte) string {
	switch {
	case last == 0x00:
		return "stp"
	case last == 0x03:
		return "eap"
	case last == 0x20:
		return "mrp"
	case last == 0x21:
		return "gvrp"
	case last&0xf0 == 0x30:
		return "cfm"
	case last&0xf0 == 0, last&0xf0 == 0x20:
		return "link-local control"
	}
	return ""
}

// ciscoControl is by the SNAP protocol of Cisco's OUI.
func ciscoControl(kind uint16) string {
	if name, ok := map[uint16]string{0x0104: "pagp", 0x0111: "udld", 0x2000: "cdp", 0x2003: "vtp", 0x2004: "dtp"}[kind]; ok {
		return name
	}
	return "cisco control"
}
