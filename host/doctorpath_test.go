// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// path is a gateway, what is between, and a peer.
type path struct {
	gateway         *Host
	between, peer   netns.NsHandle
	betweenN, peerN *netlink.Handle
}

// newPath cables the gateway's eth1 to near, and far to the peer's eth0, each of this MTU, all up.
func newPath(t *testing.T, mtu int) path {
	t.Helper()
	p := path{gateway: fresh(t)}
	p.between, p.betweenN = elsewhere(t)
	p.peer, p.peerN = elsewhere(t)
	cable := func(from *netlink.Handle, name string, to netns.NsHandle, peer string) {
		must(t, from.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: name, TxQLen: -1, MTU: mtu},
			PeerName:  peer, PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(to),
		}))
	}
	cable(p.gateway.rtnl, "eth1", p.between, "near")
	cable(p.betweenN, "far", p.peer, "eth0")
	up(t, p.gateway.rtnl, "eth1")
	up(t, p.betweenN, "near", "far")
	up(t, p.peerN, "eth0")
	return p
}

// bridged makes what is between a bridge, which drops without a word what does not fit.
func (p path) bridged(t *testing.T) {
	t.Helper()
	must(t, p.betweenN.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", TxQLen: -1}}))
	for _, port := range []string{"near", "far"} {
		must(t, p.betweenN.LinkSetMaster(link(t, p.betweenN, port), link(t, p.betweenN, "br0")))
	}
	up(t, p.betweenN, "br0")
	address(t, p.gateway.rtnl, "eth1", "192.0.2.10/24")
	address(t, p.peerN, "eth0", "192.0.2.20/24")
}

// routed makes what is between a router, which says when a packet is too big.
func (p path) routed(t *testing.T) {
	t.Helper()
	address(t, p.gateway.rtnl, "eth1", "2001:db8:1::10/64")
	address(t, p.betweenN, "near", "2001:db8:1::1/64")
	address(t, p.betweenN, "far", "2001:db8:2::1/64")
	address(t, p.peerN, "eth0", "2001:db8:2::20/64")
	sysctl(t, p.between, "net/ipv6/conf/all/forwarding", "1")
	route(t, p.gateway.rtnl, "eth1", "2001:db8:2::/64", "2001:db8:1::1")
	route(t, p.peerN, "eth0", "2001:db8:1::/64", "2001:db8:2::1")
}

func route(t *testing.T, rtnl *netlink.Handle, nic, to, via string) {
	t.Helper()
	dst, err := netlink.ParseIPNet(to)
	must(t, err)
	must(t, rtnl.RouteAdd(&netlink.Route{LinkIndex: link(t, rtnl, nic).Attrs().Index, Dst: dst, Gw: netip.MustParseAddr(via).AsSlice()}))
}

// sysctl writes below /proc/sys of a namespace.
func sysctl(t *testing.T, ns netns.NsHandle, name, value string) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- os.WriteFile("/proc/sys/"+name, []byte(value), 0)
	}()
	must(t, <-done)
}

// ways are those that the routes choose.
func ways(peers ...string) (all []Way) {
	for _, p := range peers {
		all = append(all, Way{Peer: netip.MustParseAddr(p)})
	}
	return all
}

// measure waits for the peer to be reachable, which takes neighbour discovery, and then measures.
func (p path) measure(t *testing.T, from, peer string, limit int) Path {
	t.Helper()
	source, to := netip.MustParseAddr(from), ways(peer)
	eventually(t, "the peer answers", func() bool {
		return p.gateway.MeasurePaths(t.Context(), source, to, smallestIPv6)[0].Size > 0
	})
	return p.gateway.MeasurePaths(t.Context(), source, to, limit)[0]
}

func TestAPathThatCarriesEverything(t *testing.T) {
	p := newPath(t, 1600)
	p.bridged(t)
	got := p.measure(t, "192.0.2.10", "192.0.2.20", 1600)
	if got.Size != 1600 || !got.Exact || !got.Echo || got.Refused {
		t.Errorf("%+v", got)
	}
}

// A switch that drops long frames says nothing.
func TestAPathThatLosesLongPackets(t *testing.T) {
	p := newPath(t, 1600)
	must(t, p.betweenN.LinkSetMTU(link(t, p.betweenN, "far"), 1500))
	p.bridged(t)
	got := p.measure(t, "192.0.2.10", "192.0.2.20", 1600)
	if got.Size != 1500 || !got.Exact || !got.Echo || got.Refused {
		t.Errorf("%+v", got)
	}
}

func TestARouterThatRefusesLongPackets(t *testing.T) {
	p := newPath(t, 1600)
	must(t, p.betweenN.LinkSetMTU(link(t, p.betweenN, "far"), 1450))
	p.routed(t)
	got := p.measure(t, "2001:db8:1::10", "2001:db8:2::20", 1570)
	if got.Size != 1450 || !got.Exact || !got.Echo || !got.Refused {
		t.Errorf("%+v", got)
	}
}

// A limit above the own NIC's MTU is found out without a packet on the wire.
func TestTheOwnNICIsPartOfThePath(t *testing.T) {
	p := newPath(t, 1500)
	p.bridged(t)
	if got := p.measure(t, "192.0.2.10", "192.0.2.20", 1600); got.Size != 1500 || !got.Exact {
		t.Errorf("%+v", got)
	}
}

func TestAPeerThatAnswersNoEcho(t *testing.T) {
	p := newPath(t, 1600)
	must(t, p.betweenN.LinkSetMTU(link(t, p.betweenN, "far"), 1500))
	p.bridged(t)
	sysctl(t, p.peer, "net/ipv4/icmp_echo_ignore_all", "1")
	sysctl(t, p.peer, "net/ipv4/icmp_ratelimit", "0") // the waiting has used the peer's answers up
	got := p.measure(t, "192.0.2.10", "192.0.2.20", 1550)
	if got.Size != 1500 || got.Exact || got.Echo {
		t.Errorf("%+v", got)
	}
}

// Many silent peers take no longer than a few, and the result keeps their order.
func TestSilentPeersAreMeasuredAtOnce(t *testing.T) {
	p := newPath(t, 1600)
	p.bridged(t)
	peers := ways("192.0.2.20")
	for n := range byte(100) {
		peers = append(peers, Way{Peer: netip.AddrFrom4([4]byte{192, 0, 2, 100 + n})})
	}
	p.measure(t, "192.0.2.10", "192.0.2.20", 1550)
	start := time.Now()
	got := p.gateway.MeasurePaths(t.Context(), netip.MustParseAddr("192.0.2.10"), peers, 1550)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
	for i, g := range got {
		if g.Way != peers[i] || (g.Size == 1550) != (i == 0) {
			t.Errorf("%d: %+v", i, g)
		}
	}
}

func TestAPathWithoutARoute(t *testing.T) {
	p := newPath(t, 1500)
	p.bridged(t)
	got := p.gateway.MeasurePaths(t.Context(), netip.MustParseAddr("192.0.2.10"), ways("203.0.113.1"), 1500)
	if got[0].Err == nil || !strings.Contains(got[0].Err.Error(), unix.ENETUNREACH.Error()) {
		t.Errorf("%+v", got[0])
	}
	got = p.gateway.MeasurePaths(t.Context(), netip.MustParseAddr("192.0.2.99"), ways("192.0.2.20"), 1500)
	if got[0].Err == nil || !strings.Contains(got[0].Err.Error(), "192.0.2.99") {
		t.Errorf("a foreign source address: %+v", got[0])
	}
}

// Of two uplinks of equal cost each is measured by itself: the routes would choose one of them.
func TestEachUplinkIsMeasured(t *testing.T) {
	p := newPath(t, 1600)
	p.bridged(t)
	must(t, p.gateway.rtnl.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth3", TxQLen: -1, MTU: 1500},
		PeerName: "third", PeerMTU: 1500, PeerNamespace: netlink.NsFd(p.peer)}))
	up(t, p.gateway.rtnl, "eth3")
	up(t, p.peerN, "third")
	address(t, p.gateway.rtnl, "eth3", "198.51.100.10/24")
	address(t, p.peerN, "third", "198.51.100.20/24")
	address(t, p.peerN, "lo", "203.0.113.1/32")
	address(t, p.gateway.rtnl, "lo", "203.0.113.10/32")
	route(t, p.gateway.rtnl, "eth1", "203.0.113.1/32", "192.0.2.20")
	must(t, p.gateway.rtnl.RouteAppend(viaEth3(t, p.gateway.rtnl)))
	route(t, p.peerN, "eth0", "203.0.113.10/32", "192.0.2.10")
	peer, vtep := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.10")
	for uplink, want := range map[string]int{"eth1": 1600, "eth3": 1500} {
		eventually(t, "the peer answers by "+uplink, func() bool {
			got := p.gateway.MeasurePaths(t.Context(), vtep, []Way{{peer, uplink}}, 1600)[0]
			if got.Size > 0 && got.Size != want {
				t.Fatalf("%s: %+v", uplink, got)
			}
			return got.Size == want
		})
	}
}

// viaEth3 is a second route to the peer, of another metric.
func viaEth3(t *testing.T, rtnl *netlink.Handle) *netlink.Route {
	t.Helper()
	dst, err := netlink.ParseIPNet("203.0.113.1/32")
	must(t, err)
	return &netlink.Route{LinkIndex: link(t, rtnl, "eth3").Attrs().Index, Dst: dst, Gw: netip.MustParseAddr("198.51.100.20").AsSlice(), Priority: 10}
}

func TestMeasuringEndsWithItsContext(t *testing.T) {
	p := newPath(t, 1600)
	p.bridged(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	got := p.gateway.MeasurePaths(ctx, netip.MustParseAddr("192.0.2.10"), ways("192.0.2.77"), 1500)
	if took := time.Since(start); took > time.Second || got[0].Size != 0 || got[0].Err != nil || !got[0].Late {
		t.Errorf("%v: %+v", took, got)
	}
}

func TestLadder(t *testing.T) {
	for _, tt := range []struct {
		low, high int
		want      []int
	}{
		{576, 578, []int{577}},
		{10, 14, []int{11, 12, 13}},
		{0, 13, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{0, 25, []int{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24}},
	} {
		if got := ladder(tt.low, tt.high); !slices.Equal(got, tt.want) {
			t.Errorf("between %d and %d: %v, want %v", tt.low, tt.high, got, tt.want)
		}
	}
}
