// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// crowd is everywhere that a frame of the extension could show up.
type crowd struct {
	wires    []markCapture // by hypervisor: tunnel packets from the gateway
	machines []markCapture // by hypervisor: its VM
	trunk    markCapture   // the customer's end of the cable
	customer markCapture
}

// watchAll starts captures everywhere.
func (d *demo) watchAll() (crowd, error) {
	var c crowd
	var err error
	for i, h := range d.lab.Hypervisors {
		wire, err := watch(fmt.Sprintf("at hypervisor %d", i+1), h.NS, h.Uplink, d.lab.Gateway.VTEP)
		if err != nil {
			return c, err
		}
		vm := d.lab.VM("acme", i, 0)
		machine, err := watch(fmt.Sprintf("at the VM of hypervisor %d", i+1), vm.NS, vm.Link, netip.Addr{})
		if err != nil {
			return c, err
		}
		c.wires, c.machines = append(c.wires, wire), append(c.machines, machine)
	}
	if c.trunk, err = watch("back on the customer's wire", d.lab.Switch.NS, lab.TrunkName(0), netip.Addr{}); err != nil {
		return c, err
	}
	host := d.lab.Host("acme", 0)
	c.customer, err = watch("at the customer's host", host.NS, host.Link, netip.Addr{})
	return c, err
}

func (c crowd) all() []markCapture {
	all := append([]markCapture{c.trunk, c.customer}, c.wires...)
	return append(all, c.machines...)
}

// cloud is everywhere that a frame to cloud must arrive.
func (c crowd) cloud() []markCapture {
	return append(append([]markCapture(nil), c.wires...), c.machines...)
}

// sendMarks sends the marks from first to last from a machine, and one more behind them: when that has arrived
// everywhere, so has whatever became of the others.
func sendMarks(h *lab.Host, src l2.MAC, first, last uint32, arrive ...markCapture) error {
	sender, err := h.Sender(h.Link)
	if err != nil {
		return err
	}
	defer sender.Close()
	for n := first; n <= last+1; n++ {
		if err := sender.SendPackets(mark(src, n)); err != nil {
			return err
		}
	}
	for _, c := range arrive {
		if err := c.wait(last + 1); err != nil {
			return err
		}
	}
	return nil
}

// broadcasts counts the copies of broadcasts from either side, and that none comes back.
func (d *demo) broadcasts() error {
	const count = 10
	c, err := d.watchAll()
	if err != nil {
		return err
	}
	customer, vm := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	if err := sendMarks(customer, customer.MAC, 1, count, c.cloud()...); err != nil {
		return err
	}
	for _, at := range c.cloud() {
		if err := at.wantCopies(1, count, 1); err != nil {
			return err
		}
	}
	if err := c.trunk.wantCopies(1, count, 0); err != nil {
		return err
	}
	d.tell.ok("to cloud     %d sent, %d captured at each hypervisor, 0 came back", count, count)

	// The VM's hypervisor floods to the other one itself: only the gateway's own copies count there.
	if err := sendMarks(vm, vm.MAC, 101, 100+count, c.trunk, c.customer); err != nil {
		return err
	}
	if err := sendMarks(customer, customer.MAC, 201, 201, c.wires...); err != nil {
		return err
	}
	if err := c.customer.wantCopies(101, 100+count, 1); err != nil {
		return err
	}
	for _, at := range c.wires {
		if err := at.wantCopies(101, 100+count, 0); err != nil {
			return err
		}
	}
	d.tell.ok("to customer  %d sent, %d captured at the host, 0 went back", count, count)
	d.tell.figure("sent_each_way", count)
	d.tell.figure("copies_per_hypervisor", 1)
	d.tell.figure("copies_at_customer", 1)
	d.tell.figure("came_back", 0)
	return finish(c.all()...)
}
