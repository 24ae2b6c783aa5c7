// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"strings"
)

// Role says what a NIC is for.
type Role uint8

// The three roles. The zero value is no role.
const (
	Customer Role = 1 // customers' frames arrive here, and nothing else
	Underlay Role = 2 // tunnels leave here
	Shared   Role = 3 // customers' frames arrive here, and frames for the host
)

// String prints customer, underlay or shared.
func (r Role) String() string {
	switch r {
	case Customer:
		return "customer"
	case Underlay:
		return "underlay"
	case Shared:
		return "shared"
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

// Fit checks that a NIC can have a role. A customer's NIC is not used by the host itself, so that
// customers' frames cannot reach its stack: no addresses but an IPv6 link-local one that the kernel made
// (Prepare removes that), no master, not lo. A shared one may have addresses. Any link can be the underlay.
// The error is an UnfitError with all faults.
func Fit(l Link, role Role) error {
	if role == Underlay {
		return nil
	}
	var faults []Fault
	if l.Kind == KindLoopback {
		faults = append(faults, Fault{What: "is the loopback device"})
	}
	if l.Master != "" {
		faults = append(faults, Fault{"belongs to " + l.Master, fmt.Sprintf("ip link set %s nomaster", l.Name)})
	}
	for _, a := range l.Addrs {
		if role == Shared {
			break
		}
		faults = append(faults, Fault{"has the address " + a.String(), fmt.Sprintf("ip addr del %s dev %s", a, l.Name)})
	}
	if faults == nil {
		return nil
	}
	return &UnfitError{NIC: l.Name, Faults: faults}
}
