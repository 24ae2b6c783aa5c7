// SPDX-License-Identifier: Apache-2.0

package model

// ECN codepoints (RFC 3168 §5).
const (
	notECT = 0
	ect1   = 1
	ect0   = 2
	marked = 3
	ecnBit = 3
)

// mergeMarks combines the inner mark with the outer one (RFC 6040 §4.2, figure 4), and reports whether the
// packet may go on: one that is not ECN-capable cannot say that it met congestion.
func (w *walk) mergeMarks() bool {
	l := &w.layers
	outer, inner := w.outerTOS&ecnBit, l.tos&ecnBit
	if l.version == 0 || outer == inner {
		return true
	}
	switch {
	case inner == notECT:
		return outer != marked
	case inner == marked:
		return true
	case outer == marked:
		w.writeTOS(l.tos | marked)
	case outer == ect1 && inner == ect0:
		w.writeTOS(l.tos&^ecnBit | ect1)
	}
	return true
}

func (w *walk) writeTOS(tos uint8) {
	l := &w.layers
	l.tos = tos
	if l.version == 4 {
		replace16(w.frame[l.ip:], 0, 10, uint16(w.frame[l.ip])<<8|uint16(tos))
		return
	}
	w.frame[l.ip] = w.frame[l.ip]&0xf0 | tos>>4
	w.frame[l.ip+1] = w.frame[l.ip+1]&0x0f | tos<<4
}
