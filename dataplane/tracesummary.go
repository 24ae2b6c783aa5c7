// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"

	"github.com/drawbridge-l2/drawbridge/frame"
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

// controlName is the protocol of a control frame; empty: it is none.
func controlName(b []byte) string {
	p, _ := frame.Parse(b)
	if p == nil {
		return ""
	}
	return p.Control()
}

// isTunnellable says whether a configuration has the protocol as a key of control-frames.
func isTunnellable(name string) bool { return controlBits[name] != 0 }
