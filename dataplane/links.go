// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/drawbridge-l2/drawbridge/state"
)

// hook is where a program is attached.
type hook string

const (
	hookXDP     hook = "xdp"
	hookIngress hook = "ingress"
	hookEgress  hook = "egress"
)

// want is one attachment that shall exist.
type want struct {
	nic     string
	ifindex int
	hook    hook
	program string
}

// name is the pin's name.
func (w want) name() string { return w.nic + "-" + string(w.hook) }

func (w want) String() string { return fmt.Sprintf("%s program on %s", w.hook, w.nic) }

// attachment is one that exists.
type attachment struct {
	want want
	link link.Link
}

// tunnelNIC names the tunnel device in pins, whatever its real name is.
const tunnelNIC = "tunnel"

// attachments lists what d needs. On customers' NICs the egress guard comes first, so that the host never
// speaks there, and the program that takes frames last.
func attachments(d *state.Desired) []want {
	var w []want
	if d.Underlay.TunnelIfindex != 0 {
		w = append(w, want{tunnelNIC, d.Underlay.TunnelIfindex, hookIngress, "tc_tunnel"})
	}
	for _, n := range d.NICs {
		w = append(w, want{n.Name, n.Ifindex, hookEgress, "tc_guard"})
		if d.Engine == state.EngineXDP {
			w = append(w, want{n.Name, n.Ifindex, hookIngress, "tc_handover"}, want{n.Name, n.Ifindex, hookXDP, "xdp_customer"})
		} else {
			w = append(w, want{n.Name, n.Ifindex, hookIngress, "tc_customer"})
		}
	}
	for _, u := range d.Underlay.Uplinks {
		if d.Engine == state.EngineXDP {
			w = append(w, want{u.Name, u.Ifindex, hookXDP, "xdp_underlay"})
		} else {
			w = append(w, want{u.Name, u.Ifindex, hookIngress, "tc_underlay"})
		}
	}
	return w
}

// adoptLinks opens the pinned links of an earlier process.
func (p *Plane) adoptLinks() error {
	names, err := p.pins.linkNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		l, err := link.LoadPinnedLink(p.pins.linkPath(name), nil)
		if err != nil {
			return fmt.Errorf("open pinned link %s: %w", name, err)
		}
		p.links[name] = attachment{link: l} // what it runs is not known: the next Apply compares
	}
	return nil
}

// attachMissing attaches what d needs and is not there, and exchanges programs that differ. It returns
// the names of the new attachments.
func (p *Plane) attachMissing(d *state.Desired) ([]string, error) {
	var added []string
	for _, w := range attachments(d) {
		fresh, err := p.attach(w)
		if err != nil {
			return added, fmt.Errorf("attach %s: %w", w, err)
		}
		if fresh {
			added = append(added, w.name())
		}
	}
	return added, nil
}

// attach makes one attachment so. fresh: it did not exist before.
func (p *Plane) attach(w want) (fresh bool, err error) {
	program := p.objects.programs[w.program]
	if old, ok := p.links[w.name()]; ok {
		if linkIfindex(old.link) == w.ifindex {
			return false, p.exchange(old, w, program)
		}
		if err := p.drop(w.name()); err != nil { // the NIC is another one of the same name
			return false, err
		}
	}
	l, err := newLink(w, program)
	if err != nil {
		return false, err
	}
	if err := pinLink(l, p.pins.linkPath(w.name())); err != nil {
		return false, errors.Join(err, l.Close())
	}
	p.links[w.name()] = attachment{w, l}
	return true, nil
}

// exchange swaps the program of a link atomically, unless it runs the same instructions already.
func (p *Plane) exchange(old attachment, w want, program *ebpf.Program) error {
	if !runsSame(old.link, program) {
		if err := old.link.Update(program); err != nil {
			return err
		}
	}
	p.links[w.name()] = attachment{w, old.link}
	return p.repin(w.name())
}

func runsSame(l link.Link, program *ebpf.Program) bool {
	info, err := l.Info()
	if err != nil {
		return false
	}
	running, err := ebpf.NewProgramFromID(info.Program)
	if err != nil {
		return false
	}
	defer running.Close()
	have, err := running.Info()
	if err != nil {
		return false
	}
	wanted, err := program.Info()
	return err == nil && have.Tag == wanted.Tag && have.Name == wanted.Name
}

func newLink(w want, program *ebpf.Program) (link.Link, error) {
	switch w.hook {
	case hookXDP:
		l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: w.ifindex, Flags: link.XDPDriverMode})
		if err != nil {
			return nil, fmt.Errorf("%w (the NIC's driver must speak native XDP and no other XDP program may be there; engine: tc works on every NIC)", err)
		}
		return l, nil
	case hookEgress:
		return link.AttachTCX(link.TCXOptions{Program: program, Interface: w.ifindex, Attach: ebpf.AttachTCXEgress, Anchor: link.Head()})
	default:
		return link.AttachTCX(link.TCXOptions{Program: program, Interface: w.ifindex, Attach: ebpf.AttachTCXIngress, Anchor: link.Head()})
	}
}

// pinLink replaces a pin whose link is dead.
func pinLink(l link.Link, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return l.Pin(path)
}

// linkIfindex is the NIC that a link is on, 0 when it was detached or the NIC is gone.
func linkIfindex(l link.Link) int {
	info, err := l.Info()
	if err != nil {
		return 0
	}
	if x := info.XDP(); x != nil {
		return int(x.Ifindex)
	}
	if t := info.TCX(); t != nil {
		return int(t.Ifindex)
	}
	return 0
}

// drop detaches and unpins.
func (p *Plane) drop(name string) error {
	a, ok := p.links[name]
	if !ok {
		return nil
	}
	delete(p.links, name)
	// The pin is the last reference but ours: with both gone the kernel detaches.
	err := os.Remove(p.pins.linkPath(name))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, a.link.Close())
}

func (p *Plane) detach(names []string) error {
	var errs []error
	for _, name := range slices.Backward(names) {
		errs = append(errs, p.drop(name))
	}
	return errors.Join(errs...)
}

// detachUnwanted detaches what d does not list. Egress guards go last.
func (p *Plane) detachUnwanted(d *state.Desired) error {
	wanted := map[string]bool{}
	for _, w := range attachments(d) {
		wanted[w.name()] = true
	}
	var first, last []string
	for name, a := range p.links {
		switch {
		case wanted[name]:
		case a.want.hook == hookEgress:
			last = append(last, name)
		default:
			first = append(first, name)
		}
	}
	return errors.Join(p.detach(first), p.detach(last))
}

// repin pins a link again whose pin was deleted.
func (p *Plane) repin(name string) error {
	path := p.pins.linkPath(name)
	if !isMissing(path) {
		return nil
	}
	l := p.links[name].link
	_ = l.Unpin() // the library believes it is pinned
	return l.Pin(path)
}
