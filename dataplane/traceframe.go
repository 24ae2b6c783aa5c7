// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	traceLongest  = 3400 // bytes with all headers: what a test run takes in one page
	traceShortest = 14
	traceMSS      = 1460
)

// Addresses for documentation (RFC 5737, RFC 3849), where a description has none.
var (
	traceSource4, traceTarget4 = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	traceSource6, traceTarget6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// Trace requests are refused with an error that matches state.ErrTraceRequest.
func refusedTrace(format string, args ...any) error {
	return fmt.Errorf("%w: %s", state.ErrTraceRequest, fmt.Sprintf(format, args...))
}

// traceBytes is the frame without the circuit's tags, or as it was given.
func traceBytes(f *state.TraceFrame) ([]byte, error) {
	b := f.Bytes
	if f.Made != nil {
		var err error
		if b, err = makeFrame(f.Made); err != nil {
			return nil, err
		}
	}
	if len(b) < traceShortest || len(b) > traceLongest {
		return nil, refusedTrace("the frame has %d bytes: %d to %d can be traced", len(b), traceShortest, traceLongest)
	}
	return b, nil
}

// makeFrame builds the frame that a description means.
func makeFrame(m *state.MadeFrame) ([]byte, error) {
	packet, err := makePacket(m)
	if err != nil {
		return nil, err
	}
	b := packet.Bytes()
	size := m.Size
	if m.InnerVLAN != 0 {
		size -= 4
	}
	if missing := size - len(b); missing > 0 && size <= traceLongest { // payload, so that lengths and checksums are right
		b = packet.With(frame.Raw(make([]byte, missing))).Bytes()
	}
	if !m.Dst.IsZero() && m.Dst != l2.Broadcast { // some kinds have a group of their own
		copy(b, m.Dst[:])
	}
	if m.InnerVLAN != 0 {
		b = insertTags(b, circuitTags(l2.SingleTag(m.InnerVLAN), nil))
	}
	if m.Size > traceLongest {
		return nil, refusedTrace("size %d: at most %d bytes can be traced", m.Size, traceLongest)
	}
	return b, nil
}

// traceKinds are the names of what may follow the addresses.
const traceKinds = "arp, rarp, ipv4, ipv6, nd, ra, lldp, stp, cfm or an EtherType such as 0x88b5"

func makePacket(m *state.MadeFrame) (frame.Packet, error) {
	kind := strings.ToLower(m.Kind)
	if kind == "" {
		kind = kindOf(m)
	}
	e := frame.Ethernet{Dst: m.Dst, Src: m.Src}
	switch kind {
	case "arp":
		src, dst := traceAddrs(m, traceSource4, traceTarget4)
		return e.With(frame.ARP{Op: frame.ARPRequest, SenderMAC: m.Src, SenderIP: src, TargetIP: dst}), nil
	case "rarp":
		return frame.RARP(m.Src), nil
	case "ipv4":
		return ipv4Packet(e, m)
	case "ipv6":
		return ipv6Packet(e, m)
	case "nd":
		src, dst := traceAddrs(m, traceSource6, traceTarget6)
		return frame.Solicit(m.Src, src, dst), nil
	case "ra":
		src, _ := traceAddrs(m, netip.MustParseAddr("fe80::1"), traceTarget6)
		return frame.RouterAdvert(m.Src, src, 1800), nil
	case "stp":
		if m.Dst == l2.Broadcast {
			e.Dst = l2.MAC{0x01, 0x80, 0xc2}
		}
		return e.With(frame.LLC{DSAP: 0x42, SSAP: 0x42, Control: 3}, frame.Raw(make([]byte, 35))), nil
	}
	etherType, err := etherTypeOf(kind)
	if err != nil {
		return frame.Packet{}, refusedTrace("type %q is unknown: %s is allowed", m.Kind, traceKinds)
	}
	e.Type = frame.Set(etherType)
	return e.With(frame.Raw(make([]byte, 46))), nil
}

func etherTypeOf(kind string) (uint32, error) {
	switch kind {
	case "lldp":
		return 0x88cc, nil
	case "cfm":
		return 0x8902, nil
	}
	n, err := strconv.ParseUint(kind, 0, 16)
	if err == nil && n < 0x600 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}

func ipv4Packet(e frame.Ethernet, m *state.MadeFrame) (frame.Packet, error) {
	src, dst := traceAddrs(m, traceSource4, traceTarget4)
	if !src.Is4() || !dst.Is4() {
		return frame.Packet{}, refusedTrace("the addresses %s and %s are not both IPv4", src, dst)
	}
	rest, protocol, err := transportLayers(m, false)
	return e.With(frame.IPv4{Src: src, Dst: dst, DontFragment: true, Protocol: protocol}).With(rest...), err
}

func ipv6Packet(e frame.Ethernet, m *state.MadeFrame) (frame.Packet, error) {
	src, dst := traceAddrs(m, traceSource6, traceTarget6)
	if src.Is4() || dst.Is4() {
		return frame.Packet{}, refusedTrace("the addresses %s and %s are not both IPv6", src, dst)
	}
	rest, protocol, err := transportLayers(m, true)
	return e.With(frame.IPv6{Src: src, Dst: dst, NextHeader: protocol}).With(rest...), err
}

// kindOf guesses: what has addresses or a protocol is IP, a broadcast without them asks by ARP.
func kindOf(m *state.MadeFrame) string {
	switch {
	case m.SrcIP.Is6() || m.DstIP.Is6() || strings.EqualFold(m.Proto, "icmpv6"):
		return "ipv6"
	case m.Proto != "" || m.SrcPort != 0 || m.DstPort != 0 || !m.Dst.IsGroup():
		return "ipv4"
	}
	return "arp"
}

func traceAddrs(m *state.MadeFrame, src, dst netip.Addr) (netip.Addr, netip.Addr) {
	if m.SrcIP.IsValid() {
		src = m.SrcIP
	}
	if m.DstIP.IsValid() {
		dst = m.DstIP
	}
	return src, dst
}

// traceProtocols are the names of what IP may carry.
const traceProtocols = "udp, tcp, icmp, igmp, vrrp or a number up to 255"

func transportLayers(m *state.MadeFrame, v6 bool) ([]frame.Layer, frame.Field, error) {
	none := frame.Field{}
	switch proto := strings.ToLower(m.Proto); proto {
	case "udp", "":
		if proto == "" && m.SrcPort == 0 && m.DstPort == 0 {
			return echo(v6), none, nil
		}
		src, dst := ports(m, 40000, 9)
		return append([]frame.Layer{frame.UDP{SrcPort: src, DstPort: dst}}, dhcpOf(m, src, dst)...), none, nil
	case "tcp":
		src, dst := ports(m, 40000, 80)
		return []frame.Layer{frame.TCP{SrcPort: src, DstPort: dst, Flags: frame.SYN, Window: 65535, Options: frame.MSS(traceMSS)}}, none, nil
	case "icmp", "icmpv6":
		return echo(v6), none, nil
	case "igmp": // a general query (RFC 2236 §2)
		return []frame.Layer{frame.Raw{0x11, 100, 0xee, 0x9b, 0, 0, 0, 0}}, frame.Set(2), nil
	case "vrrp":
		return []frame.Layer{frame.Raw(make([]byte, 8))}, frame.Set(112), nil
	default:
		n, err := strconv.ParseUint(proto, 0, 8)
		if err != nil {
			return nil, none, refusedTrace("protocol %q is unknown: %s is allowed", m.Proto, traceProtocols)
		}
		return []frame.Layer{frame.Raw(make([]byte, 8))}, frame.Set(uint32(n)), nil
	}
}

func echo(v6 bool) []frame.Layer {
	if v6 {
		return []frame.Layer{frame.ICMPv6{Type: frame.EchoRequest6, Rest: frame.Echo(1, 1)}}
	}
	return []frame.Layer{frame.ICMP{Type: frame.EchoRequest4, Rest: frame.Echo(1, 1)}}
}

func ports(m *state.MadeFrame, src, dst uint16) (uint16, uint16) {
	if m.SrcPort != 0 {
		src = m.SrcPort
	}
	if m.DstPort != 0 {
		dst = m.DstPort
	}
	return src, dst
}

// dhcpOf is a message of DHCP where the ports say so: a server's from its port, else a client's.
func dhcpOf(m *state.MadeFrame, src, dst uint16) []frame.Layer {
	switch {
	case src == frame.DHCPServerPort:
		return []frame.Layer{frame.DHCPv4{Type: frame.DHCPOffer, ID: 1, ClientMAC: m.Dst, YourIP: traceTarget4}}
	case dst == frame.DHCPServerPort:
		return []frame.Layer{frame.DHCPv4{Type: frame.DHCPDiscover, ID: 1, ClientMAC: m.Src, Broadcast: true}}
	}
	return nil
}

// onWire puts the circuit's tags on a frame, unless it begins with them. It returns how many bytes they have.
func onWire(v l2.VLAN, b []byte) (wire []byte, tags int) {
	tags = 4 * v.Depth()
	if bytes.HasPrefix(b[12:], circuitTags(v, b)) {
		return b, tags
	}
	return insertTags(b, circuitTags(v, nil)), tags
}

// insertTags puts tags behind a frame's addresses.
func insertTags(b, tags []byte) []byte {
	out := append(make([]byte, 0, len(b)+len(tags)), b[:12]...)
	return append(append(out, tags...), b[12:]...)
}

// circuitTags are the tags of a circuit, with the priorities that a frame has in their places.
func circuitTags(v l2.VLAN, b []byte) []byte {
	var tags []byte
	vids := []l2.VID{v.Outer(), v.Inner()}
	tpids := []uint16{uint16(v.TPID()), frame.TypeVLAN}
	for i := range v.Depth() {
		priority := uint16(0)
		if at := 14 + 4*i; at+2 <= len(b) {
			priority = binary.BigEndian.Uint16(b[at:]) & 0xf000
		}
		tags = binary.BigEndian.AppendUint16(tags, tpids[i])
		tags = binary.BigEndian.AppendUint16(tags, priority|uint16(vids[i]))
	}
	return tags
}
