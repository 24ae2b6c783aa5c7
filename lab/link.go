// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// End is one end of a cable: a name in a namespace. A zero MAC is left to the kernel.
type End struct {
	NS   *NS
	Name string
	MAC  l2.MAC
}

// Cable joins two namespaces by a veth pair of this MTU, both ends down.
func Cable(a, b End, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = a.Name, mtu
	attrs.HardwareAddr = hardware(a.MAC)
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = b.Name, uint32(mtu)
	veth.PeerNamespace = netlink.NsFd(int(b.NS.handle))
	veth.PeerHardwareAddr = hardware(b.MAC)
	if err := a.NS.nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("cable %s %s to %s %s: %w", a.NS.Role, a.Name, b.NS.Role, b.Name, err)
	}
	return nil
}

func hardware(m l2.MAC) net.HardwareAddr {
	if m.IsZero() {
		return nil
	}
	return m[:]
}

// Bridge makes a Linux bridge that forwards at once and floods multicast as a wire would, and brings it up.
func (s *NS) Bridge(name string, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	off := false
	if err := s.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off}); err != nil {
		return fmt.Errorf("make bridge %s in %s: %w", name, s.Role, err)
	}
	return s.Up(name)
}

// Free takes a port out of its bridge; it stays up.
func (s *NS) Free(port string) error {
	return s.eachLink([]string{port}, "free", s.nl.LinkSetNoMaster)
}

// Enslave puts a port under a bridge and brings it up.
func (s *NS) Enslave(port, bridge string) error {
	master, err := s.link(bridge)
	if err != nil {
		return err
	}
	link, err := s.link(port)
	if err != nil {
		return err
	}
	if err := s.nl.LinkSetMaster(link, master); err != nil {
		return fmt.Errorf("put %s under %s in %s: %w", port, bridge, s.Role, err)
	}
	return s.Up(port)
}

// VXLAN describes a kernel tunnel device.
type VXLAN struct {
	Name     string
	VNI      l2.VNI
	Local    netip.Addr
	Port     int
	MTU      int
	Learning bool
}

// VXLAN makes a kernel tunnel endpoint, down. Over IPv6 it sends and wants UDP checksums, as Linux does by
// default.
func (s *NS) VXLAN(v VXLAN) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = v.Name, v.MTU
	link := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: int(v.VNI), SrcAddr: v.Local.AsSlice(), Port: v.Port, Learning: v.Learning}
	if err := s.nl.LinkAdd(link); err != nil {
		return fmt.Errorf("make vxlan %s in %s: %w", v.Name, s.Role, err)
	}
	return nil
}

// AddFlood adds a VTEP to those that a VXLAN device sends BUM frames to.
func (s *NS) AddFlood(device string, vtep netip.Addr) error {
	link, err := s.link(device)
	if err != nil {
		return err
	}
	entry := &netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF,
		State: netlink.NUD_PERMANENT | netlink.NUD_NOARP, IP: vtep.AsSlice(), HardwareAddr: make(net.HardwareAddr, 6),
	}
	if err := s.nl.NeighAppend(entry); err != nil {
		return fmt.Errorf("add %v to the flood list of %s in %s: %w", vtep, device, s.Role, err)
	}
	return nil
}

// Up brings links up.
func (s *NS) Up(names ...string) error {
	return s.eachLink(names, "bring up", s.nl.LinkSetUp)
}

// WaitUp waits until links carry frames: the kernel may take a second to notice that both ends of a cable
// are up.
func (s *NS) WaitUp(names ...string) error {
	return Wait(10*time.Second, "links to come up", func() error {
		return s.eachLink(names, "see", func(l netlink.Link) error {
			if state := l.Attrs().OperState; state != netlink.OperUp {
				return fmt.Errorf("it is %v", state)
			}
			return nil
		})
	})
}

// Down takes links down.
func (s *NS) Down(names ...string) error {
	return s.eachLink(names, "take down", s.nl.LinkSetDown)
}

// DeleteLink removes a link; gone is success.
func (s *NS) DeleteLink(name string) error {
	err := s.eachLink([]string{name}, "delete", s.nl.LinkDel)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	return err
}

// SetMAC changes a link's address.
func (s *NS) SetMAC(name string, mac l2.MAC) error {
	return s.eachLink([]string{name}, "set the address of", func(l netlink.Link) error {
		return s.nl.LinkSetHardwareAddr(l, mac[:])
	})
}

// SetMTU changes a link's MTU.
func (s *NS) SetMTU(name string, mtu int) error {
	return s.eachLink([]string{name}, "set the MTU of", func(l netlink.Link) error {
		return s.nl.LinkSetMTU(l, mtu)
	})
}

// MoveLink moves a link to another namespace, where it is down and has no master.
func (s *NS) MoveLink(name string, to *NS) error {
	return s.eachLink([]string{name}, "move", func(l netlink.Link) error {
		return s.nl.LinkSetNsFd(l, int(to.handle))
	})
}

// Links are the names of all links, sorted, without the kernel's own fallback devices.
func (s *NS) Links() ([]string, error) {
	links, err := s.nl.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list links in %s: %w", s.Role, err)
	}
	var names []string
	for _, l := range links {
		if l.Type() == "device" || l.Type() == "veth" || l.Type() == "bridge" || l.Type() == "vxlan" {
			names = append(names, l.Attrs().Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Ifindex is a link's number.
func (s *NS) Ifindex(name string) (int, error) {
	link, err := s.link(name)
	if err != nil {
		return 0, err
	}
	return link.Attrs().Index, nil
}

// MAC is a link's address.
func (s *NS) MAC(name string) (l2.MAC, error) {
	link, err := s.link(name)
	if err != nil {
		return l2.MAC{}, err
	}
	return l2.ParseMAC(link.Attrs().HardwareAddr.String())
}

// Master is the name of the bridge that a link is under; empty without one.
func (s *NS) Master(name string) (string, error) {
	link, err := s.link(name)
	if err != nil || link.Attrs().MasterIndex == 0 {
		return "", err
	}
	master, err := s.nl.LinkByIndex(link.Attrs().MasterIndex)
	if err != nil {
		return "", fmt.Errorf("find master of %s in %s: %w", name, s.Role, err)
	}
	return master.Attrs().Name, nil
}

func (s *NS) eachLink(names []string, act string, f func(netlink.Link) error) error {
	for _, name := range names {
		link, err := s.link(name)
		if err != nil {
			return err
		}
		if err := f(link); err != nil {
			return fmt.Errorf("%s %s in %s: %w", act, name, s.Role, err)
		}
	}
	return nil
}

func (s *NS) link(name string) (netlink.Link, error) {
	link, err := s.nl.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find %s in %s: %w", name, s.Role, err)
	}
	return link, nil
}
