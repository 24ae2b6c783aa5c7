// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// DHCP message types (RFC 2132 §9.6), ports, and the few options that the minimal client needs.
const (
	DHCPDiscover = 1
	DHCPOffer    = 2
	DHCPRequest  = 3
	DHCPAck      = 5

	DHCPServerPort = 67
	DHCPClientPort = 68

	dhcpOptionRequested = 50
	dhcpOptionType      = 53
	dhcpOptionServer    = 54
	dhcpOptionEnd       = 255
	dhcpSize            = 236
	dhcpCookie          = 0x63825363
)

// DHCPv4 is a BOOTP message with DHCP's options (RFC 2131 §2). Invalid addresses are left out.
type DHCPv4 struct {
	Type      uint8 // DHCPDiscover …
	ID        uint32
	ClientMAC l2.MAC
	Broadcast bool       // ask for replies to the broadcast address
	YourIP    netip.Addr // in a server's message
	Requested netip.Addr
	Server    netip.Addr
}

func (d DHCPv4) encode(s stack) []byte {
	b := make([]byte, dhcpSize)
	b[0] = d.op()
	b[1], b[2] = hardwareEther, sizeMAC
	binary.BigEndian.PutUint32(b[4:], d.ID)
	if d.Broadcast {
		b[10] = 0x80
	}
	copy(b[16:], addr4(d.YourIP))
	copy(b[28:], d.ClientMAC[:])
	b = binary.BigEndian.AppendUint32(b, dhcpCookie)
	b = append(b, dhcpOptionType, 1, d.Type)
	b = appendAddrOption(b, dhcpOptionRequested, d.Requested)
	b = appendAddrOption(b, dhcpOptionServer, d.Server)
	b = append(b, dhcpOptionEnd)
	return append(b, s.payload...)
}

// op is BOOTREQUEST or BOOTREPLY.
func (d DHCPv4) op() uint8 {
	if d.Type == DHCPDiscover || d.Type == DHCPRequest {
		return 1
	}
	return 2
}

func appendAddrOption(b []byte, option uint8, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	return append(append(b, option, sizeIPv4), addr4(a)...)
}

// errNotDHCP says that bytes are no DHCP message.
var errNotDHCP = errors.New("parse DHCP: not a DHCP message")

// ParseDHCPv4 reads a UDP payload.
func ParseDHCPv4(b []byte) (DHCPv4, error) {
	if len(b) < dhcpSize+4 || binary.BigEndian.Uint32(b[dhcpSize:]) != dhcpCookie {
		return DHCPv4{}, errNotDHCP
	}
	d := DHCPv4{
		ID:        binary.BigEndian.Uint32(b[4:]),
		ClientMAC: l2.MAC(b[28:34]),
		Broadcast: b[10]&0x80 != 0,
		YourIP:    netip.AddrFrom4([4]byte(b[16:20])),
	}
	return d, d.options(b[dhcpSize+4:])
}

func (d *DHCPv4) options(b []byte) error {
	for len(b) > 0 && b[0] != dhcpOptionEnd {
		if b[0] == 0 { // padding has no length
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return errNotDHCP
		}
		d.option(b[0], b[2:2+int(b[1])])
		b = b[2+int(b[1]):]
	}
	return nil
}

func (d *DHCPv4) option(kind uint8, value []byte) {
	switch {
	case kind == dhcpOptionType && len(value) == 1:
		d.Type = value[0]
	case kind == dhcpOptionRequested && len(value) == sizeIPv4:
		d.Requested = netip.AddrFrom4([4]byte(value))
	case kind == dhcpOptionServer && len(value) == sizeIPv4:
		d.Server = netip.AddrFrom4([4]byte(value))
	}
}
