// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

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

// name is the pin's name. It has the NIC's number and not its name: a renamed NIC keeps its programs.
func (w want) name() string { return strconv.Itoa(w.ifindex) + "-" + string(w.hook) }

// hookOf is the hook that a pin's name tells.
func hookOf(name string) hook { return hook(name[strings.LastIndexByte(name, '-')+1:]) }

func (w want) String() string { return fmt.Sprintf("%s program on %s", w.hook, w.nic) }

// attachment is one that exists.
type attachment struct {
	want want
	link link.Link
}

// tunnelNIC names the tunnel device in errors and events, whatever its real name is.
const tunnelNIC = "the tunnel device"

// attachments lists what d needs, in the order in which it is attached. On customers' NICs the egress
// guard comes first, so that the host never speaks there; XDP takes frames before tc leaves them to it.
func attachments(d *state.Desired) []want {
	var w []want
	if d.Underlay.TunnelIfindex != 0 {
		w = append(w, want{tunnelNIC, d.Underlay.TunnelIfindex, hookIngress, "tc_tunnel"})
	}
	for _, n := range d.NICs {
		w = append(w, want{n.Name, n.Ifindex, hookEgress, "tc_guard"})
		if d.Engine == state.EngineXDP {
			w = append(w, want{n.Name, n.Ifindex, hookXDP, "xdp_customer"}, want{n.Name, n.Ifindex, hookIngress, "tc_handover"})
		} else {
			w = append(w, want{n.Name, n.Ifindex, hookIngress, "tc_customer"})
		}
	}
	for _, u := range d.Underlay.Uplinks {
		if d.Engine == state.EngineXDP {
			w = append(w, want{u.Name, u.Ifindex, hookXDP, "xdp_underlay"}, want{u.Name, u.Ifindex, hookIngress, "tc_handover"})
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

// attachAll attaches what d needs and is not there, and exchanges programs that differ. What it did can
// be undone, also when it fails.
func (p *Plane) attachAll(d *state.Desired) (*undo, error) {
	u := &undo{}
	for _, w := range attachments(d) {
		if err := p.attach(w, u); err != nil {
			return u, fmt.Errorf("attach %s: %w", w, err)
		}
	}
	return u, nil
}

// attach makes one attachment so.
func (p *Plane) attach(w want, u *undo) error {
	program := p.objects.programs[w.program]
	if old, ok := p.links[w.name()]; ok {
		if linkIfindex(old.link) == w.ifindex {
			return p.exchange(old, w, program, u)
		}
		if err := p.drop(w.name()); err != nil { // detached by others, or the NIC is gone
			return err
		}
	}
	l, err := newLink(w, program)
	if err != nil {
		return err
	}
	if err := pinLink(l, p.pins.linkPath(w.name())); err != nil {
		return errors.Join(err, l.Detach(), l.Close())
	}
	p.links[w.name()] = attachment{w, l}
	u.add(func() error { return p.drop(w.name()) }, nil)
	return nil
}

// exchange swaps the program of a link atomically, unless it runs the same instructions over the same
// maps already.
func (p *Plane) exchange(old attachment, w want, program *ebpf.Program, u *undo) error {
	former, same := runsSame(old.link, program, p.objects.ids[w.program])
	if !same {
		if err := old.link.Update(program); err != nil {
			return errors.Join(err, former.Close())
		}
		u.add(func() error {
			p.links[w.name()] = old
			return old.link.Update(former)
		}, former)
		p.reached("exchanged " + w.name())
	} else {
		_ = former.Close()
	}
	p.links[w.name()] = attachment{w, old.link}
	return p.repin(w.name())
}

// undo is what takes changes of links back, the last first.
type undo struct {
	steps  []func() error
	former []*ebpf.Program // kept loaded until it is known whether they are needed
}

func (u *undo) add(step func() error, former *ebpf.Program) {
	u.steps = append(u.steps, step)
	if former != nil {
		u.former = append(u.former, former)
	}
}

func (u *undo) run() error {
	var errs []error
	for _, step := range slices.Backward(u.steps) {
		errs = append(errs, step())
	}
	u.forget()
	return errors.Join(errs...)
}

func (u *undo) forget() {
	for _, program := range u.former {
		_ = program.Close()
	}
	u.steps, u.former = nil, nil
}

// runsSame reports whether a link runs a program, whose ID spares a closer look, or one of the same instructions and maps. It
// returns the program that runs; nil when it cannot be had, or is the very same.
func runsSame(l link.Link, program *ebpf.Program, id ebpf.ProgramID) (*ebpf.Program, bool) {
	info, err := l.Info()
	if err != nil {
		return nil, false
	}
	if info.Program == id {
		return nil, true
	}
	running, err := ebpf.NewProgramFromID(info.Program)
	if err != nil {
		return nil, false
	}
	have, err := running.Info()
	if err != nil {
		return running, false
	}
	wanted, err := program.Info()
	if err != nil || have.Tag != wanted.Tag || have.Name != wanted.Name {
		return running, false
	}
	haveMaps, _ := have.MapIDs()
	wantedMaps, _ := wanted.MapIDs()
	return running, slices.Equal(haveMaps, wantedMaps)
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
	err := detachLink(a.link)
	if gone := os.Remove(p.pins.linkPath(name)); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return errors.Join(err, a.link.Close())
}

// detachLink ends a link now; letting go of the last reference would end it some time later. A link whose
// NIC is gone, or that others detached, is success.
func detachLink(l link.Link) error {
	err := l.Detach()
	if err == nil || errors.Is(err, unix.ENOLINK) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	if linkIfindex(l) == 0 {
		return nil
	}
	return fmt.Errorf("detach: %w", err)
}

// detachUnwanted detaches what d does not list.
func (p *Plane) detachUnwanted(d *state.Desired) error {
	wanted := map[string]bool{}
	for _, w := range attachments(d) {
		wanted[w.name()] = true
	}
	var names []string
	for name := range p.links {
		if !wanted[name] {
			names = append(names, name)
		}
	}
	return p.detachInOrder(names)
}

// detachInOrder detaches XDP first, whose frames tc may still have to take, and egress guards last.
func (p *Plane) detachInOrder(names []string) error {
	var errs []error
	for _, h := range []hook{hookXDP, hookIngress, hookEgress} {
		for _, name := range names {
			if hookOf(name) == h {
				errs = append(errs, p.drop(name))
			}
		}
	}
	return errors.Join(errs...)
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

// GuardTunnel attaches the program of the tunnel device. It is for a device that was just created and is
// not up yet: it takes any packet from anybody.
func (p *Plane) GuardTunnel(ifindex int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := want{tunnelNIC, ifindex, hookIngress, "tc_tunnel"}
	if err := p.attach(w, &undo{}); err != nil {
		return fmt.Errorf("attach %s: %w", w, err)
	}
	return nil
}
