// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The netdev family of generic netlink tells what a driver's XDP can do (linux/netdev.h, since Linux 6.3).
const (
	netdevFamily      = "netdev"
	netdevVersion     = 1
	netdevDevGet      = 1
	netdevIfindex     = 1
	netdevXDPFeatures = 3

	xdpBasic    = 1 << 0 // aborted, drop, pass, tx
	xdpRedirect = 1 << 1
	xdpNeeded   = xdpBasic | xdpRedirect
)

// genericHeader is struct genlmsghdr: command, version, and two reserved bytes. The library's own has not these two, and
// reads what happens to lie behind it.
type genericHeader [nl.SizeofGenlmsg]byte

// Len is the header's size, in bytes.
func (genericHeader) Len() int { return nl.SizeofGenlmsg }

// Serialize returns the header as the kernel reads it.
func (g genericHeader) Serialize() []byte { return g[:] }

// xdpFeatures reads the XDP features of devices, by ifindex. What the kernel does not tell is not there.
// Each device is asked for by itself: the kernel does not mark the parts of a dump here as such
// (NLM_F_MULTI), and the library reads only the first.
func (h *Host) xdpFeatures(devices map[int]*observed) map[int]uint64 {
	family, err := h.genericFamily(netdevFamily)
	if err != nil {
		return nil
	}
	features := make(map[int]uint64, len(devices))
	for ifindex := range devices {
		features[ifindex] = h.xdpFeaturesOf(family, ifindex)
	}
	return features
}

func (h *Host) xdpFeaturesOf(family uint16, ifindex int) uint64 {
	r := h.request(unix.NETLINK_GENERIC, int(family), 0)
	r.AddData(genericHeader{netdevDevGet, netdevVersion})
	r.AddData(nl.NewRtAttr(netdevIfindex, nl.Uint32Attr(uint32(ifindex))))
	messages, err := r.Execute(unix.NETLINK_GENERIC, family)
	if err != nil || len(messages) != 1 {
		return 0
	}
	features := attributes(messages[0], nl.SizeofGenlmsg)[netdevXDPFeatures]
	if len(features) != 8 {
		return 0
	}
	return binary.NativeEndian.Uint64(features)
}

func (h *Host) genericFamily(name string) (uint16, error) {
	r := h.request(unix.NETLINK_GENERIC, nl.GENL_ID_CTRL, 0)
	r.AddData(genericHeader{nl.GENL_CTRL_CMD_GETFAMILY, nl.GENL_CTRL_VERSION})
	r.AddData(nl.NewRtAttr(nl.GENL_CTRL_ATTR_FAMILY_NAME, nl.ZeroTerminated(name)))
	messages, err := r.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if id := attributes(m, nl.SizeofGenlmsg)[nl.GENL_CTRL_ATTR_FAMILY_ID]; len(id) == 2 {
			return binary.NativeEndian.Uint16(id), nil
		}
	}
	return 0, unix.ENOENT
}
