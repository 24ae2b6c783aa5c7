// SPDX-License-Identifier: Apache-2.0

package model

import "github.com/drawbridge-l2/drawbridge/l2"

// EtherTypes that mean something here (IEEE 802 numbers).
const (
	typeIPv4  = 0x0800
	typeARP   = 0x0806
	typeRARP  = 0x8035
	typeVLAN  = 0x8100
	typeIPv6  = 0x86dd
	typeSVLAN = 0x88a8

	typePause  = 0x8808
	typeSlow   = 0x8809
	typeProbe  = 0x88b5
	typeLLDP   = 0x88cc
	typeCFM    = 0x8902
	firstType  = 0x0600 // from here on the field is an EtherType (IEEE 802.3 §3.2.6)
	lastLength = 1500
)

const (
	tagSize   = 4
	maxTags   = 4  // behind the circuit's own
	paddedTo  = 60 // the shortest Ethernet frame without FCS
	arpSize   = 28
	snapSize  = 8
	ipv4Size  = 20
	ipv6Size  = 40
	udpSize   = 8
	tcpSize   = 20
	icmp6Size = 4 // type, code, checksum: what makes it one
)

// layers is a frame taken apart. Offsets are from the frame's start; 0 means that it is not there.
type layers struct {
	dst, src l2.MAC
	tags     int
	vids     [maxTags]uint16
	kind     uint16 // EtherType behind the tags, or the 802.3 length
	payload  int    // what is behind the EtherType
	carried  uint16 // SNAP's EtherType, where SNAP has one; 0 else
	llc      bool
	arp      bool

	ip       int   // the IP header
	version  uint8 // 4, 6 or 0
	tos      uint8
	end      int   // of the IP packet
	protocol uint8 // the upper header's
	upper    int   // the upper header; 0 in a later fragment
	later    bool  // a later fragment
	fragment bool  // a fragment of any kind

}

// read takes a frame without its circuit's tags apart, and reports whether it can be classified.
func (l *layers) read(b []byte) bool {
	*l = layers{}
	if len(b) < ethernetHeader {
		return false
	}
	copy(l.dst[:], b)
	copy(l.src[:], b[6:])
	at := 12
	for isTag(get16(b, at)) {
		if l.tags == maxTags || at+2+tagSize > len(b) {
			return false
		}
		l.vids[l.tags] = get16(b, at+2) & 0xfff
		l.tags++
		at += tagSize
	}
	l.kind, l.payload = get16(b, at), at+2
	switch {
	case l.kind < firstType:
		return l.kind <= lastLength && l.readLLC(b)
	case l.kind == typeIPv4:
		return l.tags < 2 && l.readIPv4(b)
	case l.kind == typeIPv6:
		return l.tags < 2 && l.readIPv6(b)
	case l.kind == typeARP:
		l.arp = true
		return l.tags < 2 && len(b)-l.payload >= arpSize
	}
	return true
}

func isTag(kind uint16) bool {
	switch kind {
	case typeVLAN, typeSVLAN, 0x9100, 0x9200, 0x9300:
		return true
	}
	return false
}

// readLLC holds the length against what follows (IEEE 802.3 §3.2.6): more may follow only as padding, which a
// sender knows nothing of tags for. AA-AA is SNAP whatever the control field says, since receivers differ in whether
// they look at it.
func (l *layers) readLLC(b []byte) bool {
	length, follows := int(l.kind), len(b)-l.payload
	if length > follows || length < follows && ethernetHeader+follows > paddedTo {
		return false
	}
	l.llc = true
	h := b[l.payload : l.payload+length]
	if len(h) < 3 {
		return false // no LLC header
	}
	if h[0]|1 != 0xab || h[1]|1 != 0xab { // the last bit is none of the address
		return true
	}
	return l.readSNAP(h)
}

// readSNAP refuses what would carry a protocol past guards that look for its EtherType.
func (l *layers) readSNAP(h []byte) bool {
	if len(h) < snapSize || l.tags > 1 {
		return false
	}
	if h[3] != 0 || h[4] != 0 || h[5] != 0 && h[5] != 0xf8 {
		return true // an organisation's own protocol
	}
	l.carried = get16(h, 6)
	switch {
	case l.carried < firstType, isTag(l.carried):
		return false
	case l.carried == typeIPv4, l.carried == typeIPv6, l.carried == typeARP:
		return false
	}
	return true
}

func (l *layers) readIPv4(b []byte) bool {
	at := l.payload
	if len(b) == at {
		return false
	}
	if b[at]>>4 != 4 {
		return true // no host reads it as IP
	}
	if len(b) < at+ipv4Size {
		return false
	}
	header, total := int(b[at]&0xf)*4, int(get16(b, at+2))
	if header < ipv4Size || total < header || total > len(b)-at {
		return false
	}
	word := get16(b, at+6)
	l.version, l.ip, l.tos, l.end, l.protocol = 4, at, b[at+1], at+total, b[at+9]
	l.later, l.fragment = word&0x1fff != 0, word&0x3fff != 0
	if l.later {
		return true
	}
	l.upper = at + header
	if l.protocol == protocolAuth && l.end-l.upper >= 8 && b[l.upper] == protocolVRRP {
		// Version 2 could be authenticated (RFC 2338 §5.3.6). Over IPv4 nobody else walks a chain.
		if size := 8 + 4*int(b[l.upper+1]); l.end-l.upper >= size {
			l.protocol, l.upper = protocolVRRP, l.upper+size
		}
	}
	return l.protocol != protocolUDP || l.end-l.upper >= udpSize
}

// transport is what is there of the upper header and behind it.
func (l *layers) transport(b []byte) []byte {
	if l.upper == 0 {
		return nil
	}
	return b[l.upper:l.end]
}

// isICMPv6 reports whether the frame is an ICMPv6 message, and its type.
func (l *layers) isICMPv6(b []byte) (kind uint8, ok bool) {
	if l.version != 6 || l.upper == 0 || l.protocol != protocolICMPv6 {
		return 0, false
	}
	return b[l.upper], true
}
