// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"os"

	"github.com/drawbridge-l2/drawbridge/state"
)

// Check compares programs and pins with what Apply made, and repairs what others detached or deleted. It
// names everything that was missing; and makes the room for recent flows fit. It is cheap: a few system calls per NIC.
func (p *Plane) Check() (repaired []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.desired == nil {
		return nil, nil
	}
	var errs []error
	errs = append(errs, p.restoreFolders())
	if p.unclean {
		err := p.cleanUp(p.desired)
		p.unclean = err != nil
		errs = append(errs, err)
	}
	maps, err := p.checkMaps()
	repaired, errs = append(repaired, maps...), append(errs, err)
	links, err := p.checkLinks(p.desired)
	return append(repaired, links...), errors.Join(append(errs, err, p.fitFlows(), p.reap())...)
}

func (p *Plane) restoreFolders() error {
	return errors.Join(os.MkdirAll(p.pins.maps(), 0o700), os.MkdirAll(p.pins.links(), 0o700))
}

func (p *Plane) checkMaps() (repaired []string, err error) {
	var errs []error
	for name, m := range p.objects.maps {
		path := p.pins.mapPath(name)
		if !isMissing(path) {
			continue
		}
		repaired = append(repaired, "pin of map "+name)
		_ = m.Unpin() // the library believes it is pinned
		if err := m.Pin(path); err != nil {
			errs = append(errs, fmt.Errorf("pin map %s: %w", name, err))
		}
	}
	return repaired, errors.Join(errs...)
}

func (p *Plane) checkLinks(d *state.Desired) (repaired []string, err error) {
	var errs []error
	for _, w := range attachments(d) {
		a, ok := p.links[w.name()]
		detached := !ok || linkIfindex(a.link) != w.ifindex
		unpinned := ok && isMissing(p.pins.linkPath(w.name()))
		switch {
		case detached:
			repaired = append(repaired, w.String())
			errs = append(errs, p.drop(w.name()))
			if err := p.attach(w, &undo{}); err != nil {
				errs = append(errs, fmt.Errorf("attach %s: %w", w, err))
			}
		case unpinned:
			repaired = append(repaired, "pin of "+w.String())
			if err := p.repin(w.name()); err != nil {
				errs = append(errs, fmt.Errorf("pin %s: %w", w, err))
			}
		}
	}
	return repaired, errors.Join(errs...)
}
