// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// compareFrame holds what a program did with one frame against the model; "" when they agree.
func (t *trial) compareFrame(a *model.Arrival, want *model.Result, verdict string, out []byte) string {
	switch want.Verdict {
	case model.Passed:
		if verdict != "pass" || !bytes.Equal(out, a.Bytes) {
			return fmt.Sprintf("verdict %s, want it passed to the host unchanged", verdict)
		}
	case model.Dropped:
		if want.Reason == model.TooBig && t.rig.engine == state.EngineXDP {
			if verdict == "redirect" {
				return "sent, want it dropped as too-big"
			}
			return "" // handed over, or not: it is tc that decides whether it is answered
		}
		if want.Answer != nil {
			return t.compareAnswer(want, verdict, out)
		}
		if verdict != "drop" {
			return fmt.Sprintf("verdict %s, want it dropped as %s", verdict, want.Reason)
		}
	default:
		return t.compareForwarded(want, verdict, out)
	}
	return ""
}

// compareAnswer: the frame itself becomes the answer, and goes back.
func (t *trial) compareAnswer(want *model.Result, verdict string, out []byte) string {
	if verdict != "redirect" {
		return fmt.Sprintf("verdict %s, want it answered", verdict)
	}
	a := want.Answer
	if i := bytes.Index(out, append(a.Dst[:6:6], a.Src[:]...)); i >= 0 {
		out = out[i:]
	}
	p, err := frame.Parse(out)
	if err != nil || p.Verify() != nil {
		return fmt.Sprintf("the answer is broken: %v: % x", err, out)
	}
	if what := t.compareAnswerTags(want, out); what != "" {
		return what
	}
	src, dst := p.Addrs()
	var mtu, quoted int
	switch {
	case p.ICMP != nil && p.ICMP.Type == 3 && p.ICMP.Code == 4: // RFC 1191 §4
		mtu, quoted = int(p.ICMP.Rest[2])<<8|int(p.ICMP.Rest[3]), 28
	case p.ICMPv6 != nil && p.ICMPv6.Type == 2 && p.ICMPv6.Code == 0: // RFC 4443 §3.2
		mtu, quoted = int(binary.BigEndian.Uint32(p.ICMPv6.Rest[:])), 48
	}
	switch {
	case p.Ethernet.Src != a.Src || p.Ethernet.Dst != a.Dst || src != a.SrcIP || dst != a.DstIP:
		return fmt.Sprintf("the answer goes from %s %s to %s %s, want %+v", p.Ethernet.Src, src, p.Ethernet.Dst, dst, a)
	case mtu != a.MTU:
		return fmt.Sprintf("the answer tells an MTU of %d, want %d", mtu, a.MTU)
	case len(p.Payload) < quoted || !bytes.HasPrefix(a.Original[12:], p.Payload[12:]): // before it are marks and a checksum
		return fmt.Sprintf("the answer quotes % x, want the beginning of % x", p.Payload, a.Original)
	}
	return ""
}

// compareAnswerTags: the inner tag comes back. Where no tag of the circuit's is in front of it, it may be in the socket buffer.
func (t *trial) compareAnswerTags(want *model.Result, out []byte) string {
	at := 12
	for frame.IsTag(get16(out, at)) {
		at += 4
	}
	has := bytes.HasSuffix(out[12:at], want.Answer.Tags)
	if !has && (want.Direction == l2.ToCustomer || want.Extension.VLAN.Depth() > 0) {
		return fmt.Sprintf("the answer's tags are % x, want % x at their end", out[12:at], want.Answer.Tags)
	}
	return ""
}

func (t *trial) compareForwarded(want *model.Result, verdict string, out []byte) string {
	copies := len(want.Leaves)
	expected := "redirect"
	switch {
	case want.Direction == l2.ToCustomer || !want.Flooded:
	case t.rig.engine == state.EngineTC:
		expected = "drop" // the copies have left
	case copies > 1 || len(want.Extension.Peers) > 1:
		expected = "pass" // handed over to tc, which copies
	}
	if verdict != expected {
		return fmt.Sprintf("verdict %s, want it sent (%s)", verdict, expected)
	}
	if expected != "redirect" {
		return ""
	}
	if want.Direction == l2.ToCustomer {
		return t.compareTagged(want, out)
	}
	return t.compareTunnelled(&want.Leaves[0], out)
}

// compareTagged: with engine tc the outermost tag is in the socket buffer. A frame may have been padded.
func (t *trial) compareTagged(want *model.Result, out []byte) string {
	leaves := want.Leaves[0].Bytes
	if t.rig.engine == state.EngineTC && want.Extension.VLAN.Depth() > 0 {
		t.untagged = append(append(t.untagged[:0], leaves[:12]...), leaves[16:]...)
		leaves = t.untagged
	}
	if !bytes.HasPrefix(out, leaves) || len(out) != len(leaves) && len(out) > 68 {
		return fmt.Sprintf("the customer gets\n% x, want\n% x", out, leaves)
	}
	return ""
}

// compareTunnelled checks every outer header by its fields (RFC 7348 §5). What leaves by the tunnel device
// gets them only there.
func (t *trial) compareTunnelled(want *model.Leaving, out []byte) string {
	if t.rig.engine == state.EngineTC && leavesByDevice(want.Bytes, out) {
		return ""
	}
	g := t.gateway
	at, kind := 14, uint16(0x0800)
	ip := 20
	if want.VTEP.Is6() {
		ip, kind = 40, 0x86dd
	}
	inner := at + ip + 8 + 8
	if len(out) < inner || !bytes.Equal(out[inner:], want.Bytes) {
		return fmt.Sprintf("what left is\n% x, want the inner frame\n% x", out, want.Bytes)
	}
	peer := macPeerA
	if want.VTEP == peerB || want.VTEP == peerB6 {
		peer = macPeerB
	}
	own := t.scenario.world.Gateway
	vni := uint32(want.VNI) << 8
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"destination MAC", [6]byte(out[:6]) == [6]byte(peer)},
		{"source MAC", [6]byte(out[6:12]) == [6]byte(own)},
		{"EtherType", get16(out, 12) == kind},
		{"IP header", t.outerIP(want, out[at:])},
		{"UDP source port", get16(out, at+ip) >= 49152},
		{"UDP destination port", get16(out, at+ip+2) == g.Underlay.Port},
		{"UDP length", int(get16(out, at+ip+4)) == len(out)-at-ip},
		{"UDP checksum", t.outerChecksum(want, out[at:], ip)},
		{"VXLAN header", binary.BigEndian.Uint32(out[inner-8:]) == 0x08000000 && binary.BigEndian.Uint32(out[inner-4:]) == vni},
	} {
		if !c.ok {
			return fmt.Sprintf("outer %s: % x", c.name, out[:inner])
		}
	}
	return ""
}

// leavesByDevice reports whether a frame is one that the tunnel device will encapsulate. An inner tag is in the
// socket buffer meanwhile.
func leavesByDevice(inner, out []byte) bool {
	if len(out) == len(inner) {
		return bytes.Equal(out, inner)
	}
	return frame.IsTag(get16(inner, 12)) && len(out) == len(inner)-4 && bytes.Equal(out[:12], inner[:12]) &&
		bytes.Equal(out[12:], inner[16:])
}

func get16(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }

func (t *trial) outerIP(want *model.Leaving, h []byte) bool {
	if want.VTEP.Is6() {
		src, dst := t.gateway.Underlay.VTEP.As16(), want.VTEP.As16()
		return h[0]>>4 == 6 && h[0]<<4|h[1]>>4 == want.TOS && int(get16(h, 4)) == len(h)-40 && h[6] == 17 &&
			bytes.Equal(h[8:24], src[:]) && bytes.Equal(h[24:40], dst[:])
	}
	src, dst := t.gateway.Underlay.VTEP.As4(), want.VTEP.As4()
	return h[0] == 0x45 && h[1] == want.TOS && int(get16(h, 2)) == len(h) && get16(h, 4) == 0 && get16(h, 6) == 0x4000 &&
		h[8] == 64 && h[9] == 17 && onesSum(0, h[:20]) == 0xffff && bytes.Equal(h[12:16], src[:]) && bytes.Equal(h[16:20], dst[:])
}

// outerChecksum: zero over IPv4 (RFC 7348 §5); over IPv6 right, unless zero is configured (RFC 6935).
func (t *trial) outerChecksum(want *model.Leaving, h []byte, ip int) bool {
	sum := get16(h, ip+6)
	if !want.VTEP.Is6() || t.gateway.Underlay.ZeroChecksum6 {
		return sum == 0
	}
	pseudo := uint32(onesSum(0, h[8:40])) + 17 + uint32(len(h)-ip)
	return sum != 0 && onesSum(pseudo, h[ip:]) == 0xffff
}

// onesSum is the folded ones' complement sum (RFC 1071).
func onesSum(sum uint32, b []byte) uint16 {
	n := uint64(sum)
	for len(b) >= 2 {
		n += uint64(b[0])<<8 | uint64(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		n += uint64(b[0]) << 8
	}
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}
