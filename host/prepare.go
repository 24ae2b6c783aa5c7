// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"

	"github.com/drawbridge-l2/drawbridge/state"
)

// Prepare makes a NIC ready for its role and returns what it changed, with the former values: the earliest
// change first. After an error the changes made so far are returned with it. It is idempotent: what is
// already right is neither touched nor returned; Merge joins the results of several calls.
//
// A NIC must be fit for its role (see Fit). Before a customer's NIC comes up it loses IPv6, address
// generation and ARP and becomes promiscuous as a link flag, which does not die with the daemon; then it is
// set up. A shared NIC becomes promiscuous and is set up, and keeps all that the host's stack needs. LRO
// goes off for every role, since a merged frame is not the customer's frame any more; under XDP, which
// cannot see a tag that the NIC took off, so does the VLAN receive offload. Offloads of virtual links, and
// the addresses of underlay and shared NICs, are left alone.
func (h *Host) Prepare(name string, role Role, engine state.Engine) (Saved, error) {
	changes, err := h.Plan(name, role, engine)
	if err != nil {
		return nil, err
	}
	var done Saved
	for _, c := range changes {
		if err := h.set(c.Device, c.Setting, wanted(c.Setting)); err != nil {
			return done, fmt.Errorf("prepare %s: %w", name, err)
		}
		done = append(done, c)
	}
	if role == Customer {
		return done, h.dropAutomatic(name)
	}
	return done, nil
}

// Plan is what Prepare would change now, with the present values. A caller that stores it before calling
// Prepare cannot lose the former values in a crash.
func (h *Host) Plan(name string, role Role, engine state.Engine) (Saved, error) {
	o, err := h.observe(name)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	if err := Fit(o.Link, role); err != nil {
		return nil, err
	}
	plan := planSettings(o, role)
	offloads, err := h.planOffloads(o, engine)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	plan = append(plan, offloads...)
	if role != Underlay && !o.AdminUp {
		plan = append(plan, Change{o.Name, Up, 0}) // last: nothing may arrive before the rest holds
	}
	return plan, nil
}

// settingsOf are the settings of the link itself that a role needs, beside being up.
func settingsOf(role Role) []Setting {
	switch role {
	case Customer:
		return []Setting{DisableIPv6, AddrGenMode, NoARP, Promiscuous}
	case Shared:
		return []Setting{Promiscuous}
	}
	return nil
}

func planSettings(o *observed, role Role) Saved {
	var plan Saved
	for _, s := range settingsOf(role) {
		if was, known := o.value(s); known && was != wanted(s) {
			plan = append(plan, Change{o.Name, s, was})
		}
	}
	return plan
}

// wanted is the value that Prepare gives a setting.
func wanted(s Setting) int {
	if s == LRO || s == RxVLAN {
		return 0
	}
	return 1 // also for AddrGenMode: IN6_ADDR_GEN_MODE_NONE is 1
}

// planOffloads finds the offloads to switch off on hardware: the NIC itself, or the members of a bond,
// whose programs run on the members.
func (h *Host) planOffloads(o *observed, engine state.Engine) (Saved, error) {
	devices, err := h.hardware(o)
	if err != nil {
		return nil, err
	}
	var plan Saved
	for _, device := range devices {
		flags, err := h.ethFlags(device)
		if err != nil {
			continue // a driver that does not know the question has no such offloads
		}
		if flags&ethFlagLRO != 0 {
			plan = append(plan, Change{device, LRO, 1})
		}
		if engine == state.EngineXDP && flags&ethFlagRxVLAN != 0 {
			plan = append(plan, Change{device, RxVLAN, 1})
		}
	}
	return plan, nil
}

func (h *Host) hardware(o *observed) ([]string, error) {
	switch o.Kind {
	case KindDevice:
		return []string{o.Name}, nil
	case "bond":
		all, err := h.observeAll()
		return membersOf(o.Name, all), err
	}
	return nil, nil
}

func membersOf(bond string, all map[int]*observed) []string {
	var members []string
	for _, o := range all {
		if o.Master == bond && o.Kind == KindDevice {
			members = append(members, o.Name)
		}
	}
	return members
}

// Restore puts back what Prepare changed, the last change first. A setting that already has its former
// value is left alone, and a device that is gone is success. All settings are tried; the errors are joined.
func (h *Host) Restore(name string, saved Saved) error {
	var errs []error
	for i := len(saved) - 1; i >= 0; i-- {
		c := saved[i]
		if err := h.restore(c); err != nil && !errors.Is(err, ErrNoLink) {
			errs = append(errs, fmt.Errorf("restore %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (h *Host) restore(c Change) error {
	o, err := h.observe(c.Device)
	if err != nil {
		return err
	}
	now, known := o.value(c.Setting)
	if c.Setting == LRO || c.Setting == RxVLAN {
		now, known = h.offload(c.Device, c.Setting)
	}
	if !known || now == c.Was {
		return nil
	}
	return h.set(c.Device, c.Setting, c.Was)
}
