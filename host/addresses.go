// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Who assigned an address (linux/if_addr.h, since Linux 5.18).
const (
	ifaProto          = 11
	ifaProtoLinkLocal = 3 // IFAPROT_KERNEL_LL: an IPv6 link-local address that the kernel made
)

func (h *Host) addAddresses(links map[int]*observed) error {
	messages, err := h.dump(unix.NETLINK_ROUTE, unix.RTM_GETADDR, unix.RTM_NEWADDR, nl.NewIfInfomsg(unix.AF_UNSPEC))
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, m := range messages {
		index, prefix, automatic, ok := parseAddress(m)
		o := links[index]
		switch {
		case !ok || o == nil:
		case automatic:
			o.Automatic = append(o.Automatic, prefix)
		default:
			o.Addrs = append(o.Addrs, prefix)
		}
	}
	return nil
}

func parseAddress(message []byte) (index int, prefix netip.Prefix, automatic, ok bool) {
	if len(message) < unix.SizeofIfAddrmsg {
		return 0, netip.Prefix{}, false, false
	}
	header := nl.DeserializeIfAddrmsg(message)
	a := attributes(message, unix.SizeofIfAddrmsg)
	own := a[unix.IFA_LOCAL] // with a peer, IFA_ADDRESS is the peer's
	if own == nil {
		own = a[unix.IFA_ADDRESS]
	}
	addr, ok := netip.AddrFromSlice(own)
	prefix = netip.PrefixFrom(addr, int(header.Prefixlen))
	automatic = addr.Is6() && addr.IsLinkLocalUnicast() && u8(a[ifaProto]) == ifaProtoLinkLocal
	return int(header.Index), prefix, automatic, ok && prefix.IsValid()
}
