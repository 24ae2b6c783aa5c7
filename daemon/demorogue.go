// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// rogueLifetime is what the customer's host that plays router promises, in seconds.
const rogueLifetime = 1800

var rogueRouter = netip.MustParseAddr("fe80::bad")

// rogue has the customer's host play router towards VMs that would believe any, and then a VM do the same: the extension
// is hosted, so the cloud may and the customer may not.
func (d *demo) rogue() error {
	host, vm := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	for _, h := range []*lab.Host{host, vm} {
		if err := h.Sysctl("ipv6/conf/"+h.Link+"/accept_ra", "2"); err != nil {
			return err
		}
	}
	if err := d.wantServiceDrop(func() error {
		return host.Send(host.Link, frame.RouterAdvert(host.MAC, rogueRouter, rogueLifetime))
	}); err != nil {
		return err
	}
	// What passes behind it shows that it did not.
	c, err := d.watchAll()
	if err != nil {
		return err
	}
	if err := sendMarks(host, host.MAC, 701, 701, c.cloud()...); err != nil {
		return err
	}
	if routes, err := vm.LearntRoutes(); err != nil || routes != 0 {
		return errors.Join(err, fmt.Errorf("expected no route from the customer's router advertisement, the VM has %d", routes))
	}
	d.tell.ok("a router advertisement from the customer: dropped as service-router")
	if err := vm.Send(vm.Link, frame.RouterAdvert(vm.MAC, rogueRouter, rogueLifetime)); err != nil {
		return err
	}
	if err := lab.Wait(demoLimit, "a route from the cloud's router", func() error { return hasRoute(host) }); err != nil {
		return err
	}
	d.tell.ok("one from the cloud crossed: the customer's host has its route")
	return finish(c.all()...)
}

// wantServiceDrop wants one more frame to cloud dropped as service-router.
func (d *demo) wantServiceDrop(send func() error) error {
	before, err := d.serviceDrops()
	if err != nil {
		return err
	}
	if err := send(); err != nil {
		return err
	}
	return lab.Wait(demoLimit, "the counter service-router", func() error {
		now, err := d.serviceDrops()
		if err == nil && now != before+1 {
			err = fmt.Errorf("expected 1 frame more dropped as service-router, got %d", now-before)
		}
		return err
	})
}

func (d *demo) serviceDrops() (uint64, error) {
	s, err := d.daemon.Status()
	if err != nil {
		return 0, err
	}
	e := s.Extension("acme")
	if e == nil {
		return 0, errors.New("expected extension acme in the status, it is not there")
	}
	return e.ToCloud.Drops["service-router"], nil
}

func hasRoute(h *lab.Host) error {
	routes, err := h.LearntRoutes()
	if err == nil && routes == 0 {
		err = errors.New("expected a route, there is none")
	}
	return err
}
