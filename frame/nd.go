// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// ND option types (RFC 4861 §4.6).
const (
	ndSourceMAC = 1
	ndTargetMAC = 2
)

// SolicitedNode is the group that the owner of ip listens to, and that group's MAC address (RFC 4291
// §2.7.1, RFC 2464 §7).
func SolicitedNode(ip netip.Addr) (netip.Addr, l2.MAC) {
	a := ip.As16()
	group := netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]})
	return group, l2.MAC{0x33, 0x33, 0xff, a[13], a[14], a[15]}
}

// Solicit asks who has target: a neighbour solicitation from src at mac.
func Solicit(mac l2.MAC, src, target netip.Addr) Packet {
	group, groupMAC := SolicitedNode(target)
	return Ethernet{Dst: groupMAC, Src: mac}.With(
		IPv6{Src: src, Dst: group},
		ICMPv6{Type: NeighborSolicit},
		Raw(ndBody(target, ndSourceMAC, mac)))
}

// Advertise answers that target is at mac: a solicited neighbour advertisement to dst at dstMAC.
func Advertise(mac l2.MAC, target netip.Addr, dstMAC l2.MAC, dst netip.Addr) Packet {
	const solicitedOverride = 0x60
	return Ethernet{Dst: dstMAC, Src: mac}.With(
		IPv6{Src: target, Dst: dst},
		ICMPv6{Type: NeighborAdvert, Rest: [4]byte{solicitedOverride}},
		Raw(ndBody(target, ndTargetMAC, mac)))
}

// RouterAdvert is a router advertisement from src at mac to all nodes, with this lifetime in seconds.
func RouterAdvert(mac l2.MAC, src netip.Addr, lifetime uint16) Packet {
	body := append(make([]byte, 8), ndOption(ndSourceMAC, mac)...)
	return Ethernet{Dst: l2.MAC{0x33, 0x33, 0, 0, 0, 1}, Src: mac}.With(
		IPv6{Src: src, Dst: netip.MustParseAddr("ff02::1")},
		ICMPv6{Type: RouterAdvertisement, Rest: [4]byte{64, 0, byte(lifetime >> 8), byte(lifetime)}},
		Raw(body))
}

func ndBody(target netip.Addr, option uint8, mac l2.MAC) []byte {
	return append(append([]byte(nil), addr6(target)...), ndOption(option, mac)...)
}

func ndOption(kind uint8, mac l2.MAC) []byte {
	return append([]byte{kind, 1}, mac[:]...)
}
