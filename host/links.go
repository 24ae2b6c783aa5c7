// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrNoLink is matched by errors about a link that does not exist.
var ErrNoLink = errors.New("no such link")

// Kinds that are not the kernel's own words.
const (
	KindDevice   = "device"   // a NIC with a driver: hardware, or a virtual machine's
	KindLoopback = "loopback" // lo
)

// Link is one network device as it is now.
type Link struct {
	Name      string
	Ifindex   int
	MAC       l2.MAC // zero when the device has no Ethernet address
	MTU       int    // bytes of payload after the link header
	Kind      string // veth, vxlan, bond, …, KindDevice or KindLoopback
	Driver    string // of a KindDevice, else the kind
	AdminUp   bool
	Carrier   bool   // frames can pass: admin up, carrier, and not dormant
	Master    string // bridge, bond, VRF or team above it, or empty
	Alias     string
	Addrs     []netip.Prefix // addresses somebody gave it, router advertisements included
	Automatic []netip.Prefix // IPv6 link-local addresses that the kernel gave it by itself
	NativeXDP bool           // the driver runs XDP programs and redirects
}

// observed is a Link with what Prepare compares.
type observed struct {
	Link
	flags     uint32
	master    int
	ipv6      bool // IPv6 knows the device: it has its sysctls
	noIPv6    int  // disable_ipv6
	addrGen   int  // addr_gen_mode
	txDropped uint64
	txErrors  uint64
}

// Links reads all links with their addresses, by name.
func (h *Host) Links() (map[string]Link, error) {
	all, err := h.observeAll()
	if err != nil {
		return nil, err
	}
	features := h.xdpFeatures(all)
	links := make(map[string]Link, len(all))
	for _, o := range all {
		o.Driver = o.Kind
		if o.Kind == KindDevice {
			o.Driver, _ = h.Driver(o.Name) // a driver that does not say its name has none
		}
		o.NativeXDP = features[o.Ifindex]&xdpNeeded == xdpNeeded
		links[o.Name] = o.Link
	}
	return links, nil
}

func (h *Host) observeAll() (map[int]*observed, error) {
	// Statistics of thousands of links are most of a dump's bytes, and not wanted here.
	skip := nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(rtextSkipStats))
	messages, err := h.dump(unix.NETLINK_ROUTE, unix.RTM_GETLINK, unix.RTM_NEWLINK, nl.NewIfInfomsg(unix.AF_UNSPEC), skip)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	all := make(map[int]*observed, len(messages))
	for _, m := range messages {
		if o := parseLink(m); o != nil {
			all[o.Ifindex] = o
		}
	}
	for _, o := range all {
		if above := all[o.master]; above != nil {
			o.Master = above.Name
		}
	}
	return all, h.addAddresses(all)
}

// observe reads one link. The error matches ErrNoLink when it does not exist.
func (h *Host) observe(name string) (*observed, error) {
	o, err := h.getLink(nl.NewIfInfomsg(unix.AF_UNSPEC), name)
	if err != nil {
		return nil, fmt.Errorf("read link %s: %w", name, err)
	}
	if o.master != 0 {
		m := nl.NewIfInfomsg(unix.AF_UNSPEC)
		m.Index = int32(o.master)
		if above, err := h.getLink(m, ""); err == nil {
			o.Master = above.Name
		}
	}
	return o, h.addAddresses(map[int]*observed{o.Ifindex: o})
}

func (h *Host) getLink(m *nl.IfInfomsg, name string) (*observed, error) {
	r := h.request(unix.NETLINK_ROUTE, unix.RTM_GETLINK, 0)
	r.AddData(m)
	if name != "" {
		r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	}
	messages, err := r.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if errors.Is(err, unix.ENODEV) {
		return nil, ErrNoLink
	}
	// A name longer than the kernel allows names nothing either.
	if errors.Is(err, unix.ERANGE) || errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("%w (%w)", ErrNoLink, err)
	}
	if err != nil {
		return nil, err
	}
	if len(messages) == 1 {
		if o := parseLink(messages[0]); o != nil {
			return o, nil
		}
	}
	return nil, errors.New("the kernel's answer is not understood")
}

func parseLink(message []byte) *observed {
	if len(message) < unix.SizeofIfInfomsg {
		return nil
	}
	info := nl.DeserializeIfInfomsg(message)
	a := attributes(message, unix.SizeofIfInfomsg)
	o := &observed{flags: info.Flags, master: int(u32(a[unix.IFLA_MASTER]))}
	o.Name, o.Ifindex, o.MTU = text(a[unix.IFLA_IFNAME]), int(info.Index), int(u32(a[unix.IFLA_MTU]))
	o.Alias = text(a[unix.IFLA_IFALIAS])
	if mac := a[unix.IFLA_ADDRESS]; len(mac) == len(o.MAC) {
		copy(o.MAC[:], mac)
	}
	o.AdminUp = info.Flags&unix.IFF_UP != 0
	o.Carrier = info.Flags&unix.IFF_LOWER_UP != 0 && info.Flags&unix.IFF_RUNNING != 0
	o.Kind = linkKind(info.Flags, a[unix.IFLA_LINKINFO])
	o.parseInet6(a[unix.IFLA_AF_SPEC])
	o.parseStats(a[unix.IFLA_STATS64])
	return o
}

func linkKind(flags uint32, linkInfo []byte) string {
	if flags&unix.IFF_LOOPBACK != 0 {
		return KindLoopback
	}
	if kind := text(attributes(linkInfo, 0)[nl.IFLA_INFO_KIND]); kind != "" {
		return kind
	}
	return KindDevice
}

// What the netlink library does not name.
const (
	rtextSkipStats     = 1 << 3 // RTEXT_FILTER_SKIP_STATS (linux/rtnetlink.h)
	inet6Conf          = 2      // IFLA_INET6_CONF (linux/if_link.h): the sysctls as an array
	inet6AddrGenMode   = 8      // IFLA_INET6_ADDR_GEN_MODE
	devconfDisableIPv6 = 26     // DEVCONF_DISABLE_IPV6 (linux/ipv6.h): index in that array
)

func (o *observed) parseInet6(afSpec []byte) {
	a := attributes(attributes(afSpec, 0)[unix.AF_INET6], 0)
	mode, known := a[inet6AddrGenMode]
	if !known {
		return
	}
	o.ipv6, o.addrGen = true, int(u8(mode))
	if conf := a[inet6Conf]; len(conf) >= 4*(devconfDisableIPv6+1) {
		o.noIPv6 = int(u32(conf[4*devconfDisableIPv6:]))
	}
}
