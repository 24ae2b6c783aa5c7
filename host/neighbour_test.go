// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cable joins eth1 here, 192.0.2.10 and 2001:db8:1::10, with a host that has .20 and ::20.
func cable(t *testing.T, h *Host) (eth1 int, far *netlink.Handle) {
	t.Helper()
	ns, far := elsewhere(t)
	veth(t, h, "eth1", "far1")
	must(t, h.rtnl.LinkSetNsFd(link(t, h.rtnl, "far1"), int(ns)))
	up(t, h.rtnl, "eth1")
	up(t, far, "far1")
	address(t, h.rtnl, "eth1", "192.0.2.10/24")
	address(t, h.rtnl, "eth1", "2001:db8:1::10/64")
	address(t, far, "far1", "192.0.2.20/24")
	address(t, far, "far1", "2001:db8:1::20/64")
	return link(t, h.rtnl, "eth1").Attrs().Index, far
}

func macOf(t *testing.T, rtnl *netlink.Handle, name string) (m l2.MAC) {
	t.Helper()
	copy(m[:], link(t, rtnl, name).Attrs().HardwareAddr)
	return m
}

// resolvesTo waits until the next hop to a peer has this link address. It sends nothing itself.
func resolvesTo(t *testing.T, h *Host, peer, vtep netip.Addr, uplink int, want l2.MAC) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s resolves to %s", peer, want), func() bool {
		hops, err := h.NextHops([]netip.Addr{peer}, vtep, []int{uplink})
		must(t, err)
		return len(hops) == 1 && hops[0].MAC == want
	})
}

func TestManagedNeighboursResolveByThemselves(t *testing.T) {
	for _, c := range []struct{ peer, vtep netip.Addr }{
		{netip.MustParseAddr("192.0.2.20"), vtep4},
		{netip.MustParseAddr("2001:db8:1::20"), vtep6},
	} {
		t.Run(c.peer.String(), func(t *testing.T) {
			h := fresh(t)
			eth1, far := cable(t, h)
			must(t, h.SyncNeighbours([]netip.Addr{c.peer}, c.vtep, []int{eth1}))
			resolvesTo(t, h, c.peer, c.vtep, eth1, macOf(t, far, "far1"))

			// A flush takes managed entries too; the next call brings them back.
			flush(t, h, eth1)
			must(t, h.SyncNeighbours([]netip.Addr{c.peer}, c.vtep, []int{eth1}))
			resolvesTo(t, h, c.peer, c.vtep, eth1, macOf(t, far, "far1"))
		})
	}
}

// Nobody sends anything and nobody calls: the kernel itself asks again until the peer answers.
func TestManagedNeighbourIsFoundWhenItComesLate(t *testing.T) {
	h := fresh(t)
	eth1, far := cable(t, h)
	peer := netip.MustParseAddr("192.0.2.21")
	must(t, h.SyncNeighbours([]netip.Addr{peer}, vtep4, []int{eth1}))
	eventually(t, "the peer is asked for in vain", func() bool {
		all, err := h.neighbours()
		must(t, err)
		return all[neighbourKey{eth1, peer}].state&(unix.NUD_FAILED|unix.NUD_INCOMPLETE) != 0
	})
	address(t, far, "far1", "192.0.2.21/24")
	resolvesTo(t, h, peer, vtep4, eth1, macOf(t, far, "far1"))
}

// flush does what "ip neigh flush dev" does.
func flush(t *testing.T, h *Host, ifindex int) {
	t.Helper()
	list, err := h.rtnl.NeighList(ifindex, netlink.FAMILY_ALL)
	must(t, err)
	for _, n := range list {
		if n.State&(unix.NUD_PERMANENT|unix.NUD_NOARP) == 0 {
			must(t, h.rtnl.NeighDel(&n))
		}
	}
	all, err := h.neighbours()
	must(t, err)
	for key, n := range all {
		if n.ours {
			t.Fatalf("%v survived the flush: the test tests nothing", key)
		}
	}
}

func TestNeighboursOfOthersStay(t *testing.T) {
	h := fresh(t)
	eth1, far := cable(t, h)
	mac, err := net.ParseMAC("02:00:00:00:00:99")
	must(t, err)
	permanent := &netlink.Neigh{LinkIndex: eth1, IP: net.ParseIP("192.0.2.31"), State: unix.NUD_PERMANENT, HardwareAddr: mac}
	managed := &netlink.Neigh{LinkIndex: eth1, IP: net.ParseIP("192.0.2.32"), FlagsExt: netlink.NTF_EXT_MANAGED}
	must(t, h.rtnl.NeighSet(permanent))
	must(t, h.rtnl.NeighSet(managed))
	peers := []netip.Addr{netip.MustParseAddr("192.0.2.31"), netip.MustParseAddr("192.0.2.32"), netip.MustParseAddr("192.0.2.20")}
	must(t, h.SyncNeighbours(peers, vtep4, []int{eth1}))
	resolvesTo(t, h, peers[2], vtep4, eth1, macOf(t, far, "far1"))
	resolvesTo(t, h, peers[0], vtep4, eth1, l2.MAC(mac))

	// Another process, as after a restart, knows which are ours.
	later, err := Open()
	must(t, err)
	defer later.Close()
	must(t, later.SyncNeighbours(nil, vtep4, []int{eth1}))
	all, err := h.neighbours()
	must(t, err)
	if n, ok := all[neighbourKey{eth1, peers[2]}]; ok && n.managed {
		t.Errorf("ours is left: %+v", n)
	}
	if n := all[neighbourKey{eth1, peers[0]}]; n.state != unix.NUD_PERMANENT || n.mac != l2.MAC(mac) {
		t.Errorf("permanent one: %+v", n)
	}
	if n := all[neighbourKey{eth1, peers[1]}]; !n.managed || n.ours {
		t.Errorf("managed one of others: %+v", n)
	}
}

// Two gateways in one namespace, on uplinks of their own and on one that they share, leave each other alone.
func TestGatewaysKeepTheirOwnNeighbours(t *testing.T) {
	first := fresh(t)
	eth1, _ := cable(t, first)
	veth(t, first, "eth3", "peer3")
	up(t, first.rtnl, "eth3", "peer3")
	address(t, first.rtnl, "eth3", "198.51.100.10/24")
	eth3 := link(t, first.rtnl, "eth3").Attrs().Index
	second, err := Open()
	must(t, err)
	defer second.Close()
	a, b, c := netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("198.51.100.20"), netip.MustParseAddr("192.0.2.21")
	none := netip.Addr{}

	must(t, first.SyncNeighbours([]netip.Addr{a}, none, []int{eth1}))
	must(t, second.SyncNeighbours([]netip.Addr{b}, none, []int{eth3}))
	must(t, first.SyncNeighbours([]netip.Addr{a}, none, []int{eth1}))
	wantOurs(t, first, neighbourKey{eth1, a}, neighbourKey{eth3, b})

	// The second comes to the first one's uplink, and goes again.
	both := []int{eth1, eth3}
	must(t, second.SyncNeighbours([]netip.Addr{b, c}, none, both))
	for range 2 {
		must(t, first.SyncNeighbours([]netip.Addr{a}, none, []int{eth1}))
		must(t, second.SyncNeighbours([]netip.Addr{b, c}, none, both))
		wantOurs(t, first, neighbourKey{eth1, a}, neighbourKey{eth3, b}, neighbourKey{eth1, c})
	}
	must(t, second.DropNeighbours("eth1"))
	must(t, second.DropNeighbours("eth9"))
	must(t, first.SyncNeighbours([]netip.Addr{a}, none, []int{eth1}))
	wantOurs(t, first, neighbourKey{eth1, a}, neighbourKey{eth3, b})
	must(t, second.SyncNeighbours(nil, none, []int{eth3}))
	wantOurs(t, first, neighbourKey{eth1, a})
}

func wantOurs(t *testing.T, h *Host, want ...neighbourKey) {
	t.Helper()
	all, err := h.neighbours()
	must(t, err)
	for _, key := range want {
		if !all[key].ours {
			t.Errorf("%v is missing", key)
		}
	}
	if got := countOurs(t, h); got != len(want) {
		t.Errorf("%d managed neighbours, want %d", got, len(want))
	}
}

// An entry that the host's own traffic made becomes a managed one and keeps its link address meanwhile.
func TestOrdinaryNeighbourIsTakenOver(t *testing.T) {
	h := fresh(t)
	eth1, _ := cable(t, h)
	peer := netip.MustParseAddr("192.0.2.20")
	mac, err := net.ParseMAC("02:00:00:00:00:99")
	must(t, err)
	must(t, h.rtnl.NeighSet(&netlink.Neigh{LinkIndex: eth1, IP: peer.AsSlice(), State: unix.NUD_REACHABLE, HardwareAddr: mac}))
	must(t, h.SyncNeighbours([]netip.Addr{peer}, vtep4, []int{eth1}))
	all, err := h.neighbours()
	must(t, err)
	if n := all[neighbourKey{eth1, peer}]; !n.ours || !n.valid() {
		t.Errorf("%+v", n)
	}
}

func TestThousandPeers(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	up(t, h.rtnl, "eth1", "peer1")
	address(t, h.rtnl, "eth1", "10.0.0.1/16")
	eth1 := link(t, h.rtnl, "eth1").Attrs().Index
	vtep := netip.MustParseAddr("10.0.0.1")
	var peers []netip.Addr
	for i := range 1500 { // more than the garbage collector's limit of 1024
		peers = append(peers, netip.AddrFrom4([4]byte{10, 0, byte(1 + i/250), byte(1 + i%250)}))
	}
	start := time.Now()
	must(t, h.SyncNeighbours(peers, vtep, []int{eth1}))
	first := time.Since(start)
	start = time.Now()
	must(t, h.SyncNeighbours(peers, vtep, []int{eth1}))
	t.Logf("first %v, again %v", first, time.Since(start))
	if first > 5*time.Second {
		t.Errorf("%d peers took %v", len(peers), first)
	}
	if ours := countOurs(t, h); ours != len(peers) {
		t.Errorf("%d managed neighbours, want %d", ours, len(peers))
	}
	must(t, h.SyncNeighbours(peers[:1], vtep, []int{eth1}))
	if ours := countOurs(t, h); ours != 1 {
		t.Errorf("%d managed neighbours, want 1", ours)
	}
}

func countOurs(t *testing.T, h *Host) (count int) {
	t.Helper()
	all, err := h.neighbours()
	must(t, err)
	for _, n := range all {
		if n.ours {
			count++
		}
	}
	return count
}
