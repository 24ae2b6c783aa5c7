// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Each guard fires where it must, at the very frame, and leaves the others alone. The programs' clock stands
// still and is set by the test.
func TestGuards(t *testing.T) {
	lightSuite(t, []part{
		{"storm, whoever comes first", stormOpenHalf}, {"storm, known sources", stormShares}, {"storm, the smallest half", stormSmallestHalf}, {"storm classes", stormClasses},
		{"storm by bits", stormBits}, {"wanted floods", wantedFloods}, {"bandwidth", bandwidth},
		{"MAC limit", macLimit}, {"MAC rate", macRate}, {"MAC storm", macStorm}, {"placed MACs", placedMACs},
		{"moves", macMoves}, {"moves between VTEPs", vtepMoves}, {"virtual routers move", virtualRouters}, {"moves while half-raised", movesWhileHalfRaised},
		{"protected addresses", protectedAddresses}, {"services", services}, {"tunnelled control frames", tunnelledControl},
		{"crossings", crossings}, {"hairpins", hairpins}, {"back-off", backOff}, {"only reported", tripOnlyReported},
		{"observe", observeGuards}, {"moves observed", observedMoves}, {"off", guardsOff}, {"share of a core", cpuShare}, {"a pinned MAC not heard yet", pinnedUnheard}, {"freezes outlast age", freezesOutlastAge}, {"rates that shrink", ratesShrink}, {"smallest burst", smallestBurst}, {"modes that change", modesChange}, {"evasions", evasions}, {"flight recorder", flightRecorder}, {"recording", liveRecording},
	})
}

const second = time.Second

// stretched are the default guards.
func stretched() state.Guards {
	per := func(n uint64) state.Rate { return state.Rate{PerSecond: n, Burst: n} }
	storm := func(n uint64) state.StormRate { return state.StormRate{Rate: per(n)} }
	return state.Guards{
		Storm: [state.StormClasses]state.StormRate{storm(500), storm(50), storm(200), storm(500), storm(200)},
		Flood: per(20000), Learn: state.Rate{PerSecond: 100, Burst: 1024},
		Moves: state.MoveLimit{Count: 5, Window: 180 * second}, FastMoves: state.MoveLimit{Count: 3, Window: second},
		Fingerprint: true, Trip: true,
	}
}

// guarded gives the first extension guards, stops the clock at 1000 s, and forgets all budgets.
func (r *rig) guarded(change func(x *state.Extension, g *state.Guards)) {
	r.t.Helper()
	r.plane.tick, r.plane.stopped = 0, uint64(1000*second)
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Guards = stretched()
		if change != nil {
			change(x, &x.Guards)
		}
	})
	r.at(1000 * second)
}

// at sets the programs' clock.
func (r *rig) at(now time.Duration) {
	r.t.Helper()
	r.plane.tick, r.plane.stopped = 0, uint64(now)
	r.plane.tables.gateway.Tick, r.plane.tables.gateway.Stopped = 0, uint64(now)
	r.must(r.plane.writeGateway(r.plane.tables.gateway))
}

func (r *rig) now() time.Duration { return time.Duration(r.plane.stopped) }

func (r *rig) wait(d time.Duration) { r.at(r.now() + d) }

func station(n int) l2.MAC { return l2.MAC{2, 0, 1, 0, byte(n >> 8), byte(n)} }

// numbered is an opaque frame that differs from all others.
func numbered(dst, src l2.MAC, n int) []byte {
	return ethernet(dst, src, frame.Raw(binary.BigEndian.AppendUint64(make([]byte, 40), uint64(n))))
}

var serial int

// flood sends frames that all differ and counts what became of them.
func (r *rig) flood(nic string, dst, src l2.MAC, count int) map[string]int {
	r.t.Helper()
	got := map[string]int{}
	for range count {
		serial++
		in := numbered(dst, src, serial)
		if nic == "eth2" {
			in = r.onCircuit(in)
		} else {
			in = r.tunnelled(r.desired.Extensions[0].Peers[0], in)
		}
		got[r.fate(nic, in).what]++
	}
	return got
}

func (r *rig) wantFates(name string, got, want map[string]int) {
	r.t.Helper()
	for what, n := range want {
		if got[what] != n {
			r.t.Errorf("%s: %v, want %v", name, got, want)
			return
		}
	}
	for what := range got {
		if want[what] == 0 {
			r.t.Errorf("%s: %v, want %v", name, got, want)
			return
		}
	}
}

func stormOpenHalf(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: 40, Burst: 20}}
	})
	for _, nic := range []string{"eth2", "eth1"} { // each direction has a budget of its own
		src := station(len(nic) + int(nic[3]))
		r.wantFates(nic+" at once", r.flood(nic, l2.Broadcast, src, 30), map[string]int{"sent": 10, "storm-broadcast": 20})
		r.wait(500 * time.Millisecond) // 20 a second for the open half
		r.wantFates(nic+" later", r.flood(nic, l2.Broadcast, src, 30), map[string]int{"sent": 10, "storm-broadcast": 20})
		r.wait(50 * time.Millisecond)
		r.wantFates(nic+" one", r.flood(nic, l2.Broadcast, src, 3), map[string]int{"sent": 1, "storm-broadcast": 2})
	}
}

func stormShares(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: 100, Burst: 100}}
	})
	for n := range 12 {
		r.flood("eth2", l2.Broadcast, station(n), 1)
	}
	r.wait(10 * second) // all are known, all budgets are full
	// The flooder gets its tenth, and the open half; then its own share is what it lacks.
	r.wantFates("flooder", r.flood("eth2", l2.Broadcast, station(0), 100), map[string]int{"sent": 60, "storm-source": 40})
	for n := 1; n < 5; n++ { // what is kept for known sources is theirs
		r.wantFates("known", r.flood("eth2", l2.Broadcast, station(n), 12), map[string]int{"sent": 10, "storm-source": 2})
	}
	r.wantFates("known, all is gone", r.flood("eth2", l2.Broadcast, station(5), 1), map[string]int{"storm-broadcast": 1})
	r.wantFates("unknown", r.flood("eth2", l2.Broadcast, station(99), 1), map[string]int{"storm-broadcast": 1})
	// Replies to known stations are no flood.
	r.wantFates("known unicast", r.flood("eth2", station(99), station(5), 1), map[string]int{"same-side": 1})
}

// What is kept for known sources has room for one frame however small the class is, and for no second one before its time: with more
// at once a class of one a second would let through twice what the operator allowed.
func stormSmallestHalf(_ *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) {
		x.Static = []state.StaticMAC{{MAC: station(1), Side: l2.Customer}, {MAC: station(2), Side: l2.Customer}}
		g.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: 1, Burst: 1}}
	})
	r.wantFates("known", r.flood("eth2", l2.Broadcast, station(1), 1), map[string]int{"sent": 1})
	r.wantFates("whoever comes first", r.flood("eth2", l2.Broadcast, station(99), 1), map[string]int{"sent": 1})
	r.wait(2*second - 1)
	r.wantFates("known, too early", r.flood("eth2", l2.Broadcast, station(2), 1), map[string]int{"storm-broadcast": 1})
	r.wait(1)
	r.wantFates("known, in time", r.flood("eth2", l2.Broadcast, station(2), 1), map[string]int{"sent": 1})
}

// inClass makes a frame of each class.
func inClass(r *rig, class int, src l2.MAC) []byte {
	ip, six := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fe80::9")
	switch class {
	case state.StormARPND:
		serial++
		if serial%2 == 0 {
			return frame.Solicit(src, six, netip.MustParseAddr("fe80::8")).Bytes()
		}
		return frame.GratuitousARP(src, ip).Bytes()
	case state.StormDHCP:
		return ethernet(l2.Broadcast, src, frame.IPv4{Src: ip, Dst: netip.MustParseAddr("255.255.255.255")},
			frame.UDP{SrcPort: 68, DstPort: 67}, frame.Raw(make([]byte, 240)))
	case state.StormBroadcast:
		return numbered(l2.Broadcast, src, serial)
	case state.StormMulticast:
		return numbered(l2.MAC{1, 0, 0x5e, 1, 2, 3}, src, serial)
	}
	return numbered(station(4000), src, serial)
}

func stormClasses(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Fingerprint = false
		for i := range g.Storm {
			g.Storm[i] = state.StormRate{Rate: state.Rate{PerSecond: 10, Burst: 2 * uint64(i+1)}}
		}
	})
	names := []string{"storm-arp-nd", "storm-dhcp", "storm-broadcast", "storm-multicast", "storm-unknown-unicast"}
	for class, name := range names {
		got := map[string]int{}
		for range 8 {
			serial++
			got[r.fate("eth2", r.onCircuit(inClass(r, class, station(1)))).what]++
		}
		r.wantFates(name, got, map[string]int{"sent": class + 1, name: 7 - class})
	}
}

func stormBits(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Storm[state.StormBroadcast].Bits = state.BitRate{PerSecond: 62 * 8 * 10, Burst: second}
	})
	r.wantFates("62 bytes each", r.flood("eth2", l2.Broadcast, station(1), 12), map[string]int{"sent": 10, "storm-broadcast": 2})
}

func wantedFloods(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.FloodAllow = []state.MACPrefix{{MAC: l2.MAC{3, 0xbf}, Bits: 16}, {MAC: l2.MAC{2, 0xbf, 0, 0, 0, 1}, Bits: 48}}
		g.Flood = state.Rate{PerSecond: 10, Burst: 5}
		g.Storm[state.StormMulticast] = state.StormRate{Rate: state.Rate{PerSecond: 2, Burst: 2}}
	})
	r.wantFates("group", r.flood("eth2", l2.MAC{3, 0xbf, 9, 9, 9, 9}, station(1), 4), map[string]int{"sent": 4})
	r.wantFates("unicast", r.flood("eth2", l2.MAC{2, 0xbf, 0, 0, 0, 1}, station(1), 3), map[string]int{"sent": 1, "storm-unknown-unicast": 2})
	r.wantFates("group, above", r.flood("eth2", l2.MAC{3, 0xbf, 9, 9, 9, 9}, station(1), 2), map[string]int{"storm-multicast": 2})
	r.wantFates("not listed", r.flood("eth2", l2.MAC{3, 0xbe, 9, 9, 9, 9}, station(1), 2), map[string]int{"sent": 1, "storm-multicast": 1})
}

func bandwidth(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.ToCloud = state.BitRate{PerSecond: 62 * 8 * 10, Burst: second}
	})
	r.flood("eth1", l2.Broadcast, macVM, 1)
	r.flood("eth2", macVM, macHost, 1)
	r.wantFates("to cloud", r.flood("eth2", macVM, macHost, 12), map[string]int{"sent": 9, "bandwidth": 3})
	r.wantFates("to customer", r.flood("eth1", macHost, macVM, 12), map[string]int{"sent": 12})
	r.wait(100 * time.Millisecond)
	r.wantFates("later", r.flood("eth2", macVM, macHost, 2), map[string]int{"sent": 1, "bandwidth": 1})
}

func macLimit(_ *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) {
		x.MACLimit, g.Learn = 2, state.Rate{PerSecond: 1000, Burst: 1000}
	})
	r.flood("eth1", l2.Broadcast, macVM, 1)
	r.flood("eth2", l2.Broadcast, station(1), 1)
	r.flood("eth2", l2.Broadcast, station(2), 1)
	r.wantFates("floods", r.flood("eth2", l2.Broadcast, station(3), 2), map[string]int{"mac-limit": 2})
	r.wantFates("unknown unicast", r.flood("eth2", station(77), station(3), 2), map[string]int{"mac-limit": 2})
	r.wantFates("known unicast", r.flood("eth2", macVM, station(3), 2), map[string]int{"sent": 2})
	r.wantFates("who is learnt", r.flood("eth2", l2.Broadcast, station(1), 1), map[string]int{"sent": 1})
	r.wantFates("the other side", r.flood("eth1", l2.Broadcast, station(9), 1), map[string]int{"sent": 1})
	for range 4 { // who moves to a full side is not learnt there, and is no culprit for it
		r.wantFates("mover's floods", r.flood("eth2", l2.Broadcast, station(9), 1), map[string]int{"mac-limit": 1})
		r.wantFates("mover's known unicast", r.flood("eth2", macVM, station(9), 1), map[string]int{"sent": 1})
	}
}

func macRate(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.Learn = state.Rate{PerSecond: 10, Burst: 3} })
	got := map[string]int{}
	for n := range 5 {
		got[r.fate("eth2", r.onCircuit(numbered(l2.Broadcast, station(n), n))).what]++
	}
	r.wantFates("at once", got, map[string]int{"sent": 3, "mac-rate": 2})
	r.wait(100 * time.Millisecond)
	r.wantFates("later", r.flood("eth2", l2.Broadcast, station(4), 1), map[string]int{"sent": 1})
	r.wantFates("again too fast", r.flood("eth2", l2.Broadcast, station(5), 1), map[string]int{"mac-rate": 1})
}

func macStorm(_ *testing.T, r *rig) {
	r.guarded(nil)
	r.flood("eth1", l2.Broadcast, macVM, 1)
	r.flood("eth2", l2.Broadcast, station(1), 1)
	r.wait(second)
	c, err := r.plane.conversion()
	r.must(err)
	r.must(r.plane.SetMACStorm("acme", state.WayOf(l2.ToCloud), c.time(uint64(r.now())), c.time(uint64(r.now()+10*second))))
	r.wantFates("new source", r.flood("eth2", l2.Broadcast, station(2), 2), map[string]int{"mac-rate": 2})
	r.wantFates("known unicast", r.flood("eth2", macVM, station(2), 1), map[string]int{"sent": 1})
	r.wantFates("who was there", r.flood("eth2", l2.Broadcast, station(1), 1), map[string]int{"sent": 1})
	r.wantFates("new source in the cloud", r.flood("eth1", l2.Broadcast, station(3), 1), map[string]int{"sent": 1})
	if holds, err := r.plane.Holds(); err != nil || holds["acme"].MACStormUntil.IsZero() {
		r.t.Errorf("holds %+v, %v", holds, err)
	}
	// To the instant that was said: a bridge that held new stations for longer would show them to nobody, and tell nobody that it does.
	until := time.Duration(r.kept().MacStormUntil)
	r.at(until - 1)
	r.wantFates("at its end", r.flood("eth2", l2.Broadcast, station(2), 1), map[string]int{"mac-rate": 1})
	r.at(until)
	r.wantFates("over", r.flood("eth2", l2.Broadcast, station(2), 1), map[string]int{"sent": 1})
	r.must(r.plane.SetMACStorm("acme", state.WayOf(l2.ToCustomer), c.time(uint64(r.now())), c.time(uint64(r.now()+10*second))))
	r.wantFates("a storm from the cloud", r.flood("eth1", l2.Broadcast, station(4), 1), map[string]int{"mac-rate": 1})
	r.wantFates("new source at the customer", r.flood("eth2", l2.Broadcast, station(5), 1), map[string]int{"sent": 1})
}

func placedMACs(_ *testing.T, r *rig) {
	pinned := station(50)
	r.guarded(func(x *state.Extension, _ *state.Guards) {
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: peerA}, {MAC: pinned, Side: l2.Cloud, Pinned: true}}
	})
	for name, src := range map[string]l2.MAC{"static in the cloud": macVM, "pinned": pinned} {
		r.wantFates(name, r.flood("eth2", l2.Broadcast, src, 1), map[string]int{"mac-pinned": 1})
		r.wantFates(name+", at home", r.flood("eth1", l2.Broadcast, src, 1), map[string]int{"sent": 1})
	}
	r.wantFates("static at the customer", r.flood("eth1", l2.Broadcast, macHost, 1), map[string]int{"mac-pinned": 1})
}

func macMoves(_ *testing.T, r *rig) {
	r.guarded(nil)
	mac := station(1)
	r.flood("eth2", l2.Broadcast, mac, 1)
	r.wait(10 * second) // it lives there
	r.wantFates("first move", r.flood("eth1", l2.Broadcast, mac, 1), map[string]int{"sent": 1})
	r.wantFates("and back", r.flood("eth2", l2.Broadcast, mac, 1), map[string]int{"sent": 1})
	r.wantFates("third in a second", r.flood("eth1", l2.Broadcast, mac, 2), map[string]int{"mac-move": 2})
	r.wantFates("at home", r.flood("eth2", l2.Broadcast, mac, 1), map[string]int{"sent": 1})
	list, err := r.plane.MACs("acme")
	r.must(err)
	if len(list) != 1 || !list[0].Frozen || list[0].Side != l2.Customer || list[0].Moves != 2 {
		r.t.Errorf("FDB %+v", list)
	}
	r.wait(29 * second)
	r.wantFates("still frozen", r.flood("eth1", l2.Broadcast, mac, 1), map[string]int{"mac-move": 1})
	r.wait(2 * second)
	r.wantFates("thawed", r.flood("eth1", l2.Broadcast, mac, 1), map[string]int{"sent": 1})
	// The slow tier: five in three minutes.
	r.guarded(nil)
	slow := station(2)
	r.flood("eth2", l2.Broadcast, slow, 1)
	for n := range 4 {
		r.wait(10 * second)
		r.wantFates("slow move", r.flood([]string{"eth1", "eth2"}[n%2], l2.Broadcast, slow, 1), map[string]int{"sent": 1})
	}
	r.wait(10 * second)
	r.wantFates("the fifth", r.flood("eth1", l2.Broadcast, slow, 1), map[string]int{"mac-move": 1})
}

// vtepMoves: where a station last stayed, there it is frozen, also when it had come from another VTEP.
func vtepMoves(t *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, _ *state.Guards) { x.Peers = []netip.Addr{peerA, peerB} })
	mac := station(1)
	speaks := func(vtep netip.Addr, want string) {
		serial++
		r.expect("from "+vtep.String(), "eth1", r.tunnelled(vtep, numbered(l2.Broadcast, mac, serial)), want)
	}
	crosses := func(want string) {
		serial++
		r.expect("from the customer", "eth2", r.onCircuit(numbered(macVM, mac, serial)), want)
	}
	r.fromCloud(r.tunnelled(peerA, numbered(l2.Broadcast, macVM, 0)))
	speaks(peerA, "sent")
	r.wait(10 * second)
	speaks(peerB, "sent")
	r.wait(10 * second) // it lives there now
	speaks(peerA, "sent")
	crosses("sent")
	speaks(peerA, "sent")
	crosses("mac-move") // the third in a second
	if e, _ := r.entry(mac); e.Place != uint16(r.plane.vteps.byAddr[peerB]) {
		t.Errorf("frozen at %d, want it where it stayed, %d", e.Place, r.plane.vteps.byAddr[peerB])
	}
}

func virtualRouters(_ *testing.T, r *rig) {
	r.guarded(nil)
	for _, mac := range []l2.MAC{{0, 0, 0x5e, 0, 1, 7}, {0, 0, 0x5e, 0, 2, 7}, {0, 0, 0x0c, 7, 0xac, 1}, {0, 0, 0x0c, 0x9f, 0xf1, 2}, {0, 5, 0x73, 0xa0, 1, 2}, {0, 7, 0xb4, 0, 1, 2}} {
		for range 4 {
			r.wantFates(mac.String(), r.flood("eth2", l2.Broadcast, mac, 1), map[string]int{"sent": 1})
			r.wantFates(mac.String(), r.flood("eth1", l2.Broadcast, mac, 1), map[string]int{"sent": 1})
		}
	}
}

// trip makes the data path half-raise the bridge: two different frames cross.
func (r *rig) trip() {
	r.t.Helper()
	for range 2 {
		serial++
		in := numbered(l2.Broadcast, station(serial), serial)
		r.fate("eth2", r.onCircuit(in))
		r.fate("eth1", r.tunnelled(peerA, in))
	}
}

func (r *rig) heldFor() time.Duration {
	r.t.Helper()
	holds, err := r.plane.Holds()
	r.must(err)
	if holds["acme"].HalfRaisedUntil.IsZero() {
		return 0
	}
	// What is told goes by the clock of people, and that does not stand still.
	return time.Duration(r.kept().HalfRaisedUntil) - r.now()
}

// kept is what the programs keep of the first extension, by their own clock.
func (r *rig) kept() (s abi.TcExtensionState) {
	r.t.Helper()
	r.must(r.plane.mapNamed("states").Lookup(r.plane.slots.byName["acme"], &s))
	return s
}

func movesWhileHalfRaised(_ *testing.T, r *rig) {
	r.guarded(nil)
	r.flood("eth1", l2.Broadcast, macVM, 1)
	r.flood("eth2", l2.Broadcast, station(1), 1)
	r.wait(10 * second)
	r.trip()
	for range 9 {
		r.wantFates("known unicast from elsewhere", r.flood("eth1", macVM, station(1), 1), map[string]int{"split-horizon": 1})
	}
	r.wantFates("it did not move", r.flood("eth1", station(1), macVM, 1), map[string]int{"sent": 1})
}

func protectedAddresses(_ *testing.T, r *rig) {
	gw4, gw6 := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("2001:db8:1::1")
	other4, other6 := netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("2001:db8:1::2")
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.Protected, g.Fingerprint = []netip.Addr{gw4, gw6}, false })
	probe := frame.ARP{Op: 1, SenderMAC: macHost, SenderIP: netip.MustParseAddr("0.0.0.0"), TargetIP: gw4}
	ask := frame.ARP{Op: 1, SenderMAC: macHost, SenderIP: other4, TargetIP: gw4}
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"gratuitous ARP", frame.GratuitousARP(macHost, gw4).Bytes(), "address-protected"},
		{"ARP of another", frame.GratuitousARP(macHost, other4).Bytes(), "sent"},
		{"ARP asks for it", ethernet(l2.Broadcast, macHost, ask), "sent"},
		{"ARP probe", ethernet(l2.Broadcast, macHost, probe), "sent"},
		{"IPv4 source", ethernet(l2.Broadcast, macHost, frame.IPv4{Src: gw4, Dst: other4}, frame.UDP{}), "address-protected"},
		{"IPv4 destination", ethernet(l2.Broadcast, macHost, frame.IPv4{Src: other4, Dst: gw4}, frame.UDP{}), "sent"},
		{"NA", frame.Advertise(macHost, gw6, l2.MAC{0x33, 0x33, 0, 0, 0, 1}, netip.MustParseAddr("ff02::1")).Bytes(), "address-protected"},
		{"NA of another", frame.Advertise(macHost, other6, l2.MAC{0x33, 0x33, 0, 0, 0, 1}, netip.MustParseAddr("ff02::1")).Bytes(), "sent"},
		{"NS for it", frame.Solicit(macHost, other6, gw6).Bytes(), "sent"},
		{"NS from it", frame.Solicit(macHost, gw6, other6).Bytes(), "address-protected"},
		{"NA that ends before its target", ethernet(l2.Broadcast, macHost, frame.IPv6{Src: other6, Dst: gw6, PayloadLength: frame.Set(8)},
			frame.ICMPv6{Type: 136}, frame.Raw(gw6.AsSlice())), "sent"},
		{"IPv6 source", ethernet(l2.Broadcast, macHost, frame.IPv6{Src: gw6, Dst: other6}, frame.UDP{}), "address-protected"},
	} {
		r.expect(c.name, "eth2", r.onCircuit(c.in), c.want)
	}
	r.expect("from the cloud", "eth1", r.tunnelled(peerA, frame.GratuitousARP(macVM, gw4).Bytes()), "sent")
}

func services(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Refused.FromCustomer = state.Services{DHCP: true, Router: true, FHRP: true, Querier: true}
		g.Storm, g.Fingerprint = [state.StormClasses]state.StormRate{}, false
	})
	four := func(dst string, more ...frame.Layer) []byte {
		return ethernet(l2.Broadcast, macHost, append([]frame.Layer{frame.IPv4{Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddr(dst)}}, more...)...)
	}
	six := func(more ...frame.Layer) []byte {
		return ethernet(l2.MAC{0x33, 0x33, 0, 0, 0, 1}, macHost, append([]frame.Layer{frame.IPv6{Src: netip.MustParseAddr("fe80::9"), Dst: netip.MustParseAddr("ff02::1")}}, more...)...)
	}
	op := func(n byte) frame.Layer { return frame.Raw(append([]byte{n}, make([]byte, 239)...)) }
	dhcp := func(src, dst uint16, n byte) []byte {
		return four("255.255.255.255", frame.UDP{SrcPort: src, DstPort: dst}, op(n))
	}
	dhcp6 := func(src, dst uint16, n byte) []byte { return six(frame.UDP{SrcPort: src, DstPort: dst}, op(n)) }
	ended := func(protocol, total uint32, payload ...byte) []byte { // an IPv4 packet that ends before its frame does
		ip := frame.IPv4{Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddr("224.0.0.1"), Protocol: frame.Set(protocol), TotalLength: frame.Set(total)}
		return ethernet(l2.Broadcast, macHost, ip, frame.Raw(append(payload, make([]byte, 40)...)))
	}
	hop, fragment := frame.HopByHop(), frame.Fragment{ID: 1, More: true}
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"DHCP offer", dhcp(67, 68, 2), "service-dhcp"}, {"DHCP discover", dhcp(68, 67, 1), "sent"},
		{"offer from another port", dhcp(4000, 68, 2), "service-dhcp"}, {"relayed reply", dhcp(67, 67, 2), "service-dhcp"},
		{"relayed request", dhcp(67, 67, 1), "sent"}, {"DHCPv6 advertise", dhcp6(547, 546, 2), "service-dhcp"},
		{"DHCPv6 solicit", dhcp6(546, 547, 1), "sent"}, {"DHCPv6 relay-repl", dhcp6(547, 547, 13), "service-dhcp"},
		{"DHCPv6 relay-forw", dhcp6(547, 547, 12), "sent"},
		{"RA", six(frame.ICMPv6{Type: 134}, frame.Raw(make([]byte, 12))), "service-router"},
		{"RA behind headers", six(hop, frame.DestinationOptions(), frame.ICMPv6{Type: 134}, frame.Raw(make([]byte, 12))), "service-router"},
		{"RA in a fragment", six(fragment, frame.ICMPv6{Type: 134}, frame.Raw(make([]byte, 12))), "malformed"},
		{"RS", six(frame.ICMPv6{Type: 133}, frame.Raw(make([]byte, 4))), "sent"},
		{"redirect", six(frame.ICMPv6{Type: 137}, frame.Raw(make([]byte, 36))), "service-router"},
		{"NA", six(frame.ICMPv6{Type: 136}, frame.Raw(make([]byte, 20))), "sent"},
		{"MLD query", six(hop, frame.ICMPv6{Type: 130}, frame.Raw(make([]byte, 20))), "service-querier"},
		{"MLD report", six(hop, frame.ICMPv6{Type: 143}, frame.Raw(make([]byte, 4))), "sent"},
		{"ICMP redirect", four("10.0.0.1", frame.ICMP{Type: 5}, frame.Raw(make([]byte, 28))), "service-router"},
		{"ICMP echo", four("10.0.0.1", frame.ICMP{Type: 8}), "sent"},
		{"HSRP", four("224.0.0.2", frame.UDP{SrcPort: 1985, DstPort: 1985}, op(0)), "service-fhrp"},
		{"a reply that is a hello too", four("224.0.0.2", frame.UDP{SrcPort: 67, DstPort: 1985}, op(2)), "service-dhcp"},
		{"a request that is a hello too", four("224.0.0.2", frame.UDP{SrcPort: 67, DstPort: 1985}, op(1)), "service-fhrp"},
		{"IGMP query", ended(2, 24, 0x11), "service-querier"}, {"IGMP query behind the packet's end", ended(2, 20, 0x11), "sent"},
		{"redirect behind the packet's end", ended(1, 20, 5), "sent"}, {"VRRP behind AH", ended(51, 44, 112, 4), "service-fhrp"},
		{"VRRP behind AH that is cut short", ended(51, 43, 112, 4), "sent"},
		{"ESP that begins as a redirect does", ended(50, 44, 5, 1), "sent"}, {"GRE that begins as an advertisement does", ended(47, 44, 9), "sent"},
		{"GLBP", four("224.0.0.102", frame.UDP{SrcPort: 3222, DstPort: 3222}, op(0)), "service-fhrp"},
		{"a client's port", ethernet(macVM, macHost, frame.IPv4{Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddr("10.0.0.1")}, frame.UDP{SrcPort: 53, DstPort: 1985}, op(0)), "sent"},
	} {
		r.expect(c.name, "eth2", r.onCircuit(c.in), c.want)
	}
	back := swapped(dhcp(67, 68, 2))
	copy(back, l2.Broadcast[:])
	copy(back[6:], macVM[:])
	r.expect("the cloud's DHCP offer", "eth1", r.tunnelled(peerA, back), "sent")
}

// control is a frame of the host's with these bytes behind the addresses.
func control(dst l2.MAC, rest []byte) []byte {
	return append(append(dst[:], macHost[:]...), rest...)
}

func tunnelledControl(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Tunnelled = []string{"lldp", "stp", "cdp"}
		g.Storm[state.StormMulticast] = state.StormRate{Rate: state.Rate{PerSecond: 8, Burst: 8}}
	})
	cisco := l2.MAC{1, 0, 0x0c, 0xcc, 0xcc, 0xcc}
	snap := func(pid byte) []byte {
		return control(cisco, append([]byte{0, 46, 0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, pid}, make([]byte, 38)...))
	}
	near := l2.MAC{1, 0x80, 0xc2, 0, 0, 0x0e}
	lldp := control(near, append([]byte{0x88, 0xcc}, make([]byte, 46)...))
	bpdu := control(l2.MAC{1, 0x80, 0xc2, 0, 0, 0}, append([]byte{0, 38, 0x42, 0x42, 3}, make([]byte, 43)...))
	pause := control(l2.MAC{1, 0x80, 0xc2, 0, 0, 1}, append([]byte{0x88, 0x08}, make([]byte, 46)...))
	r.expect("LLDP", "eth2", r.onCircuit(lldp), "sent")
	r.expect("BPDU", "eth2", r.onCircuit(bpdu), "sent")
	r.expect("CDP", "eth2", r.onCircuit(snap(0)), "sent")
	r.expect("VTP", "eth2", r.onCircuit(snap(3)), "control-frame")
	r.expect("PAUSE", "eth2", r.onCircuit(pause), "control-frame")
	r.expect("LLDP, the last", "eth2", r.onCircuit(lldp), "sent")
	r.expect("LLDP beyond the rate", "eth2", r.onCircuit(lldp), "storm-multicast")
}

func crossings(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.Storm = [state.StormClasses]state.StormRate{} })
	one := numbered(l2.Broadcast, station(1), 1)
	r.fate("eth2", r.onCircuit(one))
	r.fate("eth1", r.tunnelled(peerA, one))
	if d := r.heldFor(); d != 0 {
		r.t.Fatalf("one crossing holds the bridge for %s", d)
	}
	r.wait(101 * time.Millisecond)
	r.trip()
	if d := r.heldFor(); d != 2*second {
		r.t.Errorf("two crossings hold it for %s", d)
	}
	r.wantFates("half-raised", r.flood("eth2", l2.Broadcast, station(3), 1), map[string]int{"half-raised": 1})
	r.wait(2 * second)
	r.wantFates("released", r.flood("eth2", l2.Broadcast, station(3), 1), map[string]int{"sent": 1})
	// One frame that goes back and forth.
	r.must(r.plane.LetDown("acme"))
	r.wait(second)
	again := numbered(l2.Broadcast, station(4), 77)
	for n := range 5 {
		if d := r.heldFor(); d != 0 {
			r.t.Errorf("held after %d frames", n)
		}
		if n%2 == 0 {
			r.fate("eth2", r.onCircuit(again))
		} else {
			r.fate("eth1", r.tunnelled(peerA, again))
		}
	}
	if d := r.heldFor(); d != 2*second {
		r.t.Errorf("a frame that crosses four times holds it for %s", d)
	}
}

func hairpins(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.Storm = [state.StormClasses]state.StormRate{} })
	for range 20 { // one source that repeats itself is a storm
		r.fate("eth2", r.onCircuit(numbered(l2.Broadcast, station(1), 5)))
	}
	for n := 2; n < 4; n++ {
		if d := r.heldFor(); d != 0 {
			r.t.Fatalf("held for %s after %d sources", d, n-1)
		}
		for range 4 {
			r.fate("eth2", r.onCircuit(numbered(l2.Broadcast, station(n), 5)))
		}
	}
	if d := r.heldFor(); d != 2*second {
		r.t.Errorf("three hairpins hold it for %s", d)
	}
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.Storm = [state.StormClasses]state.StormRate{} })
	r.must(r.plane.LetDown("acme"))
	for n := range 100 { // after a fail-over many hosts say where they are, each up to five times: no loop
		for range 5 {
			r.fate("eth2", r.onCircuit(frame.GratuitousARP(station(n), ipHost).Bytes()))
			r.fate("eth2", r.onCircuit(frame.RARP(station(n)).Bytes()))
		}
	}
	if d := r.heldFor(); d != 0 {
		r.t.Errorf("what hosts announce five times holds it for %s", d)
	}
	for n := range 3 { // but eight times is a loop
		for range 8 {
			r.fate("eth2", r.onCircuit(frame.GratuitousARP(station(n), ipHost).Bytes()))
		}
	}
	if d := r.heldFor(); d != 2*second {
		r.t.Errorf("announcements that return eight times hold it for %s", d)
	}
}

func backOff(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Storm, g.Learn = [state.StormClasses]state.StormRate{}, state.Rate{}
	})
	for _, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		r.trip()
		if d := r.heldFor(); d != want*second {
			r.t.Errorf("held for %s, want %s", d, want*second)
		}
		r.wait(want*second + second)
	}
	r.wait(301 * second)
	r.trip()
	if d := r.heldFor(); d != 2*second {
		r.t.Errorf("after a calm: held for %s", d)
	}
	r.wait(second)
	r.trip()
	if d := r.heldFor(); d != 2*second {
		r.t.Errorf("a further sign: held for %s", d)
	}
}

func tripOnlyReported(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.Trip = false })
	r.trip()
	r.wantFates("not held", r.flood("eth2", l2.Broadcast, station(3), 1), map[string]int{"sent": 1})
}

func observeGuards(_ *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) {
		x.Mode = state.Observe
		g.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: 2, Burst: 2}}
	})
	r.wantFates("forwarded", r.flood("eth2", l2.Broadcast, station(1), 4), map[string]int{"sent": 4})
	if n := r.counters("acme").ToCloud.WouldDrop["storm-broadcast"]; n != 3 {
		r.t.Errorf("%d would have been dropped, want 3", n)
	}
	r.trip()
	r.wantFates("not held", r.flood("eth2", l2.Broadcast, station(1), 1), map[string]int{"sent": 1})
	if n := r.counters("acme").ToCloud.WouldDrop["half-raised"]; n == 0 {
		r.t.Error("nothing would have been dropped as half-raised")
	}
	if d := r.heldFor(); d != 0 {
		r.t.Errorf("told to be held for %s", d)
	}
}

// observedMoves: a MAC that would be frozen is forwarded, and followed: unicast to it goes where it was heard last.
func observedMoves(t *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, _ *state.Guards) { x.Mode = state.Observe })
	mac := station(1)
	for n := range 8 {
		r.wantFates("move", r.flood([]string{"eth2", "eth1"}[n%2], l2.Broadcast, mac, 1), map[string]int{"sent": 1})
		if e, _ := r.entry(mac); side(e.Place) != n%2 {
			t.Errorf("after frame %d it is at %d", n, e.Place)
		}
	}
	would := r.counters("acme").ToCustomer.WouldDrop["mac-move"] + r.counters("acme").ToCloud.WouldDrop["mac-move"]
	if would == 0 {
		t.Error("no frame would have been dropped as mac-move: nothing was shown")
	}
}

func guardsOff(_ *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) {
		x.Mode = state.Off
		g.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: 2, Burst: 2}}
	})
	r.wantFates("forwarded", r.flood("eth2", l2.Broadcast, station(1), 4), map[string]int{"sent": 4})
	r.trip()
	r.wantFates("not held", r.flood("eth2", l2.Broadcast, station(1), 1), map[string]int{"sent": 1})
	if w := r.counters("acme").ToCloud.WouldDrop; len(w) != 0 {
		r.t.Errorf("would drop %v", w)
	}
}

func flightRecorder(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: 8, Burst: 8}}
	})
	r.flood("eth2", l2.Broadcast, station(1), 6)
	frames, err := r.plane.Recorded("acme")
	r.must(err)
	var forwarded, dropped int
	for _, f := range frames {
		switch {
		case f.Reason == "" && f.Direction == l2.ToCloud && f.Size == 62 && len(f.Bytes) == 62 && l2.MAC(f.Bytes[6:12]) == station(1):
			forwarded++
		case f.Reason == "storm-broadcast":
			dropped++
		default:
			r.t.Errorf("recorded %+v", f)
		}
	}
	if forwarded != 4 || dropped != 1 { // of the dropped ones in a tick, one
		r.t.Errorf("recorded %d forwarded frames and %d dropped", forwarded, dropped)
	}
}

// Whoever listens is told of every frame, with its verdict, also of those that a cache would spare the stages.
func liveRecording(t *testing.T, r *rig) {
	r.guarded(nil)
	r.statics()
	r.flood("eth2", macVM, macHost, 3)
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan state.RecordedFrame, 16), make(chan error)
	go func() {
		_, err := r.plane.Record(ctx, "acme", out)
		done <- err
	}()
	next := func(in []byte, reason string) {
		t.Helper()
		select {
		case f := <-out:
			if string(f.Bytes) != string(in) || f.Reason != reason || f.Direction != l2.ToCloud || f.Size != len(in) {
				t.Errorf("recorded %+v, want %q of % x", f, reason, in)
			}
		case <-time.After(5 * second):
			t.Fatal("nothing was recorded")
		}
	}
	for deadline := time.Now().Add(5 * second); ; {
		if r.kept().RecordUntil > uint64(r.now()) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the programs were not told to record")
		}
	}
	for n := range 3 {
		in := numbered(macVM, macHost, n)
		r.fate("eth2", r.onCircuit(in))
		next(in, "")
	}
	bad := numbered(macVM, l2.Broadcast, 1)
	r.fate("eth2", r.onCircuit(bad))
	next(bad, "bad-source")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.must(r.plane.LetDown("acme"))
}

// Frames take real time here, so the clock goes. What a timed frame took is charged for eight.
func cpuShare(t *testing.T, r *rig) {
	tick, err := r.plane.measureTick()
	r.must(err)
	r.plane.tick, r.plane.stopped = tick, 0
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Guards = state.Guards{CPU: 1}
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: peerA}}
	})
	in, drops, sent, began := r.onCircuit(opaque), uint64(0), 0, time.Now()
	for ; sent < 100_000 && drops == 0; sent += 1000 {
		for range 1000 {
			r.run(r.engine.String()+"_customer", "eth2", in, gso{})
		}
		drops = r.counters("acme").ToCloud.Drops["cpu-budget"]
	}
	slot := r.plane.slots.byName["acme"]
	var spent abi.TcSpending
	r.must(r.plane.mapNamed("budgets").Lookup(slot, &spent))
	// A frame takes well over 100 ns. On a machine that lets the test send only one in 20 µs that may be less than a percent.
	slow := time.Since(began) > time.Duration(sent)*20*time.Microsecond
	if spent.Way[0].Cpu == 0 || drops == 0 && !slow || r.counters("acme").ToCloud.Tx.Frames == 0 {
		t.Errorf("of %d frames at one percent of a core in %s: %+v", sent, time.Since(began), r.counters("acme").ToCloud)
	}
	if drops == 0 { // the same, as if more had been charged
		spent.Way[0].Cpu += r.plane.tables.records[slot].guards.Value().Cpu.Burst * 3 / 2
		r.must(r.plane.mapNamed("budgets").Put(slot, spent))
		r.expect("over its share", "eth2", in, "cpu-budget")
	}
	r.change(func(x *state.Extension, _ *state.Desired) { x.Guards = state.Guards{} })
	r.expect("without the limit", "eth2", in, "sent")
}

// It is in the cloud, at whichever VTEP: what goes there is a flood like any other.
func pinnedUnheard(_ *testing.T, r *rig) {
	pinned := station(50)
	r.guarded(func(x *state.Extension, g *state.Guards) {
		x.Static = []state.StaticMAC{{MAC: pinned, Side: l2.Cloud, Pinned: true}}
		g.Storm[state.StormUnknownUnicast] = state.StormRate{Rate: state.Rate{PerSecond: 4, Burst: 4}}
	})
	r.wantFates("not heard", r.flood("eth2", pinned, station(1), 4), map[string]int{"sent": 2, "storm-unknown-unicast": 2})
	r.flood("eth1", l2.Broadcast, pinned, 1)
	r.wantFates("heard", r.flood("eth2", pinned, station(1), 4), map[string]int{"sent": 4})
}

func freezesOutlastAge(_ *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, _ *state.Guards) { x.MACAge = 6 * second })
	mac := station(1)
	r.flood("eth2", l2.Broadcast, mac, 1)
	r.wait(5500 * time.Millisecond)
	r.flood("eth1", l2.Broadcast, mac, 1)
	r.flood("eth2", l2.Broadcast, mac, 1)
	r.wantFates("frozen", r.flood("eth1", l2.Broadcast, mac, 1), map[string]int{"mac-move": 1})
	r.wait(20 * second)
	r.wantFates("while home is silent", r.flood("eth1", l2.Broadcast, mac, 1), map[string]int{"mac-move": 1})
}

// What a former configuration let run ahead is forgiven.
func ratesShrink(_ *testing.T, r *rig) {
	storm := func(rate, burst uint64) {
		r.change(func(x *state.Extension, _ *state.Desired) {
			x.Guards.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: rate, Burst: burst}}
		})
	}
	r.guarded(nil)
	storm(1, 100)
	r.wantFates("the old burst", r.flood("eth2", l2.Broadcast, station(1), 51), map[string]int{"sent": 50, "storm-broadcast": 1})
	storm(200, 20)
	r.flood("eth2", l2.Broadcast, station(1), 1)
	r.wait(200 * time.Millisecond)
	r.wantFates("the new one", r.flood("eth2", l2.Broadcast, station(1), 11), map[string]int{"sent": 10, "storm-broadcast": 1})
}

func smallestBurst(_ *testing.T, r *rig) {
	for _, rate := range []uint64{1, 3} { // thirds of a second cannot be told exactly
		r.guarded(func(_ *state.Extension, g *state.Guards) {
			g.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: rate, Burst: 1}}
		})
		r.at(time.Duration(1000*(1+rate)) * second)
		r.wantFates("one", r.flood("eth2", l2.Broadcast, station(int(rate)), 2), map[string]int{"sent": 1, "storm-broadcast": 1})
		r.wait(2 * second)
		r.wantFates("and another", r.flood("eth2", l2.Broadcast, station(int(rate)), 2), map[string]int{"sent": 1, "storm-broadcast": 1})
	}
}

// What was only observed does not hold when the mode becomes enforce, and what was held ends with trip.auto.
func modesChange(_ *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, _ *state.Guards) { x.Mode = state.Observe })
	r.trip()
	r.change(func(x *state.Extension, _ *state.Desired) { x.Mode = state.Enforce })
	r.wantFates("enforce", r.flood("eth2", l2.Broadcast, station(1), 1), map[string]int{"sent": 1})
	r.wait(second)
	r.trip()
	r.wantFates("tripped", r.flood("eth2", l2.Broadcast, station(1), 1), map[string]int{"half-raised": 1})
	r.change(func(x *state.Extension, _ *state.Desired) { x.Guards.Trip = false })
	r.wantFates("only reported", r.flood("eth2", l2.Broadcast, station(1), 1), map[string]int{"sent": 1})
}

func evasions(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) {
		g.Refused.FromCustomer = state.Services{DHCP: true, FHRP: true}
		g.Tunnelled = []string{"lacp"}
	})
	ip := func(more ...frame.Layer) []byte {
		return ethernet(l2.Broadcast, macHost, append([]frame.Layer{frame.IPv4{Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.MustParseAddr("10.0.0.1"), MoreFragments: true}}, more...)...)
	}
	first := append(ip(frame.UDP{SrcPort: 67, DstPort: 67}, frame.Raw(nil)), 1) // the next fragment has the op: this is padding
	r.expect("DHCP reply in fragments", "eth2", r.onCircuit(first), "service-dhcp")
	slow := func(subtype byte) []byte {
		return control(l2.MAC{1, 0x80, 0xc2, 0, 0, 2}, append([]byte{0x88, 0x09, subtype}, make([]byte, 45)...))
	}
	r.expect("LACP", "eth2", r.onCircuit(slow(1)), "sent")
	r.expect("OAM", "eth2", r.onCircuit(slow(3)), "control-frame")
	ah := frame.Auth{NextHeader: frame.Set(112)}
	r.expect("VRRP behind AH", "eth2", r.onCircuit(ip(ah, frame.Raw(make([]byte, 20)))), "service-fhrp")
}
