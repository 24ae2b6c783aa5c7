// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// demoRate is the load each way while the daemon dies, in frames a second: what any machine can generate without
// losing frames by itself.
const demoRate = 10000

// kill ends the daemon with SIGKILL while numbered frames flow both ways, and starts it again.
func (d *demo) kill() error {
	customer, vm := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	load, err := lab.StartLoad(
		lab.Flow{From: customer, To: vm, Rate: demoRate}, lab.Flow{From: vm, To: customer, Rate: demoRate})
	if err != nil {
		return err
	}
	dead, err := d.dieAndReturn()
	reports, loadErr := load.Stop()
	if err != nil {
		return err
	}
	if loadErr != nil {
		return loadErr
	}
	d.tell.figure("dead_seconds", rounded(dead))
	d.tell.ok("kill -9, no daemon for %.1f s, then a new one", dead.Seconds())
	if err := d.wantNoLoss(reports); err != nil {
		return err
	}
	return d.wantAdopted()
}

// dieAndReturn kills the daemon, leaves the data plane alone for a second and starts another.
func (d *demo) dieAndReturn() (dead time.Duration, err error) {
	if err := d.sleep(500 * time.Millisecond); err != nil {
		return 0, err
	}
	if err := d.daemon.Kill9(); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := d.sleep(time.Second); err != nil {
		return 0, err
	}
	if err := d.daemon.Start(); err != nil {
		return 0, err
	}
	return time.Since(began), d.sleep(500 * time.Millisecond)
}

// wantNoLoss wants every frame of the load to have arrived once. What the receiver's own socket had no room for is not
// the gateway's loss.
func (d *demo) wantNoLoss(reports []lab.FlowReport) error {
	var sent, lost, doubled uint64
	var gap time.Duration
	for _, r := range reports {
		sent += r.Sent
		lost += r.Lost - min(r.Lost, r.Missed)
		doubled += r.Duplicated
		gap = max(gap, r.LongestGap)
	}
	d.tell.figure("sent", sent)
	d.tell.figure("lost", lost)
	d.tell.figure("doubled", doubled)
	d.tell.figure("longest_gap_ms", milliseconds(gap))
	if sent == 0 || lost+doubled > 0 {
		return fmt.Errorf("expected 0 of %d frames lost or doubled, got %d lost and %d doubled", sent, lost, doubled)
	}
	d.tell.ok("%d frames sent meanwhile, 0 lost, 0 doubled", sent)
	return nil
}

// wantAdopted wants the new daemon to have gone on with the tables that it found.
func (d *demo) wantAdopted() error {
	events, err := d.daemon.Events()
	if err != nil {
		return err
	}
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Kind != "started" {
			continue
		}
		if adopted, _ := events[i].Detail["adopted"].(bool); !adopted {
			return fmt.Errorf("expected the new daemon to adopt the tables, its event says %q", events[i].Message)
		}
		d.tell.figure("adopted", true)
		d.tell.ok("the new daemon adopted the tables that it found in the kernel")
		return nil
	}
	return fmt.Errorf("expected an event of kind started among %d, found none", len(events))
}
