// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"fmt"
	"strings"
)

// MAC is a 48-bit IEEE 802 address in wire order. It compares, and keys maps. The zero value is
// 00:00:00:00:00:00, which no station may use.
type MAC [6]byte

// ParseMAC reads six octets as two hexadecimal digits each, separated by colons or by hyphens.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return MAC{}, fmt.Errorf("%q is not a MAC address like 02:00:00:00:00:01", s)
	}
	sep := s[2]
	if sep != ':' && sep != '-' {
		return MAC{}, fmt.Errorf("%q is not a MAC address like 02:00:00:00:00:01", s)
	}
	for i := range m {
		hi, okHi := hexDigit(s[3*i])
		lo, okLo := hexDigit(s[3*i+1])
		if !okHi || !okLo || (i < 5 && s[3*i+2] != sep) {
			return MAC{}, fmt.Errorf("%q is not a MAC address like 02:00:00:00:00:01", s)
		}
		m[i] = hi<<4 | lo
	}
	return m, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// String prints lower case octets with colons.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i, o := range m {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteByte(digits[o>>4])
		b.WriteByte(digits[o&15])
	}
	return b.String()
}

// MarshalText prints the address as String does.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what ParseMAC reads.
func (m *MAC) UnmarshalText(b []byte) error {
	v, err := ParseMAC(string(b))
	if err == nil {
		*m = v
	}
	return err
}

// IsZero reports whether all octets are zero.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsGroup reports whether the address names a group (multicast or broadcast): the I/G bit of
// IEEE 802 is set.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

// Broadcast is ff:ff:ff:ff:ff:ff.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
