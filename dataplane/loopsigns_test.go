// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"testing"
	"time"
	"unsafe"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// signs are the signs of loops among what was told; their times are checked and taken out.
func (r *rig) signs(all []event.Event) (list []event.LoopSign) {
	r.t.Helper()
	for _, e := range all {
		s, ok := e.(event.LoopSign)
		if !ok {
			continue
		}
		if age := time.Since(s.At); age < 0 || age > time.Minute {
			r.t.Errorf("told of a loop %s ago", age)
		}
		if !s.Until.IsZero() {
			if held := s.Until.Sub(s.At); held != r.heldFor() {
				r.t.Errorf("told that it is held for %s, but it is for %s", held, r.heldFor())
			}
		}
		s.At, s.Until = time.Time{}, time.Time{}
		list = append(list, s)
	}
	return list
}

func (r *rig) wantSigns(name string, all []event.Event, want ...event.LoopSign) {
	r.t.Helper()
	got := r.signs(all)
	if len(got) != len(want) {
		r.t.Errorf("%s: told %+v, want %+v", name, got, want)
		return
	}
	for i := range want {
		want[i].Slot = r.plane.slots.byName["acme"]
		if got[i] != want[i] {
			r.t.Errorf("%s: told %+v, want %+v", name, got[i], want[i])
		}
	}
}

// unlimited has no storms, so that only loops matter.
func (r *rig) unlimited(change func(x *state.Extension, g *state.Guards)) {
	r.t.Helper()
	r.guarded(func(x *state.Extension, g *state.Guards) {
		g.Storm, g.Learn = [state.StormClasses]state.StormRate{}, state.Rate{}
		g.Moves, g.FastMoves = state.MoveLimit{}, state.MoveLimit{}
		x.Inner.AllowAll = true
		if change != nil {
			change(x, g)
		}
	})
	r.must(r.plane.LetDown("acme"))
}

func toldProbes(t *testing.T, r *rig) {
	otherExtension(r)
	told := r.signals()
	own := l2.MAC(r.mac("eth2"))
	nonce := uint64(0x0102030405060708)
	// send sends a probe of an extension and lets it come back by a NIC after a while.
	send := func(ext l2.Name, nic string, after time.Duration) {
		t.Helper()
		nonce++
		r.must(r.plane.Probe(ext, nonce))
		r.wait(after)
		in := probeFrame(own, nonce)
		if nic == "eth2" {
			in = r.onCircuit(in)
		} else {
			in = r.tunnelled(peerA, in)
		}
		r.expect("a probe by "+nic, nic, in, "bad-source")
	}
	sign := func(side l2.Side) event.LoopSign {
		return event.LoopSign{Evidence: event.ByProbe, Tripped: true, MAC: own, Side: side}
	}
	r.unlimited(nil)
	send("acme", "eth2", time.Millisecond)
	r.wantSigns("from the customer", told(), sign(l2.Customer))
	if d := r.heldFor(); d != 2*second {
		t.Errorf("held for %s", d)
	}
	r.wait(5 * second)
	send("acme", "eth1", second)
	r.wantSigns("from the cloud, at its last moment", told(), sign(l2.Cloud))
	send("acme", "eth1", 100*time.Millisecond-1)
	r.wantSigns("again within 100 ms", told())
	send("acme", "eth1", 1)
	r.wantSigns("again after that", told(), sign(l2.Cloud))
	r.wait(10 * second)
	send("acme", "eth2", second+1)
	r.wantSigns("too late", told())
	send("bravo", "eth2", 1)
	r.wantSigns("another extension's", told())
	strayedProbe(t, r, send)
	told()
	r.expect("a nonce that nobody sent", "eth2", r.onCircuit(probeFrame(own, 99)), "bad-source")
	r.wantSigns("a nonce that nobody sent", told())
	for _, mode := range []state.GuardMode{state.Observe, state.Off} {
		r.unlimited(func(x *state.Extension, _ *state.Guards) { x.Mode = mode })
		r.wait(500 * second)
		nonce++
		r.must(r.plane.Probe("acme", nonce))
		r.fate("eth2", r.onCircuit(probeFrame(own, nonce)))
		all := told()
		for _, e := range all {
			if s, ok := e.(event.LoopSign); ok && !s.Until.IsZero() {
				t.Errorf("mode %v: told that it is held until %s", mode, s.Until)
			}
		}
		if mode == state.Observe {
			r.wantSigns("observed", all, sign(l2.Customer))
		} else {
			r.wantSigns("with guards off", all)
		}
	}
	r.must(r.plane.LetDown("acme"))
}

// A frame that crosses is a suspicion; two of them, or one that does it four times, are a loop.
// strayedProbe: two extensions that somebody joins outside are no loop, but they are when one sees a frame again and again.
func strayedProbe(t *testing.T, r *rig, send func(ext l2.Name, nic string, after time.Duration)) {
	t.Helper()
	held := func(name string) bool {
		t.Helper()
		holds, err := r.plane.Holds()
		r.must(err)
		return !holds[l2.Name(name)].HalfRaisedUntil.IsZero()
	}
	r.must(r.plane.LetDown("acme"))
	r.change(func(x *state.Extension, d *state.Desired) { d.Extensions[1].Guards = x.Guards })
	for range 4 {
		r.fate("eth2", withTags(l2.SingleTag(2302), 0, ethernet(l2.Broadcast, mac(9, 9), frame.Raw(make([]byte, 46)))))
	}
	if held("bravo") {
		t.Error("one source that repeats itself trips")
	}
	r.wait(101 * time.Millisecond)
	send("bravo", "eth2", 1)
	if held("bravo") {
		t.Error("a probe that strayed trips long after the suspicion")
	}
	for range 4 {
		r.fate("eth2", withTags(l2.SingleTag(2302), 0, ethernet(l2.Broadcast, mac(9, 9), frame.Raw(make([]byte, 46)))))
	}
	send("bravo", "eth1", time.Millisecond)
	if !held("bravo") || held("acme") {
		t.Errorf("a loop through two extensions: bravo is held %v, acme, whose circuit the probe came by, %v", held("bravo"), held("acme"))
	}
	r.must(r.plane.LetDown("bravo"))
}

func toldCrossings(t *testing.T, r *rig) {
	told := r.signals()
	r.unlimited(nil)
	for _, s := range shown {
		r.wait(1000 * second)
		in := ethernet(l2.Broadcast, station(1), s.layers...)
		sign := event.LoopSign{Evidence: event.ByCrossing, MAC: station(1), IP: s.ip, VLAN: s.vid, Side: l2.Cloud}
		r.fate("eth2", r.onCircuit(in))
		r.wantSigns(s.name+" once", told())
		r.wait(100 * time.Millisecond)
		r.fate("eth1", r.tunnelled(peerA, in))
		r.wantSigns(s.name+" crossed", told(), sign)
		r.wait(150 * time.Millisecond)
		r.fate("eth2", r.onCircuit(in))
		r.wait(100*time.Millisecond + 1)
		r.fate("eth1", r.tunnelled(peerA, in))
		r.wantSigns(s.name+" crossed too late", told())
	}
	// Suspicions that follow each other within 10 ms are told once; the fourth crossing trips.
	r.wait(1000 * second)
	in := numbered(l2.Broadcast, station(2), 1)
	cross := func(n int, want ...event.LoopSign) {
		t.Helper()
		if n%2 == 0 {
			r.fate("eth2", r.onCircuit(in))
		} else {
			r.fate("eth1", r.tunnelled(peerA, in))
		}
		r.wantSigns("crossing", told(), want...)
	}
	sign := func(n int, tripped bool) event.LoopSign {
		return event.LoopSign{Evidence: event.ByCrossing, Tripped: tripped, MAC: station(2), Side: []l2.Side{l2.Customer, l2.Cloud}[n%2]}
	}
	cross(0)
	cross(1, sign(1, false))
	r.wait(10*time.Millisecond - 1)
	cross(2)
	r.wait(1)
	cross(3, sign(3, false))
	if d := r.heldFor(); d != 0 {
		t.Errorf("held for %s", d)
	}
	cross(4, sign(4, true))
	if d := r.heldFor(); d != 2*second {
		t.Errorf("held for %s", d)
	}
	// Two different frames: within 100 ms of each other.
	for _, apart := range []time.Duration{100 * time.Millisecond, 100*time.Millisecond + 1} {
		r.wait(1000 * second)
		for n := range 2 {
			one := numbered(l2.Broadcast, station(3+n), 10+n)
			r.fate("eth2", r.onCircuit(one))
			r.fate("eth1", r.tunnelled(peerA, one))
			if n == 0 {
				r.wait(apart)
			}
		}
		want := 2 * second
		if apart > 100*time.Millisecond {
			want = 0
		}
		if d := r.heldFor(); d != want {
			t.Errorf("two that crossed %s apart: held for %s", apart, d)
		}
		told()
	}
}

// The fourth time that a frame comes from the customer is a suspicion; four times from three sources are a loop.
func toldHairpins(t *testing.T, r *rig) {
	told := r.signals()
	r.unlimited(nil)
	for _, apart := range []time.Duration{50*time.Millisecond - 3*time.Microsecond, 50*time.Millisecond - 3*time.Microsecond + 1} {
		r.wait(1000 * second)
		for source := range 3 {
			in := numbered(l2.Broadcast, station(source), 5)
			for n := 1; n <= 4; n++ {
				if source > 0 && n == 4 {
					r.wait(apart)
				} else {
					r.wait(time.Microsecond)
				}
				r.fate("eth2", r.onCircuit(in))
				sign := event.LoopSign{Evidence: event.ByHairpin, MAC: station(source), Side: l2.Customer}
				switch {
				case n == 4 && source == 0:
					r.wantSigns("the fourth time", told(), sign)
				case n == 4 && source == 2 && apart%2 == 0: // just within 100 ms of the first
					sign.Tripped = true
					r.wantSigns("the third source", told(), sign)
				case n < 4:
					r.wantSigns("before that", told())
				default:
					told()
				}
			}
		}
		if held := r.heldFor() != 0; held != (apart%2 == 0) {
			t.Errorf("three sources, %s apart: held %t", apart, held)
		}
	}
	// From the cloud a frame may come as often as it likes, and a virtual router's from everywhere.
	r.wait(1000 * second)
	for range 30 {
		r.fate("eth1", r.tunnelled(peerA, numbered(l2.Broadcast, macVM, 6)))
	}
	router := ethernet(l2.Broadcast, l2.MAC{0, 0, 0x5e, 0, 1, 7}, frame.Raw(bytes.Repeat([]byte{1}, 46)))
	for range 6 {
		r.fate("eth2", r.onCircuit(router))
		r.fate("eth1", r.tunnelled(peerA, router))
	}
	r.wantSigns("no loop", told())
	// One source that comes back as long as it likes is one.
	for range 300 {
		r.fate("eth2", r.onCircuit(numbered(l2.Broadcast, station(9), 9)))
	}
	if d := r.heldFor(); d != 0 {
		t.Errorf("one source holds it for %s", d)
	}
}

// What is told of a loop names both ends of the frame that showed it, as what is told of drops does.
func toldEnds(t *testing.T, r *rig) {
	r.unlimited(nil)
	read := r.samples("signals")
	in := numbered(l2.MAC{1, 0, 0x5e, 1, 2, 3}, station(1), 1)
	r.fate("eth2", r.onCircuit(in))
	r.fate("eth1", r.tunnelled(peerA, in))
	var s abi.TcSignal
	for _, sample := range read() {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&s)), unsafe.Sizeof(s)), sample)
		if s.Kind == abi.TcSignalKindSIGNAL_LOOP {
			break // before it the station's move was told
		}
	}
	if s.Kind != abi.TcSignalKindSIGNAL_LOOP || s.Destination != [6]byte(in[:6]) || s.Mac != [6]byte(in[6:12]) {
		t.Errorf("told %+v of % x", s, in[:12])
	}
}

// A move tells from where to where; a freeze where the MAC is kept, and until when.
func toldMoves(t *testing.T, r *rig) {
	r.unlimited(func(x *state.Extension, g *state.Guards) {
		g.Fingerprint = false
		g.FastMoves = state.MoveLimit{Count: 3, Window: second}
	})
	told := r.signals()
	mac := station(1)
	slot := r.plane.slots.byName["acme"]
	r.flood("eth2", l2.Broadcast, mac, 1)
	r.wait(6 * second)
	told()
	check := func(want event.Event) {
		t.Helper()
		all := told()
		if len(all) == 0 {
			t.Fatalf("told nothing, want %+v", want)
		}
		switch got := all[0].(type) {
		case event.MACMoved:
			if time.Since(got.At).Abs() > time.Minute {
				t.Errorf("told of a move at %s", got.At)
			}
			got.At = time.Time{}
			if event.Event(got) != want {
				t.Errorf("told %+v, want %+v", got, want)
			}
		case event.MACFrozen:
			if time.Since(got.At).Abs() > time.Minute || got.Until.Sub(got.At) != 30*second {
				t.Errorf("told of a freeze at %s until %s", got.At, got.Until)
			}
			got.At, got.Until = time.Time{}, time.Time{}
			if event.Event(got) != want {
				t.Errorf("told %+v, want %+v", got, want)
			}
		default:
			t.Errorf("told %+v, want %+v", got, want)
		}
	}
	r.flood("eth1", l2.Broadcast, mac, 1)
	check(event.MACMoved{Slot: slot, MAC: mac, From: atCustomer, To: atA})
	r.flood("eth2", l2.Broadcast, mac, 1)
	check(event.MACMoved{Slot: slot, MAC: mac, From: atA, To: atCustomer})
	r.flood("eth1", l2.Broadcast, mac, 1)
	check(event.MACFrozen{Slot: slot, MAC: mac, Home: atCustomer, From: atA})
}

const movesTold = 250 // at once, and a second

// Of many moves a few are told.
func toldFewMoves(t *testing.T, r *rig) {
	r.unlimited(func(x *state.Extension, g *state.Guards) {
		g.Fingerprint = false
	})
	told := r.signals()
	move := func() (n int) {
		for _, nic := range []string{"eth2", "eth1"} {
			r.flood(nic, l2.Broadcast, station(1), 1)
		}
		for _, e := range told() {
			if _, ok := e.(event.MACMoved); ok {
				n++
			}
		}
		return n
	}
	sum := 0
	for range 400 {
		sum += move()
	}
	if sum != movesTold {
		t.Errorf("%d moves were told at once, want %d", sum, movesTold)
	}
	r.wait(second)
	sum = 0
	for range 400 {
		sum += move()
	}
	if sum != movesTold {
		t.Errorf("%d moves were told a second later, want %d", sum, movesTold)
	}
}
