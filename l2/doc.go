// SPDX-License-Identifier: Apache-2.0

// Package l2 has the field's nouns as types: MAC, VLAN tags of a circuit, VNI, names, sides and
// directions. Values of these types are valid by construction: the checked constructors refuse what
// IEEE 802.1Q or RFC 7348 do not allow, and nothing is masked or clamped.
package l2
