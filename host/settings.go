// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// value is what a setting of the link itself is now; not known when the link does not have it.
func (o *observed) value(s Setting) (value int, known bool) {
	switch s {
	case DisableIPv6:
		return o.noIPv6, o.ipv6
	case AddrGenMode:
		return o.addrGen, o.ipv6
	case NoARP:
		return bit(o.flags, unix.IFF_NOARP), true
	case Promiscuous:
		return bit(o.flags, unix.IFF_PROMISC), true
	case Up:
		return bit(o.flags, unix.IFF_UP), true
	}
	return 0, false
}

func bit(flags, mask uint32) int {
	if flags&mask != 0 {
		return 1
	}
	return 0
}

func (h *Host) offload(device string, s Setting) (value int, known bool) {
	flags, err := h.ethFlags(device)
	return bit(flags, offloadFlag(s)), err == nil
}

func offloadFlag(s Setting) uint32 {
	if s == LRO {
		return ethFlagLRO
	}
	return ethFlagRxVLAN
}

func (h *Host) set(device string, s Setting, value int) error {
	if err := h.apply(device, s, value); err != nil {
		return fmt.Errorf("set %s of %s to %d: %w", s, device, value, err)
	}
	return nil
}

func (h *Host) apply(device string, s Setting, value int) error {
	switch s {
	case DisableIPv6:
		return h.writeDisableIPv6(device, value)
	case AddrGenMode:
		return h.setAddrGenMode(device, value)
	case NoARP:
		return h.setFlag(device, unix.IFF_NOARP, value)
	case Promiscuous:
		return h.setFlag(device, unix.IFF_PROMISC, value)
	case Up:
		return h.setFlag(device, unix.IFF_UP, value)
	case LRO, RxVLAN:
		return h.setOffload(device, s, value)
	}
	return errors.New("this setting is unknown")
}

// writeDisableIPv6 switches IPv6 off or on for a link. Where /proc/sys cannot be written, as in many
// containers, it does nothing: no address generation and no address (dropAutomatic) must do there.
func (h *Host) writeDisableIPv6(device string, value int) error {
	return h.inside(func() error {
		path := "/proc/sys/net/ipv6/conf/" + device + "/disable_ipv6"
		err := os.WriteFile(path, []byte(strconv.Itoa(value)), 0)
		if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	})
}

func (h *Host) setAddrGenMode(device string, mode int) error {
	o, err := h.observe(device)
	if err != nil {
		return err
	}
	return h.rtnl.LinkSetIP6AddrGenMode(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: o.Ifindex}}, mode)
}

func (h *Host) setFlag(device string, flag uint32, value int) error {
	m := nl.NewIfInfomsg(unix.AF_UNSPEC)
	m.Change = flag
	if value != 0 {
		m.Flags = flag
	}
	r := h.request(unix.NETLINK_ROUTE, unix.RTM_SETLINK, unix.NLM_F_ACK)
	r.AddData(m)
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(device)))
	_, err := r.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func (h *Host) setOffload(device string, s Setting, value int) error {
	err := h.setEthFlag(device, offloadFlag(s), value != 0)
	if s == RxVLAN && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL)) {
		return fmt.Errorf("%w: this driver always takes tags off, use engine tc", err)
	}
	return err
}

// dropAutomatic deletes the IPv6 link-local addresses that the kernel made, where switching IPv6 off has
// not already done so.
func (h *Host) dropAutomatic(name string) error {
	o, err := h.observe(name)
	if err != nil {
		return err
	}
	for _, prefix := range o.Automatic {
		if err := h.deleteAddress6(o.Ifindex, prefix.Addr().AsSlice(), prefix.Bits()); err != nil {
			return fmt.Errorf("remove %s from %s: %w", prefix, name, err)
		}
	}
	return nil
}

func (h *Host) deleteAddress6(ifindex int, addr []byte, bits int) error {
	m := nl.NewIfAddrmsg(unix.AF_INET6)
	m.Index, m.Prefixlen = uint32(ifindex), uint8(bits)
	r := h.request(unix.NETLINK_ROUTE, unix.RTM_DELADDR, unix.NLM_F_ACK)
	r.AddData(m)
	r.AddData(nl.NewRtAttr(unix.IFA_LOCAL, addr))
	_, err := r.Execute(unix.NETLINK_ROUTE, 0)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil // gone already
	}
	return err
}
