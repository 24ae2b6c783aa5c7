// SPDX-License-Identifier: Apache-2.0

package model

import "encoding/binary"

// clampMSS lowers the maximum segment size that a SYN offers (RFC 9293 §3.2) to what the tunnel carries.
func (w *walk) clampMSS() {
	l := &w.layers
	if l.version == 0 || l.protocol != protocolTCP || l.upper == 0 {
		return
	}
	limit := w.x.Guards.MSS[0]
	if l.version == 6 {
		limit = w.x.Guards.MSS[1]
	}
	h := l.transport(w.frame)
	limit -= min(limit, uint16(tagSize*l.tags))
	const flags, syn, checksum = 13, 0x02, 16
	if limit == 0 || len(h) < tcpSize || h[flags]&syn == 0 {
		return
	}
	size := int(h[12]>>4) * 4
	if size < tcpSize {
		return
	}
	if at := findMSS(h[:min(size, len(h))]); at > 0 && binary.BigEndian.Uint16(h[at:]) > limit {
		lowerMSS(h, at, checksum, limit)
	}
}

// findMSS returns where the value of the option is; 0 when there is none.
func findMSS(h []byte) int {
	const end, nop, mss = 0, 1, 2
	for at := tcpSize; at < len(h); {
		switch {
		case h[at] == end:
			return 0
		case h[at] == nop:
			at++
			continue
		case at+1 >= len(h) || h[at+1] < 2 || at+int(h[at+1]) > len(h):
			return 0
		case h[at] == mss && h[at+1] == 4:
			return at + 2
		}
		at += int(h[at+1])
	}
	return 0
}

// lowerMSS writes the value, which may stand at an odd offset of what the checksum covers.
func lowerMSS(h []byte, at, sum int, value uint16) {
	old := binary.BigEndian.Uint16(h[at:])
	binary.BigEndian.PutUint16(h[at:], value)
	if at%2 != 0 {
		old, value = old<<8|old>>8, value<<8|value>>8
	}
	binary.BigEndian.PutUint16(h[sum:], adjusted(binary.BigEndian.Uint16(h[sum:]), old, value))
}
