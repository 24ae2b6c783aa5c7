// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// probe is what comes back of a probe with this nonce.
func probe(nonce uint64) []byte {
	return append(append16(append(append([]byte{}, probeGroup[:]...), nicMAC[:]...), typeProbe),
		binary.BigEndian.AppendUint64(nil, nonce)...)
}

func (b *bench) halfRaised() time.Duration {
	return time.Duration(max(0, b.x.Hold.HalfRaisedUntil-b.now))
}

func (b *bench) wantHold(name string, want time.Duration) {
	b.t.Helper()
	if got := b.halfRaised(); got != want {
		b.t.Errorf("%s: half-raised for %s, want %s", name, got, want)
	}
}

func TestProbes(t *testing.T) {
	for _, side := range []l2.Side{l2.Customer, l2.Cloud} {
		b := newBench(t)
		b.want("a nonce that nobody sent", b.from(side, probe(7)), BadSource)
		b.wantHold("unknown nonce", 0)
		b.g.SendProbe(b.x, b.now, 7)
		b.wait(1001 * time.Millisecond)
		b.want("old", b.from(side, probe(7)), BadSource)
		b.wantHold("old nonce", 0)
		b.g.SendProbe(b.x, b.now, 8)
		b.wait(999 * time.Millisecond)
		b.want("live", b.from(side, probe(8)), BadSource)
		b.wantHold("live nonce", 2*time.Second)
	}
}

// What a half-raised bridge lets through, and how it comes down again.
func TestHalfRaised(t *testing.T) {
	b := newBench(t)
	b.meet()
	trip := func() {
		b.g.SendProbe(b.x, b.now, uint64(b.now))
		b.fromCustomer(probe(uint64(b.now)))
	}
	trip()
	b.want("broadcast", b.fromCustomer(hello(host)), HalfRaised)
	b.want("broadcast from the cloud", b.fromCloud(peerA, hello(guest)), HalfRaised)
	b.want("unknown unicast", b.fromCustomer(eth(station(9, 9), host, payload)), HalfRaised)
	b.want("known unicast", b.fromCustomer(eth(guest, host, payload)), None)
	b.wait(time.Second)
	trip()
	b.wantHold("a further sign", 2*time.Second)
	for _, hold := range []time.Duration{4, 8, 16, 32, 64, 128, 256, 300, 300} {
		b.wait(b.halfRaised())
		b.want("released", b.fromCustomer(eth(station(9, 9), host, payload)), None)
		trip()
		b.wantHold("the next trip", hold*time.Second)
	}
	b.wait(b.halfRaised() + 300*time.Second)
	trip()
	b.wantHold("after calm", 2*time.Second)
}

func flooded(n int, src l2.MAC) []byte {
	return eth(l2.Broadcast, src, frame.Raw(append([]byte{byte(n)}, make([]byte, 45)...)))
}

func tripped(r *Result) bool {
	for _, s := range r.Signals {
		if s.Tripped {
			return true
		}
	}
	return false
}

func suspects(r *Result, sign Sign) bool {
	for _, s := range r.Signals {
		if s.Sign == sign {
			return true
		}
	}
	return false
}

func TestCrossings(t *testing.T) {
	b := newBench(t)
	b.fromCustomer(flooded(1, host))
	if r := b.fromCloud(peerA, flooded(1, host)); !suspects(r, SignCrossing) || tripped(r) {
		t.Errorf("one crossing: %+v, want a suspicion", r.Signals)
	}
	b.wait(50 * time.Millisecond)
	b.fromCloud(peerA, flooded(2, guest))
	r := b.fromCustomer(flooded(2, guest))
	if !tripped(r) {
		t.Error("two different crossings do not trip")
	}
	b.want("the frame that trips", r, HalfRaised)

	b = newBench(t) // its source is frozen meanwhile
	b.fromCustomer(flooded(1, host))
	for n, side := range []l2.Side{l2.Cloud, l2.Customer, l2.Cloud, l2.Customer} {
		if got := tripped(b.from(side, flooded(1, host))); got != (n == 3) {
			t.Errorf("crossing %d of one frame: tripped is %t", n+1, got)
		}
	}

	b = newBench(t)
	b.fromCustomer(flooded(1, host))
	b.wait(101 * time.Millisecond)
	if r := b.fromCloud(peerA, flooded(1, host)); len(r.Signals) > 1 || suspects(r, SignCrossing) {
		t.Errorf("after 101 ms: %+v", r.Signals)
	}
}

func TestHairpins(t *testing.T) {
	b := newBench(t)
	for source := range 3 {
		for n := range manyAnnouncements {
			r := b.fromCustomer(flooded(source, station(1, source)))
			if got := suspects(r, SignHairpin); got != (n+1 == manyTimes || n+1 == manyAnnouncements) {
				t.Errorf("source %d, time %d: suspected is %t", source, n+1, got)
			}
			if got := tripped(r); got != (source == 2 && (n+1 == manyTimes || n+1 == manyAnnouncements)) {
				t.Errorf("source %d, time %d: tripped is %t", source, n+1, got)
			}
			b.wait(3 * time.Millisecond)
		}
	}
	b = newBench(t)
	for range 1000 { // a storm, not a loop
		if tripped(b.fromCustomer(flooded(1, host))) {
			t.Fatal("one source that repeats its frames trips")
		}
	}
}

// False trips are as bad as missed ones.
func TestWhatIsNoLoop(t *testing.T) {
	burst := func(n int, apart time.Duration, make func(i int) []byte) func(b *bench) bool {
		return func(b *bench) (trips bool) {
			for i := range n {
				trips = trips || tripped(b.fromCustomer(make(i)))
				b.wait(apart)
			}
			return trips
		}
	}
	arp := func(int) []byte {
		return eth(l2.Broadcast, host, frame.ARP{Op: 1, SenderIP: ipHost, TargetIP: ipGuest})
	}
	for name, run := range map[string]func(b *bench) bool{
		"ARP retries":                     burst(5, time.Second, arp),
		"SSDP three times":                burst(3, time.Millisecond, func(int) []byte { return udp4(l2.MAC{1, 0, 0x5e, 0x7f, 0xff, 0xfa}, ipGuest, 1900, 1900, 0) }),
		"gratuitous ARP × 5":              burst(5, time.Millisecond, func(int) []byte { return frame.GratuitousARP(host, ipHost).Bytes() }),
		"three hosts' gratuitous ARP × 5": burst(15, time.Millisecond, func(i int) []byte { return frame.GratuitousARP(station(1, i%3), ipHost).Bytes() }),
		"200 RARPs":                       burst(200, 0, func(i int) []byte { return frame.RARP(station(1, i)).Bytes() }),
		"a thousand hosts":                burst(1000, 0, func(i int) []byte { return udp4(l2.Broadcast, ipGuest, 68, 67, byte(i)) }),
		"two hosts, repeated":             burst(40, time.Millisecond, func(i int) []byte { return flooded(i%2, station(1, i%2)) }),
	} {
		b := newBench(t)
		if run(b) {
			t.Errorf("%s trips", name)
		}
		b.wantHold(name, 0)
	}
}

// Only enforce half-raises, and only where trips are automatic.
func TestTripsThatAreOnlyReported(t *testing.T) {
	for name, change := range map[string]settings{
		"observe":     func(_ *state.Desired, x *state.Extension, _ *Guards) { x.Mode = state.Observe },
		"trip.auto":   func(_ *state.Desired, _ *state.Extension, g *Guards) { g.Trip = false },
		"fingerprint": func(_ *state.Desired, _ *state.Extension, g *Guards) { g.Loops = false },
	} {
		b := newBench(t, change)
		for n := range 3 {
			b.fromCustomer(flooded(n, station(1, n)))
			r := b.fromCloud(peerA, flooded(n, station(1, n)))
			if tripped(r) || suspects(r, SignCrossing) != (name != "fingerprint") {
				t.Errorf("%s: %+v", name, r.Signals)
			}
		}
		if name != "observe" { // where it is counted, and not held
			b.wantHold(fmt.Sprint(name, " of a loop"), 0)
		}
		b.want("broadcast", b.fromCustomer(hello(host)), None)
	}
}
