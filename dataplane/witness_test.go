// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// What the programs tell beside counting: signals, the flight recorder, captures.
func TestWitness(t *testing.T) {
	lightSuite(t, []part{
		{"drops", toldDrops}, {"kinds of drops", toldKinds}, {"what is no news", noNews}, {"recorded bytes", recordedBytes}, {"captured bytes", capturedBytes},
		{"probes", toldProbes}, {"crossings", toldCrossings}, {"both ends", toldEnds}, {"hairpins", toldHairpins}, {"moves", toldMoves}, {"too many moves", toldFewMoves},
	})
}

// samples reads a ring buffer without waiting: what came since it was last asked.
func (r *rig) samples(ring string) func() [][]byte {
	r.t.Helper()
	reader, err := ringbuf.NewReader(r.plane.mapNamed(ring))
	r.must(err)
	r.t.Cleanup(func() { _ = reader.Close() })
	reader.SetDeadline(time.Unix(1, 0))
	read := func() (all [][]byte) {
		r.t.Helper()
		for {
			record, err := reader.Read()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return all
			}
			r.must(err)
			all = append(all, bytes.Clone(record.RawSample))
		}
	}
	read()
	return read
}

// signals reads what was told as events.
func (r *rig) signals() func() []event.Event {
	read := r.samples("signals")
	return func() (all []event.Event) {
		r.t.Helper()
		for _, sample := range read() {
			e, ok := r.plane.decode(sample)
			if !ok {
				r.t.Errorf("a signal that is none: % x", sample)
			}
			all = append(all, e)
		}
		return all
	}
}

// shown are frames, and what they show of their senders.
var shown = []struct {
	name   string
	ip     netip.Addr
	vid    uint16
	layers []frame.Layer
}{
	{"opaque", netip.Addr{}, 0, []frame.Layer{frame.Raw(make([]byte, 46))}},
	{"ARP", ipHost, 0, []frame.Layer{frame.ARP{Op: 2, SenderMAC: macHost, SenderIP: ipHost, TargetMAC: macVM, TargetIP: ipVM}}},
	{"IPv4", ipHost, 0, []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM}, frame.UDP{SrcPort: 1, DstPort: 2}, frame.Raw(make([]byte, 30))}},
	{"IPv6", vtep6, 0, []frame.Layer{frame.IPv6{Src: vtep6, Dst: peerA6}, frame.UDP{SrcPort: 1, DstPort: 2}, frame.Raw(make([]byte, 30))}},
	{"IPv4 in a VLAN", ipHost, 0x123, []frame.Layer{frame.VLAN{ID: 0x123, PCP: 5}, frame.IPv4{Src: ipHost, Dst: ipVM}, frame.UDP{}, frame.Raw(make([]byte, 30))}},
	{"ARP in a VLAN", ipHost, 10, []frame.Layer{frame.VLAN{ID: 10}, frame.ARP{Op: 2, SenderMAC: macHost, SenderIP: ipHost, TargetMAC: macVM, TargetIP: ipVM}}},
}

// eachWay builds a frame for both directions and says by which NIC it comes.
func (r *rig) eachWay(layers []frame.Layer, do func(nic string, dir l2.Direction, inner, in []byte)) {
	up := ethernet(macVM, macHost, layers...)
	do("eth2", l2.ToCloud, up, r.onCircuit(up))
	down := ethernet(macHost, macVM, layers...)
	do("eth1", l2.ToCustomer, down, r.tunnelled(peerA, down))
}

// narrow lets no frame pass: what its bandwidth allows was used by the first.
func (r *rig) narrow(mode state.GuardMode) {
	r.t.Helper()
	r.guarded(func(x *state.Extension, g *state.Guards) {
		x.Mode, x.Inner.AllowAll = mode, true
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: peerA}}
		g.ToCloud = state.BitRate{PerSecond: 80, Burst: 100 * time.Millisecond}
		g.ToCustomer = g.ToCloud
	})
	r.eachWay(shown[0].layers, func(nic string, _ l2.Direction, _, in []byte) { r.expect("the first", nic, in, "sent") })
}

func toldDrops(t *testing.T, r *rig) {
	told := r.signals()
	for _, mode := range []state.GuardMode{state.Enforce, state.Observe} {
		r.narrow(mode)
		told()
		for _, s := range shown {
			r.eachWay(s.layers, func(nic string, dir l2.Direction, inner, in []byte) {
				r.wait(5 * time.Millisecond)
				r.fate(nic, in)
				want := event.GuardDropped{
					Slot: r.plane.slots.byName["acme"], Direction: dir, Reason: "bandwidth",
					Source: l2.MAC(inner[6:12]), Destination: l2.MAC(inner[:6]), IP: s.ip, VLAN: s.vid,
				}
				all := told()
				if len(all) != 1 {
					t.Fatalf("%s by %s: told %+v", s.name, nic, all)
				}
				got, _ := all[0].(event.GuardDropped)
				if age := time.Since(got.At); age < 0 || age > time.Minute {
					t.Errorf("%s by %s: told of %s ago", s.name, nic, age)
				}
				if got.At = want.At; got != want {
					t.Errorf("%s by %s: told %+v, want %+v", s.name, nic, all[0], want)
				}
			})
		}
	}
}

// tick is for how long one drop of each kind and direction is told of.
const tick = 1 << 22

// reasonsTold are the reasons of what was told.
func reasonsTold(all []event.Event) (reasons []string) {
	for _, e := range all {
		if d, ok := e.(event.GuardDropped); ok {
			reasons = append(reasons, d.Reason)
		}
	}
	return reasons
}

// provoked are frames that are dropped for one reason each, by the kind of news that it is.
func provoked(r *rig) map[string][]provocation {
	raw := func(dst, src l2.MAC, n int) []byte { return r.onCircuit(numbered(dst, src, n)) }
	lldp := r.onCircuit(control(l2.MAC{1, 0x80, 0xc2, 0, 0, 0x0e}, append([]byte{0x88, 0xcc}, make([]byte, 46)...)))
	offer := r.onCircuit(ethernet(macVM, macHost, frame.IPv4{Src: ipHost, Dst: ipVM}, frame.UDP{SrcPort: 67, DstPort: 68}, frame.Raw(make([]byte, 240))))
	query := r.onCircuit(ethernet(macVM, macHost, frame.IPv4{Src: ipHost, Dst: ipVM, Protocol: frame.Set(2)}, frame.Raw([]byte{0x11, 0, 0, 0, 0, 0, 0, 0})))
	long := r.onCircuit(ethernet(macVM, macHost, frame.Raw(make([]byte, 1600))))
	return map[string][]provocation{
		"macs":     {{"mac-pinned", raw(l2.Broadcast, macVM, 1)}, {"mac-rate", raw(l2.Broadcast, station(90), 2)}},
		"storm":    {{"storm-source", raw(l2.Broadcast, macHost, 3)}, {"storm-unknown-unicast", raw(station(91), station(1), 4)}},
		"services": {{"service-dhcp", offer}, {"service-querier", query}},
		"other":    {{"control-frame", lldp}, {"too-big", long}},
	}
}

type provocation struct {
	reason string
	in     []byte
}

// One drop of a kind is told of in a tick, whatever was told of other kinds and of the other direction.
func toldKinds(t *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) {
		x.Static = []state.StaticMAC{
			{MAC: macHost, Side: l2.Customer}, {MAC: station(1), Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: peerA},
		}
		g.Learn = state.Rate{PerSecond: 1, Burst: 1}
		g.Storm[state.StormBroadcast] = state.StormRate{Rate: state.Rate{PerSecond: 20, Burst: 20}}
		g.Storm[state.StormUnknownUnicast] = state.StormRate{Rate: state.Rate{PerSecond: 2, Burst: 2}}
		g.Refused.FromCustomer = state.Services{DHCP: true, Querier: true}
		g.Fingerprint = false
	})
	told := r.signals()
	start := time.Duration(r.now()/tick+3000) * tick
	kinds := provoked(r)
	for kind, first := range kinds {
		for other, second := range kinds {
			for _, p := range first {
				for _, q := range second {
					start += 5000 * tick
					r.exhaust(start - tick)
					r.at(start)
					told()
					r.expect(p.reason, "eth2", p.in, p.reason)
					r.at(start + tick - 1)
					r.expect(q.reason, "eth2", q.in, q.reason)
					want := []string{p.reason}
					if kind != other {
						want = append(want, q.reason)
					}
					if got := reasonsTold(told()); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s, then %s: told %v, want %v", p.reason, q.reason, got, want)
					}
				}
			}
		}
	}
	lldp := kinds["other"][0].in
	r.at(start + 10*tick)
	r.fate("eth2", lldp)
	r.fate("eth1", r.tunnelled(peerA, control(l2.MAC{1, 0x80, 0xc2, 0, 0, 0x0e}, append([]byte{0x88, 0xcc}, make([]byte, 46)...))))
	r.at(start + 11*tick)
	r.fate("eth2", lldp)
	if got := reasonsTold(told()); len(got) != 3 {
		t.Errorf("two directions and another tick: told %v", got)
	}
}

// exhaust uses up the budgets of toldKinds, so that whatever follows is dropped.
func (r *rig) exhaust(at time.Duration) {
	r.t.Helper()
	r.at(at)
	serial++
	r.fate("eth2", r.onCircuit(numbered(l2.Broadcast, station(1000+serial), serial)))
	r.flood("eth2", l2.Broadcast, macHost, 40)
	r.flood("eth2", station(93), macHost, 5)
}

func noNews(t *testing.T, r *rig) {
	r.guarded(nil)
	r.statics()
	told := r.signals()
	quiet := func(name, want string, in []byte) {
		t.Helper()
		r.wait(time.Second)
		r.expect(name, "eth2", in, want)
		if all := told(); len(all) != 0 {
			t.Errorf("%s: told %+v", name, all)
		}
		if f, err := r.plane.Recorded("acme"); err != nil || len(f) != 0 {
			t.Errorf("%s: recorded %+v, %v", name, f, err)
		}
	}
	quiet("known unicast", "sent", r.onCircuit(opaque))
	quiet("to its own side", "same-side", r.onCircuit(ethernet(macHost, macHost, frame.Raw(make([]byte, 46)))))
	r.change(func(x *state.Extension, _ *state.Desired) { x.Down = true })
	quiet("no way", "no-next-hop", r.onCircuit(opaque))
	r.change(func(x *state.Extension, _ *state.Desired) { x.Down, x.Raised = false, true })
	quiet("raised", "raised", r.onCircuit(opaque))
}

// recordedBytes: what the flight recorder has of a frame.
func recordedBytes(t *testing.T, r *rig) {
	last := func(taken uint32) state.RecordedFrame {
		t.Helper()
		f, err := r.plane.Flight("acme")
		r.must(err)
		if f.Taken != taken {
			t.Fatalf("%d frames were recorded, want %d", f.Taken, taken)
		}
		return f.Frames[len(f.Frames)-1]
	}
	for _, mode := range []state.GuardMode{state.Enforce, state.Observe} {
		r.restart(r.first)
		r.narrow(mode)
		taken := uint32(0)
		for _, payload := range []int{46, 47, 89, 90, 91, 92, 93, 300} {
			r.eachWay([]frame.Layer{frame.Raw(bytesOf(byte(payload), payload))}, func(nic string, dir l2.Direction, inner, in []byte) {
				r.wait(5 * time.Millisecond)
				r.fate(nic, in)
				taken++
				checkRecord(t, last(taken), dir, inner, mode, 104)
			})
		}
	}
	// What floods is recorded when it leaves.
	r.restart(r.first)
	r.guarded(nil)
	in := numbered(l2.Broadcast, macHost, 1)
	r.fate("eth2", r.onCircuit(in))
	if f := last(1); f.Reason != "" || f.WouldDrop != "" || !bytes.Equal(f.Bytes, in) {
		t.Errorf("recorded %+v", f)
	}
}

func checkRecord(t *testing.T, f state.RecordedFrame, dir l2.Direction, inner []byte, mode state.GuardMode, room int) {
	t.Helper()
	reason, would := "bandwidth", ""
	if mode == state.Observe {
		reason, would = would, reason
	}
	if f.Direction != dir || f.Size != len(inner) || f.Reason != reason || f.WouldDrop != would || time.Since(f.At).Abs() > time.Minute {
		t.Errorf("%d bytes, direction %v: recorded %+v", len(inner), dir, f)
	}
	if want := inner[:min(len(inner), room)]; !bytes.Equal(f.Bytes, want) {
		t.Errorf("%d bytes, direction %v: recorded\n% x, want\n% x", len(inner), dir, f.Bytes, want)
	}
}

// capturedBytes: whoever listens gets all frames, each with more of it.
func capturedBytes(t *testing.T, r *rig) {
	read := r.samples("captures")
	for _, mode := range []state.GuardMode{state.Enforce, state.Observe} {
		r.narrow(mode)
		read()
		r.must(r.plane.hold(r.plane.slots.byName["acme"], holdRecording, 0, r.now()+time.Hour))
		for _, payload := range []int{46, 497, 498, 499, 500, 1000} {
			r.eachWay([]frame.Layer{frame.Raw(bytesOf(byte(payload), payload))}, func(nic string, dir l2.Direction, inner, in []byte) {
				r.fate(nic, in)
				checkRecord(t, r.onlyCapture(read()), dir, inner, mode, 512)
			})
		}
	}
	// Until the time that was said, and no longer.
	r.must(r.plane.hold(r.plane.slots.byName["acme"], holdRecording, 0, r.now()+time.Millisecond))
	r.wait(time.Millisecond - 1)
	r.fate("eth2", r.onCircuit(opaque))
	r.onlyCapture(read())
	r.wait(1)
	r.fate("eth2", r.onCircuit(opaque))
	if all := read(); len(all) != 0 {
		t.Errorf("captured %d frames after the end", len(all))
	}
}

func (r *rig) onlyCapture(all [][]byte) state.RecordedFrame {
	r.t.Helper()
	if len(all) != 1 || len(all[0]) < captureHeader {
		r.t.Fatalf("captured %d frames", len(all))
	}
	var head abi.TcRecord // a capture begins as a record does
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&head)), captureHeader), all[0])
	if head.Slot != r.plane.slots.byName["acme"] {
		r.t.Errorf("captured for slot %d", head.Slot)
	}
	times, err := r.plane.conversion()
	r.must(err)
	f := times.verdictOf(&head)
	f.Bytes = all[0][captureHeader:][:head.Captured]
	return f
}
