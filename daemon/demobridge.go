// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"strings"
	"time"
)

// command runs a command of this program against the daemon, as a user does.
func (d *demo) command(args ...string) error {
	d.tell.note("# drawbridge %s", strings.Join(args, " "))
	if r := d.daemon.Run(args...); r.Code != 0 {
		return fmt.Errorf("expected exit code 0 of %s, got %d: %s", args[0], r.Code, strings.TrimSpace(r.Stderr))
	}
	return nil
}

// raise draws the bridge up: nothing crosses.
func (d *demo) raise() error {
	if err := d.command("raise", "acme", "--reason", "demo"); err != nil {
		return err
	}
	if err := d.daemon.WaitBridges("raised", demoLimit); err != nil {
		return err
	}
	const requests = 2
	customer, vm := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	answered, err := customer.Pings(vm.IPv4.Addr(), requests, 0)
	if err != nil {
		return err
	}
	if answered != 0 {
		return fmt.Errorf("expected no answer to %d pings, got %d", requests, answered)
	}
	d.tell.figure("pings", requests)
	d.tell.figure("answered", answered)
	d.tell.ok("the bridge is raised: %d pings sent, 0 answered", requests)
	return nil
}

// lower lets the bridge down: everything is as before.
func (d *demo) lower() error {
	if err := d.command("lower", "acme"); err != nil {
		return err
	}
	began := time.Now()
	customer, vm := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	trip, err := customer.Ping(vm.IPv4.Addr(), demoLimit)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if err := d.daemon.WaitBridges("lowered", demoLimit); err != nil {
		return err
	}
	d.tell.figure("first_answer_ms", milliseconds(took))
	d.tell.ok("the bridge is lowered: ping answered again, in %d µs", trip.Microseconds())
	return nil
}
