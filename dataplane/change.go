// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"

	"github.com/drawbridge-l2/drawbridge/state"
)

// change is what a desired state changes. Of thousands of extensions one may have changed, and no work shall be done for the
// others but to see that.
type change struct {
	whole      bool               // all may differ, or most do: nothing was applied before, or the host's part differs
	extensions []*state.Extension // those that are new or differ
	gone       []string           // those that have slots and are not wanted any more
}

func (p *Plane) compare(d *state.Desired) change {
	c := change{whole: p.desired == nil || !p.desired.SameHost(d), gone: p.goneExtensions(d)}
	var before map[string]*state.Extension
	for i := range d.Extensions {
		x := &d.Extensions[i]
		if !c.whole {
			if i < len(p.desired.Extensions) && p.desired.Extensions[i].Equal(x) {
				continue
			}
			if before == nil {
				before = byName(p.desired)
			}
			if old := before[string(x.Name)]; old != nil && old.Equal(x) {
				continue
			}
		}
		c.extensions = append(c.extensions, x)
	}
	if !c.whole && 2*len(c.extensions) > len(d.Extensions) { // then to take tables apart and put them together costs more than it spares
		c.whole, c.extensions = true, all(d)
	}
	return c
}

func all(d *state.Desired) []*state.Extension {
	extensions := make([]*state.Extension, len(d.Extensions))
	for i := range extensions {
		extensions[i] = &d.Extensions[i]
	}
	return extensions
}

func byName(d *state.Desired) map[string]*state.Extension {
	named := make(map[string]*state.Extension, len(d.Extensions))
	for i := range d.Extensions {
		named[string(d.Extensions[i].Name)] = &d.Extensions[i]
	}
	return named
}

// goneExtensions have slots and are not wanted.
func (p *Plane) goneExtensions(d *state.Desired) []string {
	wanted := 0
	for i := range d.Extensions {
		if _, has := p.slots.byName[string(d.Extensions[i].Name)]; has {
			wanted++
		}
	}
	if wanted == len(p.slots.byName) {
		return nil
	}
	named := byName(d)
	var gone []string
	for name := range p.slots.byName {
		if named[name] == nil {
			gone = append(gone, name)
		}
	}
	return gone
}

// slotsOf are the slots of what a change is about. What is new has none yet.
func (p *Plane) slotsOf(c change) map[uint32]bool {
	slots := map[uint32]bool{}
	for _, x := range c.extensions {
		if slot, has := p.slots.byName[string(x.Name)]; has {
			slots[slot] = true
		}
	}
	for _, name := range c.gone {
		slots[p.slots.byName[name]] = true
	}
	return slots
}

// begin starts taking numbers.
func (p *Plane) begin() {
	p.slots.begin()
	p.nics.begin()
	p.vteps.begin()
}

// storeNames keeps the numbers that were taken over restarts.
func (p *Plane) storeNames() error {
	return errors.Join(p.slots.store(p.mapNamed("names")), p.nics.store(p.mapNamed("nic_names")))
}

// giveBack frees the numbers that were taken since begin.
func (p *Plane) giveBack() error {
	return errors.Join(
		p.slots.giveBack(p.mapNamed("names")), p.nics.giveBack(p.mapNamed("nic_names")), p.vteps.giveBack(p.objects),
	)
}
