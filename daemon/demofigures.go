// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// figures shows the counters and that they add up.
func (d *demo) figures() error {
	var s *lab.Status
	err := lab.Wait(demoLimit, "the counters to add up", func() error {
		var err error
		if s, err = d.daemon.Status(); err != nil {
			return err
		}
		return s.Balanced()
	})
	if err != nil {
		return err
	}
	acme := s.Extension("acme")
	if acme == nil {
		return errors.New("expected extension acme in the status, it is not there")
	}
	d.tell.note("%-12s %10s   %10s   %s", "acme", "rx", "tx", "dropped")
	d.direction("to_cloud", acme.ToCloud)
	d.direction("to_customer", acme.ToCustomer)
	for _, nic := range s.Interfaces {
		d.tell.note("%-12s %10d   %10s   %s", nic.Name, nic.Rx.Frames, "", reasonsText(nic.Drops))
	}
	d.tell.ok("rx = tx + dropped, each way; nothing disappeared")
	return d.places()
}

func (d *demo) direction(name string, c lab.Counters) {
	d.tell.figure(name, map[string]any{"rx": c.Rx.Frames, "tx": c.Tx.Frames, "drops": c.Drops})
	d.tell.figure(name+"_unaccounted", c.Rx.Frames-c.Tx.Frames-c.Dropped())
	d.tell.note("%-12s %10d = %10d + %s", strings.ReplaceAll(name, "_", " "), c.Rx.Frames, c.Tx.Frames, reasonsText(c.Drops))
}

// reasonsText prints the drops that have occurred.
func reasonsText(drops map[string]uint64) string {
	var parts []string
	for reason, n := range drops {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, reason))
		}
	}
	if parts == nil {
		return "0"
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// places checks where everybody lives.
func (d *demo) places() error {
	entries, err := d.daemon.MACs("acme")
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b lab.MACEntry) int { return strings.Compare(a.MAC, b.MAC) })
	want := map[string]string{}
	for n := range 2 {
		want[d.lab.Host("acme", n).MAC.String()] = "customer "
	}
	for i, h := range d.lab.Hypervisors {
		want[d.lab.VM("acme", i, 0).MAC.String()] = "cloud " + h.VTEP.String()
	}
	for _, e := range entries {
		got := e.Side + " " + e.VTEP
		if want[e.MAC] != got {
			return fmt.Errorf("expected %s at %q, got %q", e.MAC, want[e.MAC], got)
		}
		delete(want, e.MAC)
		d.tell.note("%s  %s", e.MAC, strings.TrimSpace(got))
	}
	if len(want) > 0 {
		return fmt.Errorf("expected the MACs %v too, they are not there", want)
	}
	d.tell.figure("macs", len(entries))
	d.tell.ok("%d MACs, each where its machine lives", len(entries))
	return nil
}
