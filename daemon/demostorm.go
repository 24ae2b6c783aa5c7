// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// The default of guard.storm.broadcast: frames a second, and as many at once.
const (
	broadcastRate  = 200
	broadcastBurst = 200
)

// storm has one machine of the customer's flood the extension, and shows that the others do not notice and who it was.
func (d *demo) storm() error {
	mad := d.lab.Host("acme", 1)
	h := d.lab.Hypervisors[0]
	wire, err := watch("at hypervisor 1", h.NS, h.Uplink, d.lab.Gateway.VTEP)
	if err != nil {
		return err
	}
	const number = 501
	began := time.Now()
	run, err := lab.StartStorm(lab.Storm{From: mad.NS, Link: mad.Link, Frame: mark(mad.MAC, number)})
	if err != nil {
		return err
	}
	answered, askErr := d.askInStorm()
	named, nameErr := d.waitNamed(mad.MAC.String())
	sent, err := run.Stop()
	lasted := time.Since(began)
	if err := errors.Join(err, askErr, nameErr); err != nil {
		return err
	}
	passed := wire.copies(number, number)[number]
	allowed := broadcastBurst + int(broadcastRate*lasted.Seconds())
	d.tell.figure("sent", sent)
	d.tell.figure("passed", passed)
	d.tell.figure("answered", answered)
	if passed > allowed || passed == 0 {
		return fmt.Errorf("expected some, and at most %d, of %d broadcasts in the cloud, got %d", allowed, sent, passed)
	}
	d.tell.ok("%d broadcasts from one machine in %.1f s: %d reached the cloud", sent, lasted.Seconds(), passed)
	d.tell.ok("another machine's ARP meanwhile: %d asked, %d answered", stormRequests, answered)
	d.tell.ok("the event log: %s", named)
	return finish(wire)
}

// stormRequests is how many ARP requests another machine sends in the storm.
const stormRequests = 25

// askInStorm has the innocent host resolve a VM's address.
func (d *demo) askInStorm() (answered int, err error) {
	answered, err = d.lab.Host("acme", 0).ARPing(d.lab.VM("acme", 0, 0), stormRequests, 40*time.Millisecond)
	if err == nil && answered < stormRequests-1 {
		err = fmt.Errorf("expected %d ARP requests to be answered in the storm, got %d", stormRequests, answered)
	}
	return answered, err
}

// waitNamed waits for an event that names a MAC as a culprit, and returns its text.
func (d *demo) waitNamed(mac string) (string, error) {
	text := ""
	err := lab.Wait(demoLimit, "the event that names the culprit", func() error {
		events, err := d.daemon.Events()
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Kind != "mac-moved" && strings.Contains(e.Message, mac) {
				text = e.Message
				return nil
			}
		}
		return fmt.Errorf("expected one with %s among %d events", mac, len(events))
	})
	return text, err
}
