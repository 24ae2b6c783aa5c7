// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"slices"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// outer is a packet on the underlay, as far as its headers can be read.
type outer struct {
	src      netip.Addr
	tos      uint8
	ours     bool // to our VTEP address
	upper    int  // the UDP header
	end      int  // of the IP packet by its own length
	protocol uint8
	later    bool // a later fragment: no ports
	wrong    bool // a fault that an allowed VTEP's packet is dropped for
}

const vxlanSize = 8

// FromUnderlay is the walk of a packet that arrives at an uplink.
func (g *Gateway) FromUnderlay(now int64, nic string, packet []byte) *Result {
	w := g.start(now, l2.ToCustomer)
	n := g.Uplinks[nic]
	n.Rx++
	o, is := g.readOuter(packet)
	if !is || !g.isTunnel(&o, packet) {
		return g.toHost(w, n, packet)
	}
	from, known := g.places[o.src]
	switch {
	case !known && o.later: // whose it is cannot be told: a stranger's is the host's
		return g.toHost(w, n, packet)
	case !known:
		return g.dropAt(n, UnknownVTEP)
	case o.wrong || g.wrongHeader(&o, n, packet):
		return g.dropAt(n, TunnelHeader)
	}
	vxlan := packet[o.upper+udpSize:]
	x := g.segments[l2.VNI(get16(vxlan, 4))<<8|l2.VNI(vxlan[6])]
	switch {
	case x == nil:
		return g.dropAt(n, UnknownVNI)
	case !slices.Contains(x.peers, from):
		return g.dropAt(n, UnknownVTEP)
	}
	g.scratch = append(g.scratch[:0], packet[o.upper+udpSize+vxlanSize:o.end]...)
	w.place, w.outerTOS = from, o.tos
	w.run(x, g.scratch)
	return &w.result
}

// toHost: no tunnel packet, which is the host's unless it says something about tunnel packets.
func (g *Gateway) toHost(w *walk, n *NIC, packet []byte) *Result {
	if g.shortensPath(packet) {
		return g.dropAt(n, TunnelHeader)
	}
	n.Passed++
	w.result.Verdict = Passed
	return &w.result
}

// readOuter reads the IP header, of the underlay's family only.
func (g *Gateway) readOuter(b []byte) (outer, bool) {
	if !g.Underlay.VTEP.IsValid() || len(b) < ethernetHeader {
		return outer{}, false
	}
	if g.Underlay.VTEP.Is6() {
		return g.readOuter6(b)
	}
	return g.readOuter4(b)
}

func (g *Gateway) readOuter4(b []byte) (outer, bool) {
	const at = ethernetHeader
	if get16(b, 12) != typeIPv4 || len(b) < at+ipv4Size || b[at]>>4 != 4 {
		return outer{}, false
	}
	header, total, word := int(b[at]&0xf)*4, int(get16(b, at+2)), get16(b, at+6)
	o := outer{
		src: netip.AddrFrom4([4]byte(b[at+12 : at+16])), tos: b[at+1], protocol: b[at+9],
		ours:  netip.AddrFrom4([4]byte(b[at+16:at+20])) == g.Underlay.VTEP,
		upper: at + max(header, ipv4Size), end: at + total, later: word&0x1fff != 0,
	}
	// IP options and fragments are refused with the rest: no VTEP sends them.
	o.wrong = header != ipv4Size || word&0x3fff != 0 || total < header || o.end > len(b) ||
		sumOf(b[at:min(o.upper, len(b))]) != 0xffff
	return o, true
}

func (g *Gateway) readOuter6(b []byte) (outer, bool) {
	const at = ethernetHeader
	if get16(b, 12) != typeIPv6 || len(b) < at+ipv6Size || b[at]>>4 != 6 {
		return outer{}, false
	}
	o := outer{
		src: netip.AddrFrom16([16]byte(b[at+8 : at+24])), tos: b[at]<<4 | b[at+1]>>4, protocol: b[at+6],
		ours:  netip.AddrFrom16([16]byte(b[at+24:at+40])) == g.Underlay.VTEP,
		upper: at + ipv6Size, end: at + ipv6Size + int(get16(b, at+4)),
	}
	o.wrong = o.end > len(b)
	if o.protocol == protocolFragment && len(b) >= o.upper+8 {
		o.protocol, o.wrong = b[o.upper], true
		o.later = get16(b, o.upper+2)>>3 != 0
		o.upper += 8
	}
	return o, true
}

// isTunnel reports whether a packet is for our VTEP address and UDP port; of a later fragment only the
// address can be told.
func (g *Gateway) isTunnel(o *outer, b []byte) bool {
	if !o.ours || o.protocol != protocolUDP {
		return false
	}
	return o.later || len(b) >= o.upper+udpSize && get16(b, o.upper+2) == g.Underlay.Port
}

// wrongHeader holds the rest of the outer headers against what our peers send (RFC 7348 §5).
func (g *Gateway) wrongHeader(o *outer, n *NIC, b []byte) bool {
	udp := b[o.upper:o.end]
	if dst := l2.MAC(b[:6]); dst != n.MAC && !dst.IsGroup() {
		return true
	}
	if len(udp) < udpSize+vxlanSize || int(get16(udp, 4)) != len(udp) {
		return true
	}
	if g.Underlay.VTEP.Is6() && get16(udp, 6) == 0 && !g.Underlay.ZeroChecksum6 {
		return true
	}
	const flagVNI = 0x08
	flags := udp[udpSize]
	reserved := flags&^flagVNI | udp[udpSize+1] | udp[udpSize+2] | udp[udpSize+3] | udp[udpSize+7]
	return flags&flagVNI == 0 || reserved != 0 && !g.Underlay.IgnoreReservedBits
}
