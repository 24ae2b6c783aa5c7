// SPDX-License-Identifier: Apache-2.0

package l2

import "fmt"

// Name names a gateway or an extension: 1 to 32 of a-z, 0-9 and hyphen.
type Name string

// ParseName checks length and letters.
func ParseName(s string) (Name, error) {
	if len(s) < 1 || len(s) > 32 {
		return "", fmt.Errorf("name %q has %d characters: 1 to 32 are allowed", s, len(s))
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return "", fmt.Errorf("name %q has the character %q: a-z, 0-9 and - are allowed", s, c)
		}
	}
	return Name(s), nil
}

// VNI is a VXLAN network identifier, 1 to 16777215: 24 bits (RFC 7348 §5).
type VNI uint32

// NewVNI checks the range.
func NewVNI(n int64) (VNI, error) {
	if n < 1 || n > 1<<24-1 {
		return 0, fmt.Errorf("VNI %d is out of range: 1 to 16777215 is allowed", n)
	}
	return VNI(n), nil
}

// Side says where a station lives. The zero value is no side.
type Side uint8

// The two sides of an extension.
const (
	Customer Side = 1
	Cloud    Side = 2
)

// String prints customer or cloud.
func (s Side) String() string {
	switch s {
	case Customer:
		return "customer"
	case Cloud:
		return "cloud"
	}
	return "none"
}

// ParseSide reads customer or cloud.
func ParseSide(s string) (Side, error) {
	switch s {
	case "customer":
		return Customer, nil
	case "cloud":
		return Cloud, nil
	}
	return 0, fmt.Errorf("side %q is unknown: customer or cloud is allowed", s)
}

// Direction says which way a frame goes.
type Direction uint8

// The two directions. Never "in" and "out".
const (
	ToCloud    Direction = 0
	ToCustomer Direction = 1
)

// String prints to-cloud or to-customer.
func (d Direction) String() string {
	if d == ToCustomer {
		return "to-customer"
	}
	return "to-cloud"
}
