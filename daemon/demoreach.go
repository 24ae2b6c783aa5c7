// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// pings measures round trips from the customer's host to each VM.
func (d *demo) pings() error {
	customer := d.lab.Host("acme", 0)
	for i := range d.lab.Hypervisors {
		vm := d.lab.VM("acme", i, 0)
		trip4, err := roundTrip(customer, vm.IPv4.Addr())
		if err != nil {
			return err
		}
		trip6, err := roundTrip(customer, vm.IPv6.Addr())
		if err != nil {
			return err
		}
		d.tell.figure(fmt.Sprintf("vm%d_ipv4_us", i+1), trip4.Microseconds())
		d.tell.figure(fmt.Sprintf("vm%d_ipv6_us", i+1), trip6.Microseconds())
		d.tell.ok("VM on hypervisor %d: IPv4 in %d µs, IPv6 in %d µs", i+1, trip4.Microseconds(), trip6.Microseconds())
	}
	return nil
}

// roundTrip is the median of some pings, after one that resolves the neighbour.
func roundTrip(from *lab.Host, to netip.Addr) (time.Duration, error) {
	if _, err := from.Ping(to, demoLimit); err != nil {
		return 0, err
	}
	trips := make([]time.Duration, 9)
	for i := range trips {
		var err error
		if trips[i], err = from.Ping(to, demoLimit); err != nil {
			return 0, err
		}
	}
	slices.Sort(trips)
	return trips[len(trips)/2], nil
}
