// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// summaryOf is a frame in one line: what it is, from whom, to whom.
func summaryOf(b []byte) string {
	p, err := frame.Parse(b)
	if p == nil {
		return fmt.Sprintf("%d bytes", len(b))
	}
	text := fmt.Sprintf("%s > %s", p.Ethernet.Src, p.Ethernet.Dst)
	for _, tag := range p.Tags {
		text += fmt.Sprintf(", VLAN %d", tag.ID)
	}
	text += ", " + contentOf(p)
	if err != nil {
		text += fmt.Sprintf(" (%v)", err)
	}
	return text
}

func contentOf(p *frame.Parsed) string {
	src, dst := p.Addrs()
	switch {
	case p.ARP != nil:
		return arpText(p.ARP)
	case p.IPv4 == nil && p.IPv6 == nil:
		if p.LLC != nil {
			return fmt.Sprintf("LLC %02x", p.LLC.DSAP)
		}
		if p.SNAP != nil {
			return fmt.Sprintf("SNAP %x", p.SNAP.OUI)
		}
		return fmt.Sprintf("EtherType 0x%04x", p.EtherType())
	case p.TCP != nil:
		return fmt.Sprintf("TCP %s:%d > %s:%d%s", src, p.TCP.SrcPort, dst, p.TCP.DstPort, synText(p.TCP))
	case p.UDP != nil:
		return fmt.Sprintf("UDP %s:%d > %s:%d", src, p.UDP.SrcPort, dst, p.UDP.DstPort)
	case p.ICMP != nil:
		return fmt.Sprintf("ICMP type %d %s > %s", p.ICMP.Type, src, dst)
	case p.ICMPv6 != nil:
		return fmt.Sprintf("ICMPv6 type %d %s > %s", p.ICMPv6.Type, src, dst)
	case p.IPv4 != nil:
		protocol, _ := p.IPv4.Protocol.Get()
		return fmt.Sprintf("IPv4 protocol %d %s > %s", protocol, src, dst)
	}
	return fmt.Sprintf("IPv6 %s > %s", src, dst)
}

func arpText(a *frame.ARP) string {
	switch a.Op {
	case frame.ARPRequest:
		return fmt.Sprintf("ARP who has %s, tell %s", a.TargetIP, a.SenderIP)
	case frame.ARPReply:
		return fmt.Sprintf("ARP %s is at %s", a.SenderIP, a.SenderMAC)
	}
	return fmt.Sprintf("RARP for %s", a.TargetMAC)
}

func synText(t *frame.TCP) string {
	if t.Flags&frame.SYN != 0 {
		return " SYN"
	}
	return ""
}

// innerVIDs are the tags behind the circuit's own.
func innerVIDs(b []byte) []string {
	p, _ := frame.Parse(b)
	if p == nil {
		return nil
	}
	var vids []string
	for _, tag := range p.Tags {
		vids = append(vids, fmt.Sprint(tag.ID))
	}
	return vids
}

// controlName is the protocol of a control frame, by the configuration's key where it has one: control_protocol of
// bpf/control.h. Empty: it is none.
func controlName(b []byte, etherType uint16) string {
	to := l2.MAC(b[:6])
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
	switch {
	case bytes.HasPrefix(to[:], []byte{0x01, 0x80, 0xc2, 0, 0}) && (to[5]&0xf0 == 0 || to[5]&0xf0 == 0x20 || to[5]&0xf0 == 0x30):
		return bridgeControlName(to[5])
	case bytes.HasPrefix(to[:], []byte{0x01, 0x00, 0x0c, 0xcc, 0xcc}) && to[5] == 0xcd:
		return "pvst"
	case bytes.HasPrefix(to[:], []byte{0x01, 0x00, 0x0c, 0xcc, 0xcc}) && to[5] == 0xcc:
		return ciscoName(b)
	case to == l2.MAC{0x01, 0x00, 0x0c}:
		return "isl"
	case bytes.HasPrefix(to[:], []byte{0x00, 0xe0, 0x2b, 0, 0}) && to[5]&0xf0 == 0:
		return "edp"
	}
	return ""
}

// bridgeControlName is by the last octet of 01:80:c2:00:00 (IEEE 802.1Q tables 8-1 to 8-3).
func bridgeControlName(last byte) string {
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
	}
	return "link-local control"
}

// ciscoName is by the SNAP protocol of Cisco's OUI.
func ciscoName(b []byte) string {
	p, _ := frame.Parse(b)
	if p == nil || p.SNAP == nil {
		return "cisco control"
	}
	kind, _ := p.SNAP.Type.Get()
	if name, ok := map[uint32]string{0x0104: "pagp", 0x0111: "udld", 0x2000: "cdp", 0x2003: "vtp", 0x2004: "dtp"}[kind]; ok {
		return name
	}
	return "cisco control"
}

// isTunnellable says whether a configuration has the protocol as a key of control-frames.
func isTunnellable(name string) bool { return controlBits[strings.ToLower(name)] != 0 }
