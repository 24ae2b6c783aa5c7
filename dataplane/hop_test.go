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
	suite(t, []part{{"a resolved way", wayResolved}, {"a missing neighbour", wayNeighbour}, {"no route", wayRoute}, {"equal routes", wayEqual}})
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

func (r *rig) neighbour(ip netip.Addr) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: r.eth["eth1"].Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.IP(ip.AsSlice())}
}

// leadTo makes a VTEP's neighbour another, or none.
func (r *rig) leadTo(ip netip.Addr, mac l2.MAC) {
	r.t.Helper()
	n := r.neighbour(ip)
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
	f := r.fate("eth2", r.onCircuit(opaque))
	switch {
	case mac == nil:
		if f.what != "no-next-hop" {
			r.t.Errorf("%s: %s, want no next hop", name, f.what)
		}
	case mac.IsZero():
		if in := len(opaque); f.what != "sent" || len(f.out) != in {
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
			n := r.neighbour(peer)
			n.LinkIndex, n.HardwareAddr = r.eth["eth2"].Attrs().Index, macPeerA[:]
			r.must(netlink.NeighSet(n))
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
	policy := func(value string) {
		r.must(os.WriteFile("/proc/sys/net/ipv4/fib_multipath_hash_policy", []byte(value), 0))
	}
	policy("1")
	defer policy("0")
	r.eachFamily(func(peer, far netip.Addr) {
		if peer.Is6() {
			return // the second uplink has no IPv6: see TestUplinks of the lab
		}
		third := &netlink.Neigh{LinkIndex: r.eth["eth3"].Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.IP(peer.AsSlice()), HardwareAddr: macPeerB[:]}
		r.must(netlink.NeighSet(third))
		for range vteps {
			r.spreadTo(far, peer)
			far = far.Next()
		}
		r.must(netlink.NeighDel(third))
	})
}

// spreadTo leads flows to a VTEP by two equal routes, and wants some of them on each.
func (r *rig) spreadTo(vtep, router netip.Addr) {
	r.t.Helper()
	by := func(nic string) *netlink.NexthopInfo {
		return &netlink.NexthopInfo{LinkIndex: r.eth[nic].Attrs().Index, Gw: net.IP(router.AsSlice()), Flags: int(netlink.FLAG_ONLINK)}
	}
	bits := vtep.BitLen()
	route := &netlink.Route{
		Dst: &net.IPNet{IP: net.IP(vtep.AsSlice()), Mask: net.CIDRMask(bits, bits)}, MultiPath: []*netlink.NexthopInfo{by("eth1"), by("eth3")},
	}
	r.must(netlink.RouteAdd(route))
	defer func() { r.must(netlink.RouteDel(route)) }()
	r.change(func(x *state.Extension, d *state.Desired) {
		x.Peers = []netip.Addr{vtep}
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: vtep}}
		d.Underlay.Uplinks = append(d.Underlay.Uplinks[:1:1], state.Uplink{Name: "eth3", Ifindex: r.eth["eth3"].Attrs().Index, MAC: r.mac("eth3")})
	})
	seen := map[l2.MAC]int{}
	for port := range uint16(32) {
		in := ethernet(macVM, macHost, frame.IPv4{Src: peerA, Dst: peerB}, frame.UDP{SrcPort: 1000 + port, DstPort: 9}, frame.Raw("flow"))
		f := r.fate("eth2", r.onCircuit(in))
		if f.what != "sent" {
			r.t.Fatalf("to %s: a frame is %s", vtep, f.what)
		}
		seen[r.outerMAC(f.out)]++
	}
	if seen[macPeerA] == 0 || seen[macPeerB] == 0 || len(seen) != 2 {
		r.t.Errorf("to %s: flows leave for %v, want both routers", vtep, seen)
	}
}
