// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// When the way to a VTEP is looked up again, and what becomes of frames meanwhile.
func TestHops(t *testing.T) {
	suite(t, []part{{"a resolved way", wayResolved}, {"a missing neighbour", wayNeighbour}, {"no route", wayRoute}, {"equal routes", wayEqual}, {"a borrowed way", wayBorrowed}})
}

// recheck is how long a way that leads nowhere is believed.
const recheck = 20 * time.Millisecond

// eachFamily runs a test over both families, at a time when everything known is too old.
func (r *rig) eachFamily(test func(peer, other netip.Addr)) {
	for n, peers := range [][2]netip.Addr{{peerA, stray}, {peerA6, stray6}} {
		r.restart(r.first)
		if n == 1 {
			r.overIPv6()
		}
		r.guarded(func(_ *state.Extension, g *state.Guards) { g.Storm = [state.StormClasses]state.StormRate{} })
		r.statics()
		r.at(time.Duration(1+n) * 1_000_000 * second)
		test(peers[0], peers[1])
	}
}

func (r *rig) neighbour(nic string, ip netip.Addr) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: r.eth[nic].Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.IP(ip.AsSlice())}
}

// leadTo makes a VTEP's neighbour another, or none.
func (r *rig) leadTo(ip netip.Addr, mac l2.MAC) {
	r.t.Helper()
	r.leadBy("eth1", ip, mac)
}

func (r *rig) leadBy(nic string, ip netip.Addr, mac l2.MAC) {
	r.t.Helper()
	n := r.neighbour(nic, ip)
	if mac.IsZero() {
		r.must(netlink.NeighDel(n))
		return
	}
	n.HardwareAddr = mac[:]
	r.must(netlink.NeighSet(n))
}

// wantWay sends known unicast and wants it to leave for a neighbour; the zero MAC: by the tunnel device; nil: not at all.
func (r *rig) wantWay(name string, mac *l2.MAC) {
	r.t.Helper()
	r.wantWayOf(name, opaque, mac)
}

func (r *rig) wantWayOf(name string, inner []byte, mac *l2.MAC) {
	r.t.Helper()
	f := r.fate("eth2", r.onCircuit(inner))
	switch {
	case mac == nil:
		if f.what != "no-next-hop" {
			r.t.Errorf("%s: %s, want no next hop", name, f.what)
		}
	case mac.IsZero():
		if in := len(inner); f.what != "sent" || len(f.out) != in {
			r.t.Errorf("%s: %s, %d bytes, want the %d to leave by the tunnel device", name, f.what, len(f.out), in)
		}
	default:
		if f.what != "sent" {
			r.t.Errorf("%s: %s, want it sent", name, f.what)
		} else if out := r.outerMAC(f.out); out != *mac {
			r.t.Errorf("%s: leaves for %s, want %s", name, out, *mac)
		}
	}
}

// outerMAC is where a frame goes; over IPv6 engine tc leaves that to the tunnel device.
func (r *rig) outerMAC(out []byte) l2.MAC {
	if r.engine == state.EngineTC && r.desired.Underlay.VTEP.Is6() {
		return macPeerA
	}
	return l2.MAC(out[:6])
}

func wayResolved(_ *testing.T, r *rig) {
	r.eachFamily(func(peer, _ netip.Addr) {
		a, b := macPeerA, macPeerB
		r.wantWay("at first", &a)
		r.leadTo(peer, b)
		r.wait(second - 1)
		r.wantWay("within a second", &a)
		if r.engine == state.EngineTC && peer.Is6() {
			b = a
		}
		r.wait(1)
		r.wantWay("after a second", &b)
		r.leadTo(peer, macPeerA)
		r.wait(second)
		r.wantWay("and back", &a)
	})
}

// Engine xdp hands such a frame over to tc: a test run ends there, and so would the books.
func wayNeighbour(_ *testing.T, r *rig) {
	if r.engine == state.EngineXDP {
		return
	}
	r.eachFamily(func(peer, _ netip.Addr) {
		var device l2.MAC
		a := macPeerA
		r.leadTo(peer, device)
		r.wantWay("the kernel shall ask", &device)
		r.wantWay("and is not hurried", nil)
		r.wait(recheck - 1)
		r.wantWay("nor for 20 ms", nil)
		r.wait(1)
		r.wantWay("asked again", &device)
		r.leadTo(peer, macPeerA)
		r.wait(recheck - 1)
		r.wantWay("not looked at before", nil)
		r.wait(1)
		r.wantWay("found", &a)
		r.leadTo(peer, device)
		r.wait(second)
		r.wantWay("missing again", &device)
		r.wait(3*second - 1)
		r.wantWay("asked for three seconds", &device)
		for range 4 {
			r.wait(second)
			r.wantWay("in vain", nil)
		}
		r.wait(second)
		r.wantWay("asked once in a while", &device)
		r.leadTo(peer, macPeerA)
		r.wait(recheck)
		r.wantWay("found at last", &a)
	})
}

func wayRoute(_ *testing.T, r *rig) {
	r.eachFamily(func(peer, far netip.Addr) {
		r.change(func(x *state.Extension, _ *state.Desired) {
			x.Peers = []netip.Addr{far}
			x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: far}}
		})
		a := macPeerA
		r.wantWay("no route", nil)
		bits := far.BitLen()
		to := &net.IPNet{IP: net.IP(far.AsSlice()), Mask: net.CIDRMask(bits, bits)}
		route := func(nic string, via netip.Addr) *netlink.Route {
			return &netlink.Route{
				Dst: to, Gw: net.IP(via.AsSlice()), LinkIndex: r.eth[nic].Attrs().Index, Flags: int(netlink.FLAG_ONLINK), Protocol: unix.RTPROT_STATIC,
			}
		}
		r.must(netlink.RouteAdd(route("eth1", peer)))
		r.wait(recheck - 1)
		r.wantWay("not looked at before", nil)
		r.wait(1)
		r.wantWay("a route", &a)
		r.must(netlink.RouteDel(route("eth1", peer)))
		if peer.Is4() { // a customer's NIC has no IPv6
			r.leadBy("eth2", peer, macPeerA)
			r.must(netlink.RouteAdd(route("eth2", peer)))
			r.wait(second)
			r.wantWay("a route by the customer's NIC", nil)
			r.must(netlink.RouteDel(route("eth2", peer)))
		}
		r.wait(second)
		r.wantWay("no route any more", nil)
	})
}

// Of equal routes by two uplinks each share of the flows takes the one by its own uplink, whatever the VTEP: no share meets the
// other on one of them.
func wayEqual(t *testing.T, r *rig) {
	const vteps = 12
	r.overTwoUplinks(func(router, far netip.Addr) {
		for range vteps {
			r.leadByBoth(far, router)
			r.flowsByBoth(far)
			far = far.Next()
		}
	})
}

// overTwoUplinks runs a test with a router behind two uplinks, eth1 and eth3, where it has macPeerB, and a VTEP that nothing leads to yet.
func (r *rig) overTwoUplinks(test func(router, far netip.Addr)) {
	r.t.Helper()
	policy := func(value string) {
		r.must(os.WriteFile("/proc/sys/net/ipv4/fib_multipath_hash_policy", []byte(value), 0))
	}
	policy("1")
	defer policy("0")
	r.eachFamily(func(peer, far netip.Addr) {
		if peer.Is6() {
			return // the second uplink has no IPv6: see TestUplinks of the lab
		}
		r.leadBy("eth3", peer, macPeerB)
		test(peer, far)
		r.leadBy("eth3", peer, l2.MAC{})
	})
}

// leadByBoth makes a VTEP the extension's, behind two equal routes that end with the test.
func (r *rig) leadByBoth(vtep, router netip.Addr) {
	r.t.Helper()
	by := func(nic string) *netlink.NexthopInfo {
		return &netlink.NexthopInfo{LinkIndex: r.eth[nic].Attrs().Index, Gw: net.IP(router.AsSlice()), Flags: int(netlink.FLAG_ONLINK)}
	}
	bits := vtep.BitLen()
	route := &netlink.Route{
		Dst: &net.IPNet{IP: net.IP(vtep.AsSlice()), Mask: net.CIDRMask(bits, bits)}, MultiPath: []*netlink.NexthopInfo{by("eth1"), by("eth3")},
	}
	t := r.t
	r.must(netlink.RouteAdd(route))
	t.Cleanup(func() {
		if err := netlink.RouteDel(route); err != nil {
			t.Error(err)
		}
	})
	r.change(func(x *state.Extension, d *state.Desired) {
		x.Peers = []netip.Addr{vtep}
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: vtep}}
		d.Underlay.Uplinks = append(d.Underlay.Uplinks[:1:1], state.Uplink{Name: "eth3", Ifindex: r.eth["eth3"].Attrs().Index, MAC: r.mac("eth3")})
	})
}

// flowsByBoth wants some flows to leave by each uplink, and returns one of each, by the router's MAC there.
func (r *rig) flowsByBoth(vtep netip.Addr) map[l2.MAC][]byte {
	r.t.Helper()
	flows := map[l2.MAC][]byte{}
	for port := range uint16(32) {
		in := ethernet(macVM, macHost, frame.IPv4{Src: peerA, Dst: peerB}, frame.UDP{SrcPort: 1000 + port, DstPort: 9}, frame.Raw("flow"))
		f := r.fate("eth2", r.onCircuit(in))
		if f.what != "sent" {
			r.t.Fatalf("to %s: a frame is %s", vtep, f.what)
		}
		flows[r.outerMAC(f.out)] = in
	}
	if flows[macPeerA] == nil || flows[macPeerB] == nil || len(flows) != 2 {
		r.t.Fatalf("to %s: flows leave for %d routers, want both", vtep, len(flows))
	}
	return flows
}

// The flows of an uplink whose neighbour is gone take the other's way meanwhile, when that was found within five seconds: an uplink
// whose cable is pulled, or one that is not ready yet, would else lose its half of all flows.
func wayBorrowed(_ *testing.T, r *rig) {
	if r.engine == state.EngineXDP {
		return // as in wayNeighbour
	}
	const limit = 5 * second
	r.overTwoUplinks(func(router, far netip.Addr) {
		for _, after := range []time.Duration{second, limit - 1, limit} {
			r.leadByBoth(far, router)
			flow := r.flowsByBoth(far)[macPeerB]
			r.leadBy("eth3", router, l2.MAC{})
			r.wait(after)
			name, way := "after "+after.String(), &macPeerA
			if after == limit {
				way = nil
			}
			r.wantWayOf(name+", the kernel shall ask", flow, new(l2.MAC))
			r.wantWayOf(name, flow, way)
			r.leadBy("eth3", router, macPeerB)
			far = far.Next()
		}
	})
}
