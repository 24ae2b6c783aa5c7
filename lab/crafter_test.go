// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// crafter makes frames from a host to a machine across the gateway, the same ones for the same seed.
type crafter struct {
	*rand.Rand
	from, to *lab.Host
}

func newCrafter(seed uint64, from, to *lab.Host) *crafter {
	return &crafter{rand.New(rand.NewPCG(seed, 0)), from, to}
}

// crafted is a frame and what it is, for messages.
type crafted struct {
	kind string
	data []byte
}

// The words of labels.
const (
	evil = "evil"
	good = "good"
)

// label is 16 bytes that a capture recognises, shaped as an ND option that nobody knows: in ND messages it is legal.
func label(word string, number int) frame.Raw {
	b := append([]byte{0xfd, 2}, word...)
	b = binary.BigEndian.AppendUint32(b, uint32(number))
	return append(b, make([]byte, 16-len(b))...)
}

// message is what an IP packet carries.
type message struct {
	kind     string
	ipv6     bool
	group    string // whom it is for; empty: only for a machine
	bound    bool   // to its group: without it, the message is another one
	ttl      uint8
	protocol uint8 // when layers do not say it
	layers   []frame.Layer
	whole    bool // never a fragment
}

// chance is true once in a number of times.
func (c *crafter) chance(times int) bool { return c.IntN(times) == 0 }

func (c *crafter) bytes(most int) frame.Raw {
	b := make(frame.Raw, c.IntN(most+1))
	for i := range b {
		b[i] = byte(c.Uint32())
	}
	return b
}

// packet puts a message and a label into an IP packet and that into a frame. Headers that may be there or not are there
// by chance; a disguise is one more reason to be there.
func (c *crafter) packet(m message, tail frame.Raw, disguised bool) crafted {
	mac, ip := c.target(m)
	var headers []frame.Layer
	if m.ipv6 {
		headers = c.ipv6(m, ip, disguised)
	} else {
		headers = []frame.Layer{c.ipv4(m, ip, disguised)}
	}
	layers := append(append(headers, m.layers...), tail)
	ethernet := frame.Ethernet{Dst: mac, Src: c.from.MAC}
	if disguised {
		layers = append(c.cover(), layers...)
	}
	kind := m.kind
	for _, l := range layers {
		switch l.(type) {
		case frame.VLAN, frame.SNAP, frame.Fragment, frame.Extension, frame.Auth:
			kind += " behind " + layerName(l)
		}
	}
	p := ethernet.With(layers...)
	if c.chance(2) {
		p = p.Padded(60 + c.IntN(20))
	}
	return crafted{kind, p.Bytes()}
}

func layerName(l frame.Layer) string {
	switch l := l.(type) {
	case frame.VLAN:
		return "a tag"
	case frame.SNAP:
		return "SNAP"
	case frame.Fragment:
		return "a fragment header"
	case frame.Auth:
		return "AH"
	case frame.Extension:
		return map[uint8]string{frame.ProtocolHopByHop: "hop-by-hop", frame.ProtocolDestination: "destination options",
			frame.ProtocolRouting: "routing"}[l.Header]
	}
	return ""
}

// target is where a message goes: its group, or the machine, or one's address at the other's MAC address.
func (c *crafter) target(m message) (l2.MAC, netip.Addr) {
	mac, ip := c.to.MAC, c.to.IPv4.Addr()
	if m.ipv6 {
		ip = c.to.IPv6.Addr()
	}
	if m.group == "" {
		return mac, ip
	}
	group := netip.MustParseAddr(m.group)
	toGroupIP := m.bound || c.chance(2)
	if toGroupIP {
		ip = group
	}
	if c.chance(2) {
		mac = groupMAC(group)
	}
	return mac, ip
}

func groupMAC(ip netip.Addr) l2.MAC {
	if ip.Is6() {
		a := ip.As16()
		return l2.MAC{0x33, 0x33, a[12], a[13], a[14], a[15]}
	}
	a := ip.As4()
	if a == [4]byte{255, 255, 255, 255} {
		return l2.Broadcast
	}
	return l2.MAC{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
}

// cover is what a disguise puts in front of IP: tags of VLAN 0, SNAP, or nothing.
func (c *crafter) cover() []frame.Layer {
	tpids := []uint32{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300}
	switch c.IntN(6) {
	case 0:
		return []frame.Layer{frame.VLAN{PCP: uint8(c.IntN(8))}}
	case 1:
		return []frame.Layer{frame.VLAN{TPID: frame.Set(tpids[c.IntN(5)])}, frame.VLAN{TPID: frame.Set(tpids[c.IntN(5)])}}
	case 2:
		return []frame.Layer{frame.SNAP{OUI: [3]byte{0, 0, byte(c.IntN(2) * 0xf8)}}}
	case 3:
		return []frame.Layer{frame.VLAN{}, frame.SNAP{}}
	}
	return nil
}

func (c *crafter) ipv4(m message, dst netip.Addr, disguised bool) frame.IPv4 {
	h := frame.IPv4{Src: c.from.IPv4.Addr(), Dst: dst, ID: uint16(c.Uint32()), TTL: m.ttl, TOS: uint8(c.Uint32())}
	if m.protocol != 0 {
		h.Protocol = frame.Set(uint32(m.protocol))
	}
	if disguised || c.chance(3) {
		for range c.IntN(11) {
			h.Options = append(h.Options, 1, 1, 1, 1) // no operation
		}
	}
	if !m.whole && (disguised || c.chance(4)) && c.chance(2) {
		h.MoreFragments = true
	}
	h.DontFragment = !h.MoreFragments && c.chance(2)
	return h
}

// ipv6 is the header and its extension headers: at most 8, for a disguise up to 10.
func (c *crafter) ipv6(m message, dst netip.Addr, disguised bool) []frame.Layer {
	src := c.from.IPv6.Addr()
	if m.ttl == 255 {
		src = netip.MustParseAddr("fe80::1")
	}
	h := frame.IPv6{Src: src, Dst: dst, HopLimit: m.ttl, FlowLabel: c.Uint32() & 0xfffff}
	most := 8
	if disguised {
		most = 10
	}
	count := 0
	if disguised || c.chance(3) {
		count = c.IntN(most + 1)
	}
	chain := c.chain(count, !m.whole && (disguised || c.chance(3)))
	headers := append([]frame.Layer{h}, chain...)
	if m.protocol != 0 {
		last := len(headers) - 1
		headers[last] = announce(headers[last], m.protocol)
	}
	return headers
}

// announce has a header say which protocol follows.
func announce(l frame.Layer, protocol uint8) frame.Layer {
	next := frame.Set(uint32(protocol))
	switch l := l.(type) {
	case frame.IPv6:
		l.NextHeader = next
		return l
	case frame.Extension:
		l.NextHeader = next
		return l
	case frame.Fragment:
		l.NextHeader = next
		return l
	case frame.Auth:
		l.NextHeader = next
		return l
	}
	return l
}

// chain is a row of extension headers, hop-by-hop only at its front, with a fragment header when one may be there.
func (c *crafter) chain(count int, fragment bool) []frame.Layer {
	var chain []frame.Layer
	for i := range count {
		switch kind := c.IntN(5); {
		case kind == 0 && i == 0:
			chain = append(chain, frame.HopByHop(5, 2, 0, 0)) // router alert
		case kind == 1:
			chain = append(chain, frame.Routing([]uint8{0, 2, 3, 4}[c.IntN(4)]))
		case kind == 2 && fragment:
			chain, fragment = append(chain, frame.Fragment{ID: c.Uint32(), More: c.chance(2)}), false
		case kind == 3:
			chain = append(chain, frame.Auth{SPI: c.Uint32()})
		default:
			chain = append(chain, frame.DestinationOptions(make([]byte, c.IntN(20))...))
		}
	}
	return chain
}
