// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"strings"
)

// Role says what a NIC is for.
type Role uint8

// The two roles. The zero value is no role.
const (
	Customer Role = 1 // customers' frames arrive here
	Underlay Role = 2 // tunnels leave here
)

// String prints customer or underlay.
func (r Role) String() string {
	switch r {
	case Customer:
		return "customer"
	case Underlay:
		return "underlay"
	}
	return "none"
}

// Fault is one reason why a NIC cannot be a customer's, and the command that ends it.
type Fault struct {
	What   string // such as "has the address 10.0.0.1/24"
	Remedy string // such as "ip addr del 10.0.0.1/24 dev eth2"; empty when there is none
}

// UnfitError says that a NIC cannot be a customer's: the host itself uses it. It has at least one fault.
type UnfitError struct {
	NIC    string
	Faults []Fault
}

// Error names every fault and its remedy.
func (e *UnfitError) Error() string {
	parts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		parts[i] = f.What
		if f.Remedy != "" {
			parts[i] += " (remedy: " + f.Remedy + ")"
		}
	}
	return fmt.Sprintf("%s cannot be a customer's NIC: it %s", e.NIC, strings.Join(parts, "; it "))
}

// Fit checks that the host does not use a NIC itself, so that customers' frames cannot reach its stack:
// no addresses but an IPv6 link-local one that the kernel made (Prepare removes that), no master, not lo.
// The error is an UnfitError with all faults.
func Fit(l Link) error {
	var faults []Fault
	if l.Kind == KindLoopback {
		faults = append(faults, Fault{What: "is the loopback device"})
	}
	if l.Master != "" {
		faults = append(faults, Fault{"belongs to " + l.Master, fmt.Sprintf("ip link set %s nomaster", l.Name)})
	}
	for _, a := range l.Addrs {
		faults = append(faults, Fault{"has the address " + a.String(), fmt.Sprintf("ip addr del %s dev %s", a, l.Name)})
	}
	if faults == nil {
		return nil
	}
	return &UnfitError{NIC: l.Name, Faults: faults}
}
