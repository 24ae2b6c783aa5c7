// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// redirectSystem is the floor: every frame goes unread from one NIC to the other.
type redirectSystem struct {
	objects redirectObjects
	links   []link.Link
}

func (r *redirectSystem) name() string { return systemRedirect }
func (r *redirectSystem) describe() string {
	return "bare XDP redirect through a devmap: no gateway, the floor"
}
func (r *redirectSystem) fits(layout) string          { return "" }
func (r *redirectSystem) learns() bool                { return false }
func (r *redirectSystem) skbs() bool                  { return false }
func (r *redirectSystem) output(d direction) encoding { return r.input(d) }

func (r *redirectSystem) counters() string { return "" }

// input is what Drawbridge gets too.
func (r *redirectSystem) input(d direction) encoding {
	if d == toCustomer {
		return tunnel
	}
	return tagged
}

func (r *redirectSystem) start(_ context.Context, t *topology, _ layout) error {
	if err := loadRedirectObjects(&r.objects, nil); err != nil {
		return fmt.Errorf("load redirect: %w", err)
	}
	if err := widen(t); err != nil {
		return err
	}
	if err := r.join(t.gateway, t.customerNIC, r.objects.ToCloud, t.underlayNIC, 0); err != nil {
		return err
	}
	return r.join(t.gateway, t.underlayNIC, r.objects.ToCustomer, t.customerNIC, 1)
}

// widen lets the customer's wire carry tunnel frames, which no other system sends there.
func widen(t *topology) error {
	for _, end := range []struct {
		n   *namespace
		nic string
	}{{t.gateway, t.customerNIC}, {t.customer, hostNIC}} {
		nic, err := end.n.links.LinkByName(end.nic)
		if err != nil {
			return fmt.Errorf("find %s: %w", end.nic, err)
		}
		if err := end.n.links.LinkSetMTU(nic, underlayMTU); err != nil {
			return fmt.Errorf("set mtu of %s: %w", end.nic, err)
		}
	}
	return nil
}

// join sends what arrives at one NIC to the other, which the device map has under a key.
func (r *redirectSystem) join(n *namespace, from string, program *ebpf.Program, to string, key uint32) error {
	source, err := n.index(from)
	if err != nil {
		return err
	}
	target, err := n.index(to)
	if err != nil {
		return err
	}
	return n.run(func() error {
		if err := r.objects.Ports.Put(key, uint32(target)); err != nil {
			return fmt.Errorf("put %s in device map: %w", to, err)
		}
		attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: source, Flags: link.XDPDriverMode})
		if err != nil {
			return fmt.Errorf("attach redirect to %s: %w", from, err)
		}
		r.links = append(r.links, attached)
		return nil
	})
}

func (r *redirectSystem) stop() error {
	var errs []error
	for _, l := range r.links {
		errs = append(errs, l.Close())
	}
	return errors.Join(append(errs, r.objects.Close())...)
}
