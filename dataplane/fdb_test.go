// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestFDB(t *testing.T) {
	suite(t, []part{
		{"moves", moves}, {"moves between VTEPs", movesBetweenVTEPs}, {"quota", quota}, {"quota and moves", quotaAndMoves}, {"quota of a slot's next", quotaOfTheNext},
		{"static", staticMACs}, {"pinned", pinnedMACs}, {"expired destination", expiredDestination}, {"ageing", ageing},
		{"a shorter age", shorterAge}, {"extensions apart", extensionsApart}, {"to itself", toItself},
		{"known to both tables", knownToBoth},
	})
}

// knownToBoth: an entry that is carried over meets one that was learnt meanwhile, which takes what the older one knows better.
func knownToBoth(t *testing.T, r *rig) {
	r.says(macHost)
	is, _ := r.entry(macHost)
	carry := func(change func(other *abi.TcFdbEntry)) abi.TcFdbEntry {
		t.Helper()
		other := is
		change(&other)
		clock, err := r.plane.clock()
		r.must(err)
		a := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_CARRY, Now: uint64(clock)}
		a.Key.Slot, a.Key.Mac = r.plane.slots.byName["acme"], macHost
		copy(asBytes(&a.Entry), asBytes(&other))
		r.must(r.plane.admin(a))
		after, _ := r.entry(macHost)
		return after
	}
	cloud := uint16(r.plane.vteps.byAddr[peerA])
	later, longer := is.Seen+uint64(time.Second), is.Seen+uint64(time.Minute)
	if after := carry(func(e *abi.TcFdbEntry) { e.FrozenUntil, e.Freezes, e.Seen = longer, 3, later }); after.FrozenUntil != longer || after.Freezes != 3 || after.Seen != later {
		t.Errorf("a freeze that was not known: %+v", after)
	}
	if after := carry(func(e *abi.TcFdbEntry) { e.FrozenUntil, e.Freezes, e.Seen = later, 1, is.Seen }); after.FrozenUntil != longer || after.Freezes != 3 || after.Seen != later {
		t.Errorf("one that ends earlier: %+v", after)
	}
	if after := carry(func(e *abi.TcFdbEntry) { e.Since, e.Place, e.Home, e.Moves = is.Since-1, cloud, 7, 9 }); after.Place != is.Place || after.Moves != is.Moves {
		t.Errorf("a place from before: %+v", after)
	}
	after := carry(func(e *abi.TcFdbEntry) { e.Since, e.Place, e.Home, e.Moves = later, cloud, 7, 9 })
	if after.Place != cloud || after.Since != later || after.Moves != 9 || after.Home != 7 {
		t.Errorf("a place from later: %+v", after)
	}
	var s abi.TcExtensionState
	r.must(r.plane.mapNamed("states").Lookup(r.plane.slots.byName["acme"], &s))
	if s.Learnt != [2]uint32{0, 1} {
		t.Errorf("quota: %v", s.Learnt)
	}
}

func (r *rig) says(mac l2.MAC) { // from the customer, to everybody
	r.t.Helper()
	r.expect("broadcast of "+mac.String(), "eth2", r.onCircuit(ethernet(l2.Broadcast, mac, frame.Raw(make([]byte, 46)))), "sent")
}

func (r *rig) heardFrom(vtep netip.Addr, mac l2.MAC) {
	r.t.Helper()
	in := packet{ip: frame.IPv4{Src: vtep}, inner: ethernet(l2.Broadcast, mac, frame.Raw(make([]byte, 46)))}.bytes(r)
	r.expect("broadcast of "+mac.String(), "eth1", in, "sent")
}

func (r *rig) place(mac l2.MAC) event.Place {
	r.t.Helper()
	e, ok := r.entry(mac)
	if !ok {
		return event.Place{}
	}
	return r.plane.placeOf(e.Place)
}

func (r *rig) isAt(mac l2.MAC, want event.Place) {
	r.t.Helper()
	if got := r.place(mac); got != want {
		r.t.Errorf("%s is at %v, want %v", mac, got, want)
	}
}

var (
	atCustomer = event.Place{Side: l2.Customer}
	atA        = event.Place{Side: l2.Cloud, VTEP: peerA}
	atB        = event.Place{Side: l2.Cloud, VTEP: peerB}
)

// toItself: a frame teaches its source before its destination is looked up, also when they are one.
func toItself(_ *testing.T, r *rig) {
	in := ethernet(mac(7, 1), mac(7, 1), udp(10)...)
	r.expect("from the customer", "eth2", r.onCircuit(in), "same-side")
	in = ethernet(mac(7, 2), mac(7, 2), udp(10)...)
	r.expect("from the cloud", "eth1", packet{ip: frame.IPv4{Src: peerA}, inner: in}.bytes(r), "split-horizon")
}

// watch runs Watch until the test ends; next waits for its next event.
func (r *rig) watch() (next func() event.MACMoved) {
	ctx, cancel := context.WithCancel(context.Background())
	events, done := make(chan event.Event, 16), make(chan error, 1)
	go func() { done <- r.plane.Watch(ctx, events) }()
	t := r.t
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	return func() event.MACMoved {
		t.Helper()
		select {
		case e := <-events:
			m, ok := e.(event.MACMoved)
			if !ok {
				t.Fatalf("event %T", e)
			}
			return m
		case <-time.After(5 * time.Second):
			t.Fatal("no event for a move")
		}
		return event.MACMoved{}
	}
}

func (r *rig) moved(next func() event.MACMoved, mac l2.MAC, from, to event.Place) {
	r.t.Helper()
	e := next()
	name, _ := r.plane.Extension(e.Slot)
	if e.MAC != mac || e.From != from || e.To != to || name != "acme" || time.Since(e.At).Abs() > time.Minute {
		r.t.Errorf("event %+v of %s, want %s from %v to %v", e, name, mac, from, to)
	}
	r.isAt(mac, to)
}

func moves(t *testing.T, r *rig) {
	next := r.watch()
	r.says(macHost)
	r.isAt(macHost, atCustomer)
	r.heardFrom(peerA, macHost)
	r.moved(next, macHost, atCustomer, atA)
	r.says(macHost)
	r.moved(next, macHost, atA, atCustomer)
	x := r.counters("acme")
	if x.Customer != 1 || x.Cloud != 0 {
		t.Errorf("%d MACs at the customer, %d in the cloud", x.Customer, x.Cloud)
	}
	macs, err := r.plane.MACs("acme")
	r.must(err)
	if len(macs) != 1 || macs[0].Moves != 2 || macs[0].Side != l2.Customer || macs[0].MAC != macHost {
		t.Errorf("MACs: %+v", macs)
	}
}

func movesBetweenVTEPs(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) { x.Peers = []netip.Addr{peerA, peerB} })
	next := r.watch()
	r.heardFrom(peerA, macVM)
	r.isAt(macVM, atA)
	r.heardFrom(peerB, macVM)
	r.moved(next, macVM, atA, atB)
	f := r.expect("to the new place", "eth2", r.onCircuit(ethernet(macVM, macHost, udp(10)...)), "sent")
	if p, err := frame.ParseVXLAN(f.out); err != nil || p.Dst != peerB || p.Outer.Ethernet.Dst != macPeerB {
		t.Errorf("sent to %v at %v, want %s (%v)", p.Dst, p.Outer, peerB, err)
	}
	// What one VTEP sends to a station at another: overlay to overlay, never forwarded.
	in := packet{inner: ethernet(macVM, l2.MAC{2, 7, 7, 7, 7, 7}, udp(10)...)}.bytes(r)
	r.expect("from one VTEP to another", "eth1", in, "split-horizon")
}

func mac(kind, n int) l2.MAC { return l2.MAC{2, 0, byte(kind), 0, byte(n >> 8), byte(n)} }

func quota(t *testing.T, r *rig) {
	const limit = 4
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACLimit = limit })
	for i := range limit {
		r.says(mac(1, i))
		r.heardFrom(peerA, mac(2, i))
	}
	for i := limit; i < 3*limit; i++ { // what becomes of these frames is the MAC guards' business
		r.fate("eth2", r.onCircuit(ethernet(l2.Broadcast, mac(1, i), frame.Raw(make([]byte, 46)))))
		r.fate("eth1", packet{inner: ethernet(l2.Broadcast, mac(2, i), frame.Raw(make([]byte, 46)))}.bytes(r))
	}
	for i := range 3 * limit {
		for kind := 1; kind < 3; kind++ {
			if got := r.isLearnt(mac(kind, i)); got != (i < limit) {
				t.Errorf("source %d of side %d learnt is %t with a limit of %d", i, kind, got, limit)
			}
		}
	}
	r.expect("unlearnt to a known destination", "eth2", r.onCircuit(ethernet(mac(2, 0), mac(1, limit), udp(10)...)), "sent")
	if x := r.counters("acme"); x.Customer != limit || x.Cloud != limit {
		t.Errorf("%d MACs at the customer, %d in the cloud, limit %d", x.Customer, x.Cloud, limit)
	}
}

// guards.md: the limit is of MACs learnt per extension and side. A station that moves to a full side is
// one more there.
func quotaAndMoves(t *testing.T, r *rig) {
	const limit = 4
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACLimit = limit })
	for i := range limit {
		r.says(mac(1, i))
		r.heardFrom(peerA, mac(2, i))
	}
	for i := range limit {
		r.fate("eth1", packet{inner: ethernet(l2.Broadcast, mac(1, i), frame.Raw(make([]byte, 46)))}.bytes(r))
	}
	if x := r.counters("acme"); x.Customer > limit || x.Cloud > limit {
		t.Errorf("after moves %d MACs at the customer, %d in the cloud: guards.md allows %d learnt per extension and side", x.Customer, x.Cloud, limit)
	}
}

// A slot's next extension inherits nothing of what the last one had learnt, on either side.
func quotaOfTheNext(t *testing.T, r *rig) {
	slot := r.plane.slots.byName["acme"]
	for i := range 3 {
		r.says(mac(1, i))
		r.heardFrom(peerA, mac(2, i))
	}
	for _, name := range []l2.Name{"between", "next"} { // while one leaves and another comes, both have a slot
		r.plane.slots.next = slot
		r.change(func(x *state.Extension, _ *state.Desired) { x.Name = name })
		r.checkBooks()
	}
	if got := r.plane.slots.byName["next"]; got != slot {
		t.Errorf("the next extension has slot %d, want %d again", got, slot)
	}
}

func staticMACs(t *testing.T, r *rig) {
	r.says(macVM) // learnt before it is given
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Peers = []netip.Addr{peerA, peerB}
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: peerB}}
	})
	r.isAt(macVM, atB)
	r.isAt(macHost, atCustomer)
	f := r.expect("to a static MAC", "eth2", r.onCircuit(ethernet(macVM, macHost, udp(10)...)), "sent")
	if p, err := frame.ParseVXLAN(f.out); err != nil || p.Dst != peerB {
		t.Errorf("sent to %v, want %s (%v)", p.Dst, peerB, err)
	}
	r.fate("eth1", packet{inner: ethernet(l2.Broadcast, macHost, frame.Raw(make([]byte, 46)))}.bytes(r))
	r.fate("eth1", packet{inner: ethernet(l2.Broadcast, macVM, frame.Raw(make([]byte, 46)))}.bytes(r))
	r.claims(macVM)
	r.isAt(macVM, atB)
	r.isAt(macHost, atCustomer)
	r.expect("to a static MAC of the same side", "eth2", r.onCircuit(ethernet(macHost, mac(1, 9), udp(10)...)), "same-side")
	macs, err := r.plane.MACs("")
	r.must(err)
	if i := slices.IndexFunc(macs, func(m state.MACEntry) bool { return m.MAC == macVM }); i < 0 || !macs[i].Static || macs[i].Moves != 0 || macs[i].VTEP != peerB {
		t.Errorf("MACs: %+v", macs)
	}
	r.change(func(x *state.Extension, _ *state.Desired) { x.Static = x.Static[:1] })
	if r.isLearnt(macVM) {
		t.Error("a static MAC that is configured no longer is still in the table")
	}
	r.heardFrom(peerA, macVM)
	r.isAt(macVM, atA)
}

// Pinned: lives in the cloud, at whatever VTEP, and is never learnt from the customer.
func pinnedMACs(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Peers = []netip.Addr{peerA, peerB}
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, Pinned: true}}
	})
	r.isAt(macVM, event.Place{Side: l2.Cloud})
	r.claims(macVM)
	r.isAt(macVM, event.Place{Side: l2.Cloud})
	r.heardFrom(peerB, macVM)
	r.isAt(macVM, atB)
	r.heardFrom(peerA, macVM)
	r.isAt(macVM, atA)
	r.claims(macVM)
	r.isAt(macVM, atA)
	r.change(func(*state.Extension, *state.Desired) {}) // the same again
	r.isAt(macVM, atA)
	if x := r.counters("acme"); x.Cloud != 1 || x.Customer != 1 {
		t.Errorf("%d MACs at the customer, %d in the cloud", x.Customer, x.Cloud)
	}
}

// claims sends from a MAC on the customer's side to a station there: dropped, but not before stage 7.
func (r *rig) claims(mac l2.MAC) {
	r.t.Helper()
	r.fate("eth2", r.onCircuit(ethernet(macHost, mac, frame.Raw(make([]byte, 46)))))
}

// An entry beyond its age leads nowhere, even before its timer took it out.
func expiredDestination(t *testing.T, r *rig) {
	r.heardFrom(peerA, macVM)
	r.says(macHost)
	in := r.onCircuit(ethernet(macHost, mac(1, 1), udp(10)...))
	r.expect("same side", "eth2", in, "same-side")
	r.seenAt(macHost, 301*time.Second)
	r.expect("expired on the same side", "eth2", in, "sent")
	before := r.counters("acme").ToCloud.Copies
	r.seenAt(macVM, 301*time.Second)
	r.expect("expired in the cloud", "eth2", r.onCircuit(ethernet(macVM, mac(1, 1), udp(10)...)), "sent")
	if got := r.counters("acme").ToCloud.Copies; got != before+1 {
		t.Errorf("a frame to an expired destination made %d copies, want 1: it is flooded", got-before)
	}
	macs, err := r.plane.MACs("acme")
	r.must(err)
	if len(macs) != 1 {
		t.Errorf("expired entries are listed: %+v", macs)
	}
}

// Entries go by their own timers, with nobody reading, and the quota is free again.
func ageing(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.MACAge, x.MACLimit = time.Second, 3
		x.Static = []state.StaticMAC{{MAC: macVM, Side: l2.Cloud, VTEP: peerA}}
	})
	for i := range 2 {
		r.says(mac(1, i))
		r.heardFrom(peerA, mac(2, i))
	}
	start := time.Now()
	for deadline := start.Add(10 * time.Second); ; {
		r.must(r.plane.reap()) // for what the kernel had no timer
		x := r.books().extensions["acme"]
		if x.Customer == 0 && x.Cloud == 1 { // the static one stays
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d MACs at the customer, %d in the cloud 10 s after they were last seen, age 1 s", x.Customer, x.Cloud)
		}
	}
	if took := time.Since(start); took < 900*time.Millisecond {
		t.Errorf("entries went after %s, age 1 s", took)
	}
	if n := len(r.entries()); n != 1 {
		t.Errorf("%d entries are left, want the static one", n)
	}
	for i := range 2 { // the quota is free
		r.says(mac(3, i))
		r.heardFrom(peerA, mac(4, i))
		if !r.isLearnt(mac(3, i)) || !r.isLearnt(mac(4, i)) {
			t.Error("quota is not free after ageing")
		}
	}
	// An entry whose station goes on speaking stays. (Stamps are up to a second old: the age is longer.)
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACAge = 3 * time.Second })
	r.says(mac(5, 0))
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for range 40 {
		<-ticker.C
		r.fate("eth2", r.onCircuit(ethernet(l2.Broadcast, mac(5, 0), frame.Raw(make([]byte, 46)))))
		if !r.isLearnt(mac(5, 0)) {
			t.Fatal("an entry that is refreshed all the time is gone")
		}
	}
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACAge = 300 * time.Second })
}

// The same MAC is another station in another extension.
func extensionsApart(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, d *state.Desired) {
		b := *x
		b.Name, b.VLAN, b.VNI = "bravo", l2.SingleTag(2302), 10200
		d.Extensions = append(d.Extensions, b)
	})
	r.says(macHost)
	in := ethernet(macHost, mac(1, 1), udp(10)...)
	r.expect("same side", "eth2", r.onCircuit(in), "same-side")
	f := r.expect("other extension", "eth2", withTags(l2.SingleTag(2302), 0, in), "sent")
	if f.where != "bravo" {
		t.Errorf("counted at %s", f.where)
	}
	r.expect("other extension, from the cloud", "eth1", packet{vni: 10200, inner: ethernet(l2.Broadcast, macHost, frame.Raw(make([]byte, 46)))}.bytes(r), "sent")
	r.isAt(macHost, atCustomer)
	if x := r.books().extensions; x["bravo"].Cloud != 1 || x["bravo"].Customer != 1 || x["acme"].Cloud != 0 {
		t.Errorf("MACs: acme %+v, bravo %+v", x["acme"], x["bravo"])
	}
}

// shorterAge: an age made shorter holds for what is learnt already, and for the quota it takes.
func shorterAge(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACAge = 300 * time.Second })
	r.says(mac(6, 0))
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACAge = time.Second })
	if !r.isLearnt(mac(6, 0)) {
		t.Fatal("a young entry is gone")
	}
	for deadline := time.Now().Add(10 * time.Second); r.books().extensions["acme"].Customer != 0; {
		r.must(r.plane.reap())
		if time.Now().After(deadline) {
			t.Fatal("an entry keeps the age that it was learnt with")
		}
	}
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACAge = 300 * time.Second })
}

// MACs collects what EachMAC visits.
func (p *Plane) MACs(extension l2.Name) ([]state.MACEntry, error) {
	var all []state.MACEntry
	err := p.EachMAC(extension, func(portion []state.MACEntry) error {
		all = append(all, portion...)
		return nil
	})
	return all, err
}
