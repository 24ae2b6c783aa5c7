// SPDX-License-Identifier: Apache-2.0

package guard

import "math/bits"

// windowSeconds is how far back the rules about "so many of ten seconds" look.
const windowSeconds = 10

// marked remembers in which of the last ten seconds something was seen. The zero value has seen nothing.
type marked struct {
	newest int64  // the second of bit 0
	bits   uint16 // bit n: second newest−n
}

// mark notes that something was seen in a second. Seconds do not go back.
func (m *marked) mark(second int64) {
	m.shift(second)
	m.bits |= 1
}

// shift forgets what is too long ago.
func (m *marked) shift(second int64) {
	if passed := second - m.newest; passed > 0 {
		m.newest = second
		m.bits = m.bits << min(passed, 16) & (1<<windowSeconds - 1)
	}
}

// count is the number of marked seconds.
func (m *marked) count() int { return bits.OnesCount16(m.bits) }

// oldest is the first marked second of the window; there must be one.
func (m *marked) oldest() int64 { return m.newest - int64(bits.Len16(m.bits)-1) }
