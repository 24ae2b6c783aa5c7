// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// ARP operations (RFC 826, RFC 903).
const (
	ARPRequest  = 1
	ARPReply    = 2
	RARPRequest = 3

	arpSize       = 28
	hardwareEther = 1
	sizeMAC       = 6
	sizeIPv4      = 4
)

// ARP is an ARP or RARP packet for IPv4 over Ethernet. Invalid addresses are written as 0.0.0.0.
type ARP struct {
	Op                   uint16
	SenderMAC, TargetMAC l2.MAC
	SenderIP, TargetIP   netip.Addr
}

func (a ARP) etherType() uint16 {
	if a.Op == RARPRequest {
		return TypeRARP
	}
	return TypeARP
}

func (a ARP) encode(s stack) []byte {
	b := make([]byte, 0, arpSize+len(s.payload))
	b = binary.BigEndian.AppendUint16(b, hardwareEther)
	b = binary.BigEndian.AppendUint16(b, TypeIPv4)
	b = append(b, sizeMAC, sizeIPv4)
	b = binary.BigEndian.AppendUint16(b, a.Op)
	b = append(b, a.SenderMAC[:]...)
	b = append(b, addr4(a.SenderIP)...)
	b = append(b, a.TargetMAC[:]...)
	b = append(b, addr4(a.TargetIP)...)
	return append(b, s.payload...)
}

// GratuitousARP announces that ip is at mac, to everybody.
func GratuitousARP(mac l2.MAC, ip netip.Addr) Packet {
	return Ethernet{Dst: l2.Broadcast, Src: mac}.With(
		ARP{Op: ARPRequest, SenderMAC: mac, SenderIP: ip, TargetIP: ip})
}

// RARP is what a hypervisor sends for a virtual machine that has just moved: its source address is all
// that matters.
func RARP(mac l2.MAC) Packet {
	return Ethernet{Dst: l2.Broadcast, Src: mac}.With(
		ARP{Op: RARPRequest, SenderMAC: mac, TargetMAC: mac})
}

func addr4(a netip.Addr) []byte {
	if !a.Is4() && !a.Is4In6() {
		return make([]byte, sizeIPv4)
	}
	b := a.As4()
	return b[:]
}

func addr6(a netip.Addr) []byte {
	if !a.IsValid() {
		return make([]byte, 16)
	}
	b := a.As16()
	return b[:]
}
