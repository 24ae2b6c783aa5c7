// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// ndaProtocol says who made a neighbour entry (NDA_PROTOCOL, linux/neighbour.h).
	ndaProtocol = 12
	// neighbourProtocol marks entries as ours, also for a later process. It is a routing protocol number
	// that linux/rtnetlink.h gives to nobody.
	neighbourProtocol = 219
	// sizeofNdmsg is the size of struct ndmsg.
	sizeofNdmsg = 12

	nudValid = unix.NUD_PERMANENT | unix.NUD_NOARP | unix.NUD_REACHABLE | unix.NUD_PROBE | unix.NUD_STALE | unix.NUD_DELAY
)

type neighbourKey struct {
	ifindex int
	addr    netip.Addr
}

type neighbour struct {
	mac     l2.MAC
	state   uint16
	managed bool // the kernel keeps it resolved
	ours    bool // and we asked for that
}

func (n neighbour) valid() bool { return n.state&nudValid != 0 }

// settled says that an entry needs nothing from us: it is ours already, somebody else has it managed, or
// it never has to be resolved.
func (n neighbour) settled() bool {
	return n.managed || n.state&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0
}

// managedSet is what a gateway has of the kernel's managed neighbours. Two gateways in one namespace
// cannot tell their entries apart in the kernel: each removes only what is in its set. An entry gets there
// when we add it, or when we look at its uplink for the first time and find it marked with our protocol
// number: then a former process of ours made it. With an uplink that two gateways share, the later one may
// take the other's for its own, and remove it; the other has it back with its next call, for which Watch
// wakes it, and keeps it from then on.
type managedSet struct {
	mu      sync.Mutex
	own     map[neighbourKey]bool
	adopted uplinkSet // uplinks that were looked at
}

func (m *managedSet) adopt(uplinks []int, have map[neighbourKey]neighbour) {
	fresh := uplinkSet{}
	for _, u := range uplinks {
		if !m.adopted[u] {
			fresh[u], m.adopted[u] = true, true
		}
	}
	for key, n := range have {
		if n.ours && fresh[key.ifindex] {
			m.own[key] = true
		}
	}
}

// SyncNeighbours makes the kernel keep the next hops of all peers over all uplinks resolved, with or
// without us running: they become managed neighbours. Those that we made earlier, in this process or,
// over the same uplinks, in another, and that are no next hop any more are removed; entries of others
// stay. Peers without a route are left out; NextHops tells which. It also tells Watch which links'
// neighbours matter.
//
// The kernel forgets managed neighbours when their link loses its carrier, and when somebody flushes them.
// Watch wakes the caller then, who calls this again.
func (h *Host) SyncNeighbours(peers []netip.Addr, vtep netip.Addr, uplinks []int) error {
	h.watchUplinks(uplinks)
	hops, err := h.routeAll(peers, vtep, uplinks)
	if err != nil {
		return err
	}
	want := map[neighbourKey]bool{}
	for _, hop := range hops {
		if hop.Addr.IsValid() {
			want[hop.key()] = true
		}
	}
	h.managed.mu.Lock()
	defer h.managed.mu.Unlock()
	have, err := h.neighbours()
	if err != nil {
		return err
	}
	h.managed.adopt(uplinks, have)
	return errors.Join(h.addNeighbours(want, have), h.pruneNeighbours(want, have))
}

// DropNeighbours removes the managed neighbours that we have on a link that is no uplink any more. A link
// that is gone is success.
func (h *Host) DropNeighbours(name string) error {
	o, err := h.observe(name)
	if errors.Is(err, ErrNoLink) {
		return nil
	}
	if err != nil {
		return err
	}
	h.managed.mu.Lock()
	defer h.managed.mu.Unlock()
	have, err := h.neighbours()
	if err != nil {
		return err
	}
	h.managed.adopt([]int{o.Ifindex}, have)
	others := map[neighbourKey]bool{}
	for key := range h.managed.own {
		if key.ifindex != o.Ifindex {
			others[key] = true
		}
	}
	delete(h.managed.adopted, o.Ifindex)
	return h.pruneNeighbours(others, have)
}

func (h *Host) watchUplinks(uplinks []int) {
	set := uplinkSet{}
	for _, u := range uplinks {
		set[u] = true
	}
	h.uplinks.Store(&set)
}

func (h *Host) addNeighbours(want map[neighbourKey]bool, have map[neighbourKey]neighbour) error {
	for key := range want {
		if have[key].settled() {
			continue
		}
		err := h.changeNeighbour(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, key)
		if err != nil && !errors.Is(err, unix.ENODEV) { // without its link it is no next hop
			return fmt.Errorf("add managed neighbour %s: %w", key.addr, err)
		}
		h.managed.own[key] = true
	}
	return nil
}

// pruneNeighbours removes our entries that are not wanted. One that is not in the kernel any more, or that
// somebody made theirs, is only forgotten.
func (h *Host) pruneNeighbours(want map[neighbourKey]bool, have map[neighbourKey]neighbour) error {
	for key := range h.managed.own {
		if want[key] {
			continue
		}
		if have[key].ours {
			err := h.changeNeighbour(unix.RTM_DELNEIGH, 0, key)
			if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
				return fmt.Errorf("remove managed neighbour %s: %w", key.addr, err)
			}
		}
		delete(h.managed.own, key)
	}
	return nil
}

// changeNeighbour adds or removes one managed entry. "Externally learnt" keeps it out of the garbage
// collector's hands and limit (gc_thresh3).
func (h *Host) changeNeighbour(message, flags int, key neighbourKey) error {
	family := uint8(unix.AF_INET)
	if key.addr.Is6() {
		family = unix.AF_INET6
	}
	r := h.request(unix.NETLINK_ROUTE, message, flags|unix.NLM_F_ACK)
	r.AddData(&netlink.Ndmsg{Family: family, Index: uint32(key.ifindex), State: unix.NUD_NONE, Flags: unix.NTF_EXT_LEARNED})
	r.AddData(nl.NewRtAttr(unix.NDA_DST, key.addr.AsSlice()))
	if message == unix.RTM_NEWNEIGH {
		r.AddData(nl.NewRtAttr(netlink.NDA_FLAGS_EXT, nl.Uint32Attr(netlink.NTF_EXT_MANAGED)))
		r.AddData(nl.NewRtAttr(ndaProtocol, []byte{neighbourProtocol}))
	}
	_, err := r.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func (h *Host) neighbours() (map[neighbourKey]neighbour, error) {
	messages, err := h.dump(unix.NETLINK_ROUTE, unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, &netlink.Ndmsg{})
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	all := make(map[neighbourKey]neighbour, len(messages))
	for _, m := range messages {
		if key, n, ok := parseNeighbour(m); ok {
			all[key] = n
		}
	}
	return all, nil
}

// parseNeighbour reads an IPv4 or IPv6 neighbour; a bridge's or vxlan device's entry is none.
func parseNeighbour(message []byte) (key neighbourKey, n neighbour, ok bool) {
	if len(message) < sizeofNdmsg || message[0] != unix.AF_INET && message[0] != unix.AF_INET6 {
		return key, n, false
	}
	a := attributes(message, sizeofNdmsg)
	key.ifindex = int(u32(message[4:]))
	key.addr, ok = netip.AddrFromSlice(a[unix.NDA_DST])
	n.state = binary.NativeEndian.Uint16(message[8:])
	n.managed = u32(a[netlink.NDA_FLAGS_EXT])&netlink.NTF_EXT_MANAGED != 0
	n.ours = n.managed && u8(a[ndaProtocol]) == neighbourProtocol
	if mac := a[unix.NDA_LLADDR]; len(mac) == len(n.mac) {
		copy(n.mac[:], mac)
	}
	return key, n, ok
}
