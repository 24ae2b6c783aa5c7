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

// takesMark reports whether the inner packet may go on with the outer mark: one that is not ECN-capable cannot say
// that it met congestion (RFC 6040 §4.2).
func (w *walk) takesMark() bool {
	return w.layers.version == 0 || w.layers.tos&ecnBit != notECT || w.outerTOS&ecnBit != marked
}

// mergeMarks combines the inner mark with the outer one (RFC 6040 figure 4). That comes last: until then the frame is
// what arrived.
func (w *walk) mergeMarks() {
	l := &w.layers
	outer, inner := w.outerTOS&ecnBit, l.tos&ecnBit
	switch {
	case l.version == 0 || inner == notECT || inner == marked:
	case outer == marked:
		w.writeTOS(l.tos | marked)
	case outer == ect1 && inner == ect0:
		w.writeTOS(l.tos&^ecnBit | ect1)
	}
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
