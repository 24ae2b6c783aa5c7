// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// tunnelAlias marks the tunnel device as ours.
	tunnelAlias = "drawbridge tunnel device"
	// tunnelMTU is the most that the kernel allows: what the tunnel can carry is the data plane's to judge.
	tunnelMTU = 65535
	// Source ports of tunnel packets: RFC 7348 §5 recommends the dynamic range of RFC 6335 §6.
	sourcePortLow, sourcePortHigh = 49152, 65535
)

// EnsureTunnelDevice makes the collect-metadata vxlan device of this name be there, right and up, and
// returns its ifindex. It takes packets of any VNI over IPv4 and IPv6; what may pass is the data plane's
// to judge. With zeroChecksum6 it sends and accepts outer UDP checksum 0 over IPv6 (RFC 6935).
//
// A device that is already right is kept. One of ours that differs in what cannot be changed is made anew.
// One that is not ours is an error, as is a port that another user of it holds (PortTakenError).
//
// The device takes any packet from anybody, so guard is called with its ifindex before it is set up: it
// attaches the program that judges what comes out. A nil guard does nothing.
func (h *Host) EnsureTunnelDevice(name string, port uint16, zeroChecksum6 bool, guard func(ifindex int) error) (ifindex int, err error) {
	want := tunnelDevice(name, port, zeroChecksum6)
	created, err := h.adoptTunnel(want)
	if err == nil && created {
		err = h.createTunnel(want)
	}
	if err == nil {
		ifindex, err = h.finishTunnel(name, guard)
		if err != nil && created {
			_ = h.RemoveTunnelDevice(name) // half a device would only be in the way of the next attempt
		}
	}
	if errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EEXIST) {
		err = h.portTaken(port, name, err)
	}
	if err != nil {
		return 0, fmt.Errorf("set up tunnel device %s: %w", name, err)
	}
	return ifindex, nil
}

func tunnelDevice(name string, port uint16, zeroChecksum6 bool) *netlink.Vxlan {
	return &netlink.Vxlan{
		LinkAttrs:      netlink.LinkAttrs{Name: name, MTU: tunnelMTU, TxQLen: -1},
		FlowBased:      true,
		Port:           int(port),
		PortLow:        sourcePortLow,
		PortHigh:       sourcePortHigh,
		UDP6ZeroCSumTx: zeroChecksum6,
		UDP6ZeroCSumRx: zeroChecksum6,
	}
}

// adoptTunnel looks at the device that has the name. It reports whether one is to be created: there is
// none, or there was one of ours of another shape, which is gone now.
func (h *Host) adoptTunnel(want *netlink.Vxlan) (create bool, err error) {
	have, err := h.rtnl.LinkByName(want.Name)
	if isNoLink(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	same := sameTunnel(have, want)
	if !isOurTunnel(have, same) {
		return false, fmt.Errorf("a device of that name is not ours (remedy: ip link del %s, or rename it)", want.Name)
	}
	if same {
		return false, nil
	}
	return true, h.RemoveTunnelDevice(want.Name)
}

// isOurTunnel knows our alias. A device that is exactly as we make them but has no alias and is still
// down is one whose maker died between two steps.
func isOurTunnel(have netlink.Link, same bool) bool {
	a := have.Attrs()
	unfinished := same && a.Alias == "" && a.RawFlags&unix.IFF_UP == 0
	return have.Type() == "vxlan" && (a.Alias == tunnelAlias || unfinished)
}

// sameTunnel compares what cannot be changed on a living device.
func sameTunnel(have netlink.Link, want *netlink.Vxlan) bool {
	v, ok := have.(*netlink.Vxlan)
	return ok && v.FlowBased && v.Port == want.Port && v.PortLow == want.PortLow && v.PortHigh == want.PortHigh &&
		v.UDP6ZeroCSumTx == want.UDP6ZeroCSumTx && v.UDP6ZeroCSumRx == want.UDP6ZeroCSumRx &&
		!v.Learning && !v.Proxy && !v.RSC && !v.L2miss && !v.L3miss && !v.GBP &&
		v.SrcAddr == nil && v.Group == nil && v.VtepDevIndex == 0
}

func (h *Host) createTunnel(want *netlink.Vxlan) error {
	if err := h.rtnl.LinkAdd(want); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := h.rtnl.LinkSetAlias(want, tunnelAlias); err != nil {
		_ = h.rtnl.LinkDel(want)
		return fmt.Errorf("mark as ours: %w", err)
	}
	return nil
}

// finishTunnel sets what can be changed, and sets the device up: this is where the kernel opens the port.
func (h *Host) finishTunnel(name string, guard func(ifindex int) error) (ifindex int, err error) {
	o, err := h.observe(name)
	if err != nil {
		return 0, err
	}
	device := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: o.Ifindex}}
	if o.Alias != tunnelAlias {
		if err := h.rtnl.LinkSetAlias(device, tunnelAlias); err != nil {
			return 0, fmt.Errorf("mark as ours: %w", err)
		}
	}
	if o.MTU != tunnelMTU {
		if err := h.rtnl.LinkSetMTU(device, tunnelMTU); err != nil {
			return 0, fmt.Errorf("set MTU to %d: %w", tunnelMTU, err)
		}
	}
	// The host's own stack must not act on what comes out of the tunnel.
	if err := h.setAll(name, o, DisableIPv6, AddrGenMode, NoARP); err != nil {
		return 0, err
	}
	if guard != nil {
		if err := guard(o.Ifindex); err != nil {
			return 0, err
		}
	}
	if err := h.setAll(name, o, Up); err != nil {
		return 0, err
	}
	return o.Ifindex, errors.Join(h.dropAutomatic(name), h.forwardOn(name))
}

// setAll makes settings as wanted that are not.
func (h *Host) setAll(name string, o *observed, settings ...Setting) error {
	for _, s := range settings {
		if now, known := o.value(s); known && now != wanted(s) {
			if err := h.set(name, s, wanted(s)); err != nil {
				return err
			}
		}
	}
	return nil
}

// forwardOn lets the programs ask the routing table as if this device forwarded (bpf_fib_lookup refuses a
// device that does not). No packet is forwarded by it: a program takes all that comes out of it.
func (h *Host) forwardOn(name string) error {
	return h.inside(func() error {
		for _, family := range []string{"ipv4", "ipv6"} {
			path := "/proc/sys/net/" + family + "/conf/" + name + "/forwarding"
			if text, err := os.ReadFile(path); errors.Is(err, os.ErrNotExist) || strings.TrimSpace(string(text)) == "1" {
				continue // a host without IPv6, or nothing to do
			}
			if err := os.WriteFile(path, []byte("1"), 0); err != nil {
				return fmt.Errorf("let next hops be looked up: %w (is /proc/sys read-only?)", err)
			}
		}
		return nil
	})
}

// RemoveTunnelDevice deletes our tunnel device of this name. One that is gone, or not ours, is success.
func (h *Host) RemoveTunnelDevice(name string) error {
	have, err := h.rtnl.LinkByName(name)
	if isNoLink(err) {
		return nil
	}
	if err == nil && have.Type() == "vxlan" && have.Attrs().Alias == tunnelAlias {
		err = h.rtnl.LinkDel(have)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove tunnel device %s: %w", name, err)
	}
	return nil
}

func isNoLink(err error) bool {
	var gone netlink.LinkNotFoundError
	return errors.As(err, &gone) || errors.Is(err, unix.ENODEV)
}
