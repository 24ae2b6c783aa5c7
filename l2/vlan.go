// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"fmt"
	"strconv"
	"strings"
)

// VID is a VLAN identifier, 1 to 4094 (IEEE 802.1Q table 9-2: 0 means priority only, 4095 is reserved).
type VID uint16

// NewVID checks the range.
func NewVID(n int) (VID, error) {
	if n < 1 || n > 4094 {
		return 0, fmt.Errorf("VLAN %d is out of range: 1 to 4094 is allowed", n)
	}
	return VID(n), nil
}

// TPID is a tag protocol identifier: the EtherType that announces a tag.
type TPID uint16

// The two tag protocol identifiers that a circuit may use (IEEE 802.1Q table 9-1).
const (
	TPIDCustomer TPID = 0x8100 // C-VLAN tag
	TPIDService  TPID = 0x88a8 // S-VLAN tag of IEEE 802.1ad
)

// String prints 0x8100 or 0x88a8.
func (t TPID) String() string { return fmt.Sprintf("0x%04x", uint16(t)) }

// VLAN says which tags a frame of a circuit carries on the wire: none, one, or an outer and an inner
// one. The zero value is untagged. The inner of two tags is always a C-VLAN tag. It compares.
type VLAN struct {
	outer, inner VID
	tpid         TPID // of the outermost tag; 0 when untagged
}

// Untagged is the VLAN of a circuit whose frames carry no tag.
var Untagged = VLAN{}

// SingleTag is one 802.1Q tag.
func SingleTag(vid VID) VLAN { return VLAN{outer: vid, tpid: TPIDCustomer} }

// DoubleTag is an outer 802.1ad tag and an inner 802.1Q tag.
func DoubleTag(outer, inner VID) VLAN { return VLAN{outer: outer, inner: inner, tpid: TPIDService} }

// WithTPID returns v with another outermost TPID. Untagged stays untagged.
func (v VLAN) WithTPID(t TPID) VLAN {
	if v.outer != 0 {
		v.tpid = t
	}
	return v
}

// ParseVLAN reads "untagged", "2301" or "100.200" (outer.inner), with no leading zeros, as written in a
// configuration file.
func ParseVLAN(s string) (VLAN, error) {
	if s == "untagged" {
		return Untagged, nil
	}
	outerText, innerText, double := strings.Cut(s, ".")
	outer, err := parseVID(outerText)
	if err != nil {
		return VLAN{}, fmt.Errorf("%q: %w", s, err)
	}
	if !double {
		return SingleTag(outer), nil
	}
	inner, err := parseVID(innerText)
	if err != nil {
		return VLAN{}, fmt.Errorf("%q: %w", s, err)
	}
	return DoubleTag(outer, inner), nil
}

func parseVID(s string) (VID, error) {
	n, err := strconv.Atoi(s)
	if err != nil || s != strconv.Itoa(n) {
		return 0, fmt.Errorf("not a VLAN: 1 to 4094, outer.inner or untagged is allowed")
	}
	return NewVID(n)
}

// Depth is the number of tags: 0, 1 or 2.
func (v VLAN) Depth() int {
	switch {
	case v.outer == 0:
		return 0
	case v.inner == 0:
		return 1
	}
	return 2
}

// Outer is the outermost VID, 0 when untagged.
func (v VLAN) Outer() VID { return v.outer }

// Inner is the second VID, 0 when there is none.
func (v VLAN) Inner() VID { return v.inner }

// TPID is the outermost tag's protocol identifier, 0 when untagged.
func (v VLAN) TPID() TPID { return v.tpid }

// String prints "untagged", "2301" or "100.200".
func (v VLAN) String() string {
	switch v.Depth() {
	case 0:
		return "untagged"
	case 1:
		return strconv.Itoa(int(v.outer))
	}
	return fmt.Sprintf("%d.%d", v.outer, v.inner)
}
