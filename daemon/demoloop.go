// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// loop plugs a cable into two ports of the customer's switch, and pulls it again.
func (d *demo) loop() error {
	host, other, vm := d.lab.Host("acme", 0), d.lab.Host("acme", 1), d.lab.VM("acme", 0, 0)
	h := d.lab.Hypervisors[0]
	wire, err := watch("at hypervisor 1", h.NS, h.Uplink, d.lab.Gateway.VTEP)
	if err != nil {
		return err
	}
	patch, err := d.lab.PatchCustomer("acme")
	if err != nil {
		return err
	}
	if err := d.goRound(other, wire); err != nil {
		return errors.Join(err, patch.Pull())
	}
	trip, err := host.Ping(vm.IPv4.Addr(), demoLimit)
	if err != nil {
		return errors.Join(err, patch.Pull())
	}
	d.tell.ok("known unicast goes on: ping answered in %d µs", trip.Microseconds())
	if err := patch.Pull(); err != nil {
		return err
	}
	pulled := time.Now()
	if err := d.daemon.WaitBridges("lowered", 2*demoLimit); err != nil {
		return err
	}
	healed := time.Since(pulled)
	d.tell.figure("healed_seconds", rounded(healed))
	d.tell.ok("the cable is pulled: the bridge lowered itself %.1f s later", healed.Seconds())
	return finish(wire)
}

// goRound feeds the loop, and measures how long frames went round through the gateway before it half-raised.
func (d *demo) goRound(from *lab.Host, wire markCapture) error {
	const first, count = 600, 20
	for n := range uint32(count) {
		if err := from.Send(from.Link, mark(from.MAC, first+n)); err != nil {
			return err
		}
		if err := d.sleep(25 * time.Millisecond); err != nil {
			return err
		}
	}
	if err := d.daemon.WaitBridges("half-raised", demoLimit); err != nil {
		return err
	}
	d.tell.ok("a cable in two ports of the customer's switch: the bridge is half-raised")
	lasted, looped := circulated(wire)
	if !looped {
		d.tell.ok("the gateway's own probe had found the loop before any frame came round")
		return nil
	}
	const limit = 100 * time.Millisecond
	if lasted > limit {
		return fmt.Errorf("expected the loop to be cut within %v, it took %v", limit, lasted)
	}
	d.tell.figure("circulated_ms", milliseconds(lasted))
	d.tell.ok("the loop was cut %d µs after its first frame had come round", lasted.Microseconds())
	return nil
}

// circulated says how long marks passed after the first one that passed a second time.
func circulated(wire markCapture) (lasted time.Duration, looped bool) {
	seen := map[uint32]bool{}
	var again time.Time
	for _, f := range wire.Frames() {
		n, _, _ := readMark(f.Data)
		if seen[n] && again.IsZero() {
			again = f.Time
		}
		seen[n] = true
		if !again.IsZero() {
			lasted = f.Time.Sub(again)
		}
	}
	return lasted, !again.IsZero()
}
