// SPDX-License-Identifier: Apache-2.0

package tune

import (
	"slices"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// classNames are the storm classes by the configuration's keys, in the order of state.StormARPND and so on.
var classNames = [state.StormClasses]string{"arp-nd", "dhcp", "broadcast", "multicast", "unknown-unicast"}

// known is what a frame is about.
type known struct {
	class   int
	service string // that only a server gives; empty: none
	inner   []l2.VID
	control string
}

// classify reads a frame as bpf/storm.h and bpf/service.h do. What is cut off is taken for zero.
func classify(b []byte, size int) (known, bool) {
	if missing := size - len(b); missing > 0 && size < 1<<16 {
		b = append(slices.Clone(b), make([]byte, missing)...)
	}
	p, _ := frame.Parse(b)
	if p == nil {
		return known{}, false
	}
	k := known{class: classOf(p), service: serviceOf(p), control: p.Control()}
	for _, tag := range p.Tags {
		if vid, err := l2.NewVID(int(tag.ID)); err == nil {
			k.inner = append(k.inner, vid)
		}
	}
	return k, true
}

func classOf(p *frame.Parsed) int {
	to := p.Ethernet.Dst
	switch {
	case p.Control() != "":
		return state.StormMulticast
	case p.EtherType() == frame.TypeARP, p.ICMPv6 != nil && p.ICMPv6.Type >= 133 && p.ICMPv6.Type <= 137:
		return state.StormARPND
	case isDHCP(p):
		return state.StormDHCP
	case to == l2.Broadcast:
		return state.StormBroadcast
	case to.IsGroup():
		return state.StormMulticast
	}
	return state.StormUnknownUnicast
}

func isDHCP(p *frame.Parsed) bool {
	if p.UDP == nil {
		return false
	}
	ports := []uint16{67, 68}
	if p.IPv6 != nil {
		ports = []uint16{546, 547}
	}
	return slices.Contains(ports, p.UDP.SrcPort) || slices.Contains(ports, p.UDP.DstPort)
}

// serviceOf is the service whose server sends such a frame.
func serviceOf(p *frame.Parsed) string {
	switch {
	case p.ICMPv6 != nil:
		return map[uint8]string{130: "querier", 134: "router", 137: "router"}[p.ICMPv6.Type]
	case p.ICMP != nil:
		return map[uint8]string{5: "router", 9: "router"}[p.ICMP.Type]
	case p.UDP != nil:
		return udpService(p)
	}
	switch protocol := protocolOf(p); {
	case protocol == 112:
		return "fhrp"
	case protocol == 2 && len(p.Payload) > 0 && p.Payload[0] == 0x11:
		return "querier"
	}
	return ""
}

func protocolOf(p *frame.Parsed) uint32 {
	var n uint32
	switch {
	case p.IPv4 != nil:
		n, _ = p.IPv4.Protocol.Get()
	case p.IPv6 != nil && len(p.Extensions) == 0:
		n, _ = p.IPv6.NextHeader.Get()
	}
	return n
}

func udpService(p *frame.Parsed) string {
	src, dst := p.UDP.SrcPort, p.UDP.DstPort
	first := byte(0)
	if len(p.Payload) > 0 {
		first = p.Payload[0]
	}
	_, to := p.Addrs()
	group := p.Ethernet.Dst.IsGroup() || to.IsMulticast()
	switch {
	case group && (dst == 1985 || dst == 2029 || dst == 3222):
		return "fhrp"
	case p.IPv4 != nil && (dst == 68 || (src == 67 || dst == 67) && first == 2):
		return "dhcp"
	case p.IPv6 != nil && (dst == 546 || (src == 547 || dst == 547) && slices.Contains([]byte{2, 7, 10, 13}, first)):
		return "dhcp"
	}
	return ""
}
