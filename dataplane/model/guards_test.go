// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// noLoops keeps repeated frames from being taken for a loop's.
func noLoops(_ *state.Desired, _ *state.Extension, g *Guards) { g.Loops = false }

func TestGivenMACs(t *testing.T) {
	b := newBench(t, func(_ *state.Desired, x *state.Extension, _ *Guards) {
		x.Static = []state.StaticMAC{
			{MAC: host, Side: l2.Customer}, {MAC: guest, Side: l2.Cloud, VTEP: peerA}, {MAC: station(1, 1), Side: l2.Cloud, Pinned: true},
		}
	})
	b.want("customer's, from the cloud", b.fromCloud(peerA, hello(host)), MACPinned)
	b.want("cloud's, from the customer", b.fromCustomer(hello(guest)), MACPinned)
	b.want("pinned, from the customer", b.fromCustomer(hello(station(1, 1))), MACPinned)
	b.want("each where it belongs", b.fromCustomer(hello(host)), None)
	b.want("static at another VTEP", b.fromCloud(peerB, hello(guest)), None)
	if got := b.x.FDB[guest].Place; b.g.VTEP(got) != peerA {
		t.Errorf("a static MAC has moved to %d", got)
	}
	b.want("pinned at a VTEP", b.fromCloud(peerB, hello(station(1, 1))), None)
	if got := b.x.FDB[station(1, 1)].Place; b.g.VTEP(got) != peerB {
		t.Errorf("a pinned MAC is at %d", got)
	}
	b.wait(400 * time.Second)
	b.want("static MACs do not age", b.fromCloud(peerA, eth(guest, station(3, 3), payload)), SplitHorizon)
}

func TestProtectedAddresses(t *testing.T) {
	protect := func(_ *state.Desired, _ *state.Extension, g *Guards) { g.Protect = []netip.Addr{ipHost, ip6Host} }
	nd := func(kind uint8, src, target netip.Addr) []byte {
		a := target.As16()
		return eth(l2.Broadcast, host, frame.IPv6{Src: src, Dst: ip6Any}, frame.ICMPv6{Type: kind}, frame.Raw(a[:]))
	}
	other := netip.MustParseAddr("2001:db8:1::9")
	for _, c := range []struct {
		name  string
		frame []byte
		want  Reason
	}{
		{"IPv4 source", udp4(l2.Broadcast, ipGuest, 1, 2, 0), AddressProtected},
		{"IPv6 source", udp6(l2.Broadcast, ip6Any, 1, 2, 0), AddressProtected},
		{"ARP sender", eth(l2.Broadcast, host, frame.ARP{Op: 2, SenderIP: ipHost, TargetIP: ipGuest}), AddressProtected},
		{"ARP probe", eth(l2.Broadcast, host, frame.ARP{Op: 1, TargetIP: ipHost}), None},
		{"ARP request for it", eth(l2.Broadcast, host, frame.ARP{Op: 1, SenderIP: ipGuest, TargetIP: ipHost}), None},
		{"advertisement", nd(136, other, ip6Host), AddressProtected},
		{"redirect", nd(137, other, ip6Host), AddressProtected},
		{"solicitation", nd(135, other, ip6Host), None},
		{"duplicate address detection", nd(135, netip.IPv6Unspecified(), ip6Host), None},
		{"advertisement of another", nd(136, other, other), None},
	} {
		b := newBench(t, protect)
		b.want(c.name, b.fromCustomer(c.frame), c.want)
		if learnt := b.x.FDB[host] != nil; learnt != (c.want == None) {
			t.Errorf("%s: learnt is %t", c.name, learnt)
		}
		b = newBench(t, protect)
		b.want(c.name+" from the cloud", b.fromCloud(peerA, c.frame), None)
	}
}

func TestMACLimitAndRate(t *testing.T) {
	b := newBench(t, noLoops, func(_ *state.Desired, x *state.Extension, _ *Guards) { x.MACLimit = 4 })
	b.fromCloud(peerA, hello(guest))
	for i := range 4 {
		b.want("within the limit", b.fromCustomer(hello(station(1, i))), None)
	}
	b.want("broadcast beyond the limit", b.fromCustomer(hello(station(1, 4))), MACLimit)
	b.want("unknown unicast beyond the limit", b.fromCustomer(eth(station(9, 9), station(1, 4), payload)), MACLimit)
	b.want("to a known destination", b.fromCustomer(eth(guest, station(1, 4), payload)), None)
	b.want("who is known", b.fromCustomer(hello(station(1, 0))), None)
	b.want("the other side has a limit of its own", b.fromCloud(peerA, hello(station(2, 0))), None)
	b.wait(301 * time.Second)
	b.x.Sweep(b.now)
	b.want("after ageing", b.fromCustomer(hello(station(1, 4))), None)

	b = newBench(t, noLoops, func(_ *state.Desired, x *state.Extension, g *Guards) {
		x.MACLimit, x.MACAge, g.LearnRate = 10, time.Second, 1
	})
	for i := range 10 {
		b.want("the burst", b.fromCustomer(hello(station(1, i))), None)
	}
	b.wait(3 * time.Second)
	b.x.Sweep(b.now)
	for i := range 6 {
		want := None
		if i >= 3 {
			want = MACRate
		}
		b.want(fmt.Sprintf("new source %d after 3 s at 1/s", i), b.fromCustomer(hello(station(2, i))), want)
	}
}

func TestMACStorm(t *testing.T) {
	b := newBench(t, noLoops)
	b.meet()
	b.x.Hold.MACStormSince, b.x.Hold.MACStormUntil = b.now, b.now+int64(10*time.Second)
	b.x.Hold.MACStormWays = state.WayOf(l2.ToCloud)
	b.wait(time.Second)
	b.want("learnt before", b.fromCustomer(hello(host)), None)
	b.want("unlearnt, broadcast", b.fromCustomer(hello(station(1, 1))), MACRate)
	b.want("unlearnt, to a known destination", b.fromCustomer(eth(guest, station(1, 1), payload)), None)
	b.want("learnt since, broadcast", b.fromCustomer(hello(station(1, 1))), MACRate)
	b.want("unlearnt, in the other direction", b.fromCloud(peerA, hello(station(1, 2))), None)
	b.wait(10 * time.Second)
	b.want("after the storm", b.fromCustomer(hello(station(1, 1))), None)
}

// moveBack and forth until a MAC is frozen, n moves apart by d; returns the reasons.
func (b *bench) alternate(mac l2.MAC, n int, apart time.Duration) (reasons []Reason) {
	side := l2.Cloud
	for range n {
		b.wait(apart)
		reasons = append(reasons, b.from(side, hello(mac)).Reason)
		side = l2.Customer + l2.Cloud - side
	}
	return reasons
}

func TestMoves(t *testing.T) {
	slow := newBench(t, noLoops)
	slow.want("first", slow.fromCustomer(hello(host)), None)
	got := slow.alternate(host, 5, 10*time.Second)
	if fmt.Sprint(got) != fmt.Sprint([]Reason{None, None, None, None, MACMove}) {
		t.Errorf("five moves in 50 s: %v", got)
	}
	if e := slow.x.FDB[host]; e.Place != AtCustomer || e.FrozenUntil != slow.now+firstFreeze {
		t.Errorf("frozen at %d until %d", e.Place, e.FrozenUntil-slow.now)
	}
	slow.want("at home", slow.fromCustomer(hello(host)), None)
	slow.wait(29 * time.Second)
	slow.want("elsewhere", slow.fromCloud(peerA, hello(host)), MACMove)
	slow.wait(2 * time.Second)
	slow.want("thawed", slow.fromCloud(peerA, hello(host)), None)

	fast := newBench(t, noLoops)
	fast.fromCloud(peerB, hello(guest))
	fast.wait(6 * time.Second)
	for i, want := range []Reason{None, None, MACMove} {
		r := fast.from([]l2.Side{l2.Customer, l2.Cloud}[i%2], hello(guest))
		fast.want(fmt.Sprintf("fast move %d", i), r, want)
		fast.wait(100 * time.Millisecond)
	}
	if e := fast.x.FDB[guest]; fast.g.VTEP(e.Place) != peerB {
		t.Errorf("frozen at %s, want where it was stable", fast.g.VTEP(e.Place))
	}

	few := newBench(t, noLoops)
	few.fromCustomer(hello(host))
	for i, r := range few.alternate(host, 20, 46*time.Second) {
		few.want(fmt.Sprintf("move %d, four in 180 s", i), &Result{Reason: r, Verdict: verdictOf(r)}, None)
	}
}

func verdictOf(r Reason) Verdict {
	if r == None {
		return Forwarded
	}
	return Dropped
}

func TestMovesThatAreFree(t *testing.T) {
	for _, mac := range redundant[:6] {
		b := newBench(t, noLoops)
		b.fromCustomer(hello(mac))
		for i, r := range b.alternate(mac, 12, 10*time.Millisecond) {
			b.want(fmt.Sprintf("%s, fail-over %d", mac, i), &Result{Reason: r, Verdict: verdictOf(r)}, None)
		}
	}
	b := newBench(t, noLoops)
	for range 12 {
		b.want("between VTEPs", b.fromCloud(peerA, hello(guest)), None)
		b.want("between VTEPs", b.fromCloud(peerB, hello(guest)), None)
	}
	b = newBench(t, noLoops)
	b.fromCustomer(hello(host))
	b.x.Hold.HalfRaisedUntil = b.now + int64(time.Second)
	for range 12 {
		b.want("while half-raised, unicast", b.fromCloud(peerA, eth(station(1, 1), host, payload)), HalfRaised)
	}
	if e := b.x.FDB[host]; e.Place != AtCustomer || e.Moves != 0 {
		t.Errorf("a move was written while half-raised: %+v", e)
	}
}

// Freezing takes 30 s, then 60 s, up to 30 min.
func TestFreezingBacksOff(t *testing.T) {
	b := newBench(t, noLoops)
	b.fromCustomer(hello(host))
	for n := range 9 {
		b.wait(6 * time.Second)
		b.alternate(host, 3, time.Millisecond)
		e := b.x.FDB[host]
		want := min(firstFreeze<<n, longestFreeze)
		if got := e.FrozenUntil - b.now; got != want {
			t.Errorf("freeze %d takes %s, want %s", n, time.Duration(got), time.Duration(want))
		}
		for b.now < e.FrozenUntil {
			b.wait(200 * time.Second)
			b.fromCustomer(hello(host))
		}
		b.wait(200 * time.Second)
	}
}

func TestServices(t *testing.T) {
	group4 := netip.MustParseAddr("224.0.0.2")
	message := func(protocol uint32, kind byte) []byte {
		h := frame.IPv4{Src: ipHost, Dst: ipGuest, Protocol: frame.Set(protocol)}
		return eth(l2.Broadcast, host, h, frame.Raw(append([]byte{kind}, make([]byte, 20)...)))
	}
	for _, c := range []struct {
		name    string
		frame   []byte
		service Service
	}{
		{"to a DHCP client", udp4(l2.Broadcast, ipGuest, 5, 68, 1), ServeDHCP},
		{"reply from port 67", udp4(l2.Broadcast, ipGuest, 67, 5, 2), ServeDHCP},
		{"reply to a relay", udp4(l2.Broadcast, ipGuest, 67, 67, 2), ServeDHCP},
		{"request", udp4(l2.Broadcast, ipGuest, 68, 67, 1), Services},
		{"to a DHCPv6 client", udp6(l2.Broadcast, ip6Any, 547, 546, 1), ServeDHCP},
		{"DHCPv6 relay's reply", udp6(l2.Broadcast, ip6Any, 547, 547, 13), ServeDHCP},
		{"DHCPv6 solicit", udp6(l2.Broadcast, ip6Any, 546, 547, 1), Services},
		{"DHCPv6 relay's forward", udp6(l2.Broadcast, ip6Any, 547, 547, 12), Services},
		{"router advertisement", icmp6(l2.Broadcast, 134, 12), ServeRouter},
		{"ICMPv6 redirect", icmp6(l2.Broadcast, 137, 36), ServeRouter},
		{"router solicitation", icmp6(l2.Broadcast, 133, 8), Services},
		{"ICMP redirect", message(1, 5), ServeRouter},
		{"ICMP router advertisement", message(1, 9), ServeRouter},
		{"echo", message(1, 8), Services},
		{"VRRP", message(112, 0x21), ServeFHRP},
		{"HSRP", udp4(l2.Broadcast, group4, 1985, 1985, 0), ServeFHRP},
		{"HSRP for IPv6", udp6(l2.MAC{0x33, 0x33, 0, 0, 0, 0x66}, ip6Any, 2029, 2029, 0), ServeFHRP},
		{"GLBP", udp4(l2.Broadcast, group4, 3222, 3222, 0), ServeFHRP},
		{"HSRP's port to one station", udp4(guest, ipGuest, 1985, 1985, 0), Services},
		{"IGMP query", message(2, 0x11), ServeQuerier},
		{"IGMP report", message(2, 0x22), Services},
		{"MLD query", icmp6(l2.Broadcast, 130, 20), ServeQuerier},
		{"MLD report", icmp6(l2.Broadcast, 143, 20), Services},
	} {
		for sides := range BothSides + 1 {
			serve := func(_ *state.Desired, _ *state.Extension, g *Guards) {
				for i := range g.Serve {
					g.Serve[i] = sides
				}
			}
			for _, from := range []l2.Side{l2.Customer, l2.Cloud} {
				want := None
				if c.service != Services && sides&sidesOf(from) == 0 {
					want = ServiceDHCP + Reason(c.service)
				}
				b := newBench(t, serve)
				if b.fromCloud(peerA, hello(guest)); from == l2.Customer && c.frame[0]&1 == 0 {
					b.wait(time.Second)
				}
				b.want(fmt.Sprintf("%s from %s, served by %d", c.name, from, sides), b.from(from, forSide(from, c.frame)), want)
			}
		}
	}
}

// forSide makes a unicast frame from the cloud one that is not sent back there.
func forSide(s l2.Side, in []byte) []byte {
	if s == l2.Cloud && in[0]&1 == 0 {
		out := append([]byte{}, in...)
		copy(out, host[:])
		copy(out[6:], guest[:])
		return out
	}
	return in
}

func TestStormClasses(t *testing.T) {
	arp := eth(l2.Broadcast, host, frame.ARP{Op: 1, SenderIP: ipHost, TargetIP: ipGuest})
	unknown := station(9, 9)
	rows := []struct {
		name  string
		frame []byte
		want  Reason
	}{
		{"ARP", arp, StormARPND},
		{"ARP to an unknown station", eth(unknown, host, frame.ARP{Op: 1, SenderIP: ipHost, TargetIP: ipGuest}), StormARPND},
		{"neighbour solicitation", icmp6(l2.MAC{0x33, 0x33, 0, 0, 0, 1}, 135, 24), StormARPND},
		{"DHCP", udp4(l2.Broadcast, ipGuest, 68, 67, 1), StormDHCP},
		{"DHCPv6", udp6(l2.MAC{0x33, 0x33, 0, 1, 0, 2}, ip6Any, 546, 547, 1), StormDHCP},
		{"broadcast", hello(host), StormBroadcast},
		{"multicast", eth(l2.MAC{1, 0, 0x5e, 1, 1, 1}, host, payload), StormMulticast},
		{"unknown unicast", eth(unknown, host, payload), StormUnknownUnicast},
		{"known unicast", eth(guest, host, payload), None},
		{"ARP reply to a known station", eth(guest, host, frame.ARP{Op: 2, SenderIP: ipHost, TargetIP: ipGuest}), None},
	}
	for _, c := range rows {
		b := newBench(t, noLoops)
		b.fromCustomer(hello(host))
		b.fromCloud(peerA, hello(guest))
		passed, last := 0, None
		for range 2000 {
			if last = b.fromCustomer(c.frame).Reason; last == None {
				passed++
			}
		}
		want := 2000
		if c.want != None {
			want = int(b.x.Guards.Storm[c.want-StormARPND].Frames.Burst / 2) // an unknown source has the open half
			if c.want == StormBroadcast {
				want-- // its greeting
			}
		}
		if passed != want || last != c.want {
			t.Errorf("%s: %d of 2000 passed, then %q; want %d, %q", c.name, passed, last, want, c.want)
		}
	}
}

// One source that floods leaves the others their share.
func TestStormIsFairBySource(t *testing.T) {
	b := newBench(t, noLoops)
	for i := range 10 {
		b.want("greeting", b.fromCustomer(hello(station(1, i))), None)
	}
	b.wait(6 * time.Second)
	arp := func(i int) []byte {
		return eth(l2.Broadcast, station(1, i), frame.ARP{Op: 1, SenderIP: ipHost, TargetIP: ipGuest})
	}
	flooded, reasons := 0, map[Reason]int{}
	for range 5000 {
		if r := b.fromCustomer(arp(0)).Reason; r == None {
			flooded++
		} else {
			reasons[r]++
		}
	}
	if flooded != 50+250 { // a tenth of 500, and the open half
		t.Errorf("the flooder passed %d, want its tenth and the open half", flooded)
	}
	if reasons[StormSource] != 4700 {
		t.Errorf("dropped as %v, want storm-source", reasons)
	}
	for i := 1; i < 5; i++ { // 200 are left of the reserved half
		for n := range 50 {
			b.want(fmt.Sprintf("known source %d, frame %d", i, n), b.fromCustomer(arp(i)), None)
		}
	}
	b.want("the reserved half is used up", b.fromCustomer(arp(5)), StormARPND)
	b.want("an invented source", b.fromCustomer(arp(77)), StormARPND)
	if got := b.fromCloud(peerA, eth(l2.Broadcast, guest, frame.ARP{Op: 1})).Reason; got != None {
		t.Errorf("the other direction has no budget of its own: %q", got)
	}
}

// In any window a class passes at most its burst and its rate.
func TestStormBound(t *testing.T) {
	b := newBench(t, noLoops)
	passed := 0
	for range 10_000 {
		b.wait(time.Millisecond)
		if b.fromCustomer(hello(host)).Reason == None {
			passed++
		}
	}
	if limit := 200 + 10*200; passed > limit || passed < limit/2-200 {
		t.Errorf("%d broadcasts passed in 10 s, want at most %d", passed, limit)
	}
}

func TestStormBytesAndFloods(t *testing.T) {
	b := newBench(t, noLoops, func(_ *state.Desired, _ *state.Extension, g *Guards) {
		g.Storm[Broadcast].Bytes = Rate{600, 600}
		g.Flood.Allow = []Prefix{{l2.MAC{0x03, 0xbf}, 16}, {l2.MAC{0x02, 0xbf}, 16}}
		g.Flood.Rate = Rate{30, 30}
		g.Tunnelled = LLDP
	})
	passed := 0
	for range 30 {
		if b.fromCustomer(hello(host)).Reason == None {
			passed++
		}
	}
	if passed != 10 {
		t.Errorf("%d broadcasts of 60 bytes passed, want 600 bytes' worth", passed)
	}
	for n := range 31 {
		want := None
		if n == 30 {
			want = StormMulticast
		}
		b.want("wanted multicast", b.fromCustomer(eth(l2.MAC{0x03, 0xbf, 1, 2, 3, 4}, host, payload)), want)
	}
	b.want("wanted unicast", b.fromCustomer(eth(l2.MAC{0x02, 0xbf, 1, 2, 3, 4}, host, payload)), StormUnknownUnicast)
	b.fromCloud(peerA, hello(guest))
	for n := range 251 {
		want := None
		if n == 250 {
			want = StormMulticast
		}
		b.want(fmt.Sprintf("tunnelled LLDP %d", n), b.fromCustomer(typed(typeLLDP, 46)), want)
	}
}

func TestBandwidthAndCPU(t *testing.T) {
	b := newBench(t, func(_ *state.Desired, _ *state.Extension, g *Guards) {
		g.Bandwidth[l2.ToCloud], g.CPU = Rate{1000, 180}, 10
	})
	b.meet()
	for n := range 4 {
		want := None
		if n > 2 {
			want = Bandwidth
		}
		b.want(fmt.Sprintf("frame %d of 60 bytes, 180 at once", n), b.fromCustomer(eth(guest, host, payload)), want)
	}
	b.want("to the customer there is no limit", b.fromCloud(peerA, eth(host, guest, payload)), None)
	b.wait(time.Second)
	b.x.Work(b.now, 11*time.Millisecond)
	b.want("over its share of a core", b.fromCustomer(eth(guest, host, payload)), CPUBudget)
}

// Sources that flood together for long leave room for one that is mostly silent.
func TestStormLeavesRoom(t *testing.T) {
	b := newBench(t, noLoops)
	const flooders = 12
	for i := range flooders + 1 {
		b.want("greeting", b.fromCustomer(hello(station(1, i))), None)
	}
	b.wait(6 * time.Second)
	arp := func(i int) []byte {
		return eth(l2.Broadcast, station(1, i), frame.ARP{Op: 1, SenderIP: ipHost, TargetIP: ipGuest})
	}
	passed, answered := 0, 0
	for ms := range 10_000 {
		for n := range 5 { // 5,000 a second, ten times the class
			if b.fromCustomer(arp((5*ms+n)%flooders)).Reason == None {
				passed++
			}
		}
		if ms%500 == 499 && ms > 2000 && b.fromCustomer(arp(flooders)).Reason == None {
			answered++
		}
		b.wait(time.Millisecond)
	}
	if answered != 16 {
		t.Errorf("%d of 16 frames of the silent one passed", answered)
	}
	if passed < 10*450 || passed > 10*500+500 {
		t.Errorf("flooders passed %d in 10 s, of a class of 500/s", passed)
	}
}
