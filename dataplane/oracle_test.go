// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// fate is what became of one frame by the counters: "sent", "passed" (to the host), "handed over" (XDP to
// tc), or the reason of its drop; where is the extension or the NIC that counted it.
type fate struct {
	outcome
	where string
	what  string
	would string // reasons under would_drop
}

// books are all counters at one moment.
type books struct {
	extensions map[l2.Name]state.ExtensionReading
	nics       map[string]state.InterfaceReading
}

func (r *rig) books() books {
	r.t.Helper()
	b := books{extensions: map[l2.Name]state.ExtensionReading{}}
	reading := state.Reading{Interfaces: map[string]state.InterfaceReading{}}
	for _, n := range r.desired.NICs {
		r.must(r.plane.readNIC(reading, n.Name, 1, 1))
	}
	for _, u := range r.desired.Underlay.Uplinks {
		r.must(r.plane.readNIC(reading, u.Name, 2, 4))
	}
	b.nics = reading.Interfaces
	for i := range r.desired.Extensions {
		x := &r.desired.Extensions[i]
		e, err := r.readExtension(x)
		r.must(err)
		b.extensions[x.Name] = e
	}
	return b
}

// ledger collects the differences between two readings.
type ledger struct {
	rx, out uint64 // frames that came, and that have an end
	where   []string
	what    []string
	would   []string
}

func (l *ledger) end(where, what string, n uint64) {
	if n > 0 {
		l.out += n
		l.where = append(l.where, where)
		l.what = append(l.what, what)
	}
}

func (l *ledger) direction(name string, before, after state.Counters) {
	l.rx += after.Rx.Frames - before.Rx.Frames
	l.end(name, "sent", after.Tx.Frames-before.Tx.Frames)
	for reason, n := range after.Drops {
		l.end(name, reason, n-before.Drops[reason])
	}
	for _, reason := range slices.Sorted(maps.Keys(after.WouldDrop)) {
		if after.WouldDrop[reason] > before.WouldDrop[reason] {
			l.would = append(l.would, reason)
		}
	}
}

// fate runs a frame that arrives at a NIC, and says what became of it. Every frame must be counted once
// as received, and once where it ended.
func (r *rig) fate(nic string, in []byte) fate {
	r.t.Helper()
	return r.fateOf(nic, in, gso{})
}

func (r *rig) fateOf(nic string, in []byte, super gso) fate {
	r.t.Helper()
	before := r.books()
	program := "_customer"
	if nic == "eth1" {
		program = "_underlay"
	}
	o := r.run(r.engine.String()+program, nic, in, super)
	f := r.compare(before, r.books(), nic)
	f.outcome = o
	f.check(r, in)
	return f
}

func (r *rig) compare(before, after books, nic string) fate {
	r.t.Helper()
	var l ledger
	for name, x := range after.extensions {
		old := before.extensions[name]
		l.direction(string(name), old.ToCloud, x.ToCloud)
		l.direction(string(name), old.ToCustomer, x.ToCustomer)
	}
	extensionRx := l.rx
	for name, n := range after.nics {
		old := before.nics[name]
		rx, end := n.Rx.Frames-old.Rx.Frames, n.Passed-old.Passed
		l.end(name, "passed", end)
		for reason, drops := range n.Drops {
			l.end(name, reason, drops-old.Drops[reason])
			end += drops - old.Drops[reason]
		}
		if name != nic && rx != 0 {
			r.t.Errorf("%s counts %d frames that came by %s", name, rx, nic)
		}
		if name == nic && nic != "eth1" && rx != end+extensionRx {
			r.t.Errorf("%s received %d, but %d passed or dropped there and %d in extensions", nic, rx, end, extensionRx)
		}
	}
	f := fate{where: strings.Join(l.where, ","), what: strings.Join(l.what, ","), would: strings.Join(l.would, ",")}
	if l.rx > 0 && l.out == 0 {
		f.what = "handed over"
	} else if extensionRx > 0 && l.rx != l.out {
		r.t.Errorf("%d frames received, %d have an end (%s)", l.rx, l.out, f.what)
	}
	if len(l.what) > 1 {
		r.t.Errorf("one frame is counted in several places: %s %s", f.where, f.what)
	}
	return f
}

// check holds the program's verdict against the counters.
func (f fate) check(r *rig, in []byte) {
	r.t.Helper()
	want := map[string]string{"sent": "redirect", "passed": "pass", "handed over": "pass", "": "none"}[f.what]
	switch {
	case f.what == "too-big" && f.verdict == map[state.Engine]string{state.EngineTC: "redirect", state.EngineXDP: "pass"}[r.engine]:
		want = f.verdict // it became its answer, or tc shall make one of it
	case want == "":
		want = "drop"
	case f.what == "sent" && r.engine == state.EngineTC && f.verdict == "drop":
		want = "drop" // flooded: copies have left
	case f.what == "sent" && r.engine == state.EngineTC && f.verdict == "pass":
		want = "pass" // a super-frame for the tunnel device
	case f.what == "handed over" && r.engine == state.EngineTC:
		want = "an end in the counters"
	}
	if f.verdict != want {
		r.t.Errorf("frame % x: counted as %q, but the verdict is %s, not %s", in[:min(len(in), 40)], f.what, f.verdict, want)
	}
}

// expect runs a frame and compares its fate.
func (r *rig) expect(name, nic string, in []byte, want string) fate {
	r.t.Helper()
	f := r.fate(nic, in)
	if f.what != want {
		r.t.Errorf("%s: %s, want %s (at %s)", name, f.what, want, f.where)
	}
	return f
}

// restart takes all extensions out and applies d.
func (r *rig) restart(d *state.Desired) {
	r.t.Helper()
	empty := *r.desired
	empty.Extensions = nil
	r.desired = &empty
	r.apply()
	again := *d
	r.desired = &again
	r.apply()
}

// overIPv6 moves the underlay to IPv6.
func (r *rig) overIPv6() {
	r.t.Helper()
	r.change(func(x *state.Extension, d *state.Desired) {
		d.Underlay.VTEP, x.Peers, x.Static = vtep6, []netip.Addr{peerA6}, nil
	})
}

// checkBooks holds every extension's counters and quotas against each other.
func (r *rig) checkBooks() {
	r.t.Helper()
	entries := r.entries()
	for _, x := range r.desired.Extensions {
		r.counters(x.Name)
		var s abi.TcExtensionState
		slot := r.plane.slots.byName[string(x.Name)]
		r.must(r.plane.mapNamed("states").Lookup(slot, &s))
		var have [2]uint32
		for k, e := range entries {
			if k.Slot == slot && e.Flags&(fdbStatic|fdbPinned) == 0 {
				have[side(e.Place)]++
			}
		}
		if have != s.Learnt {
			r.t.Errorf("%s: quota counts %v learnt MACs (customer, cloud), the table has %v", x.Name, s.Learnt, have)
		}
	}
}

func side(place uint16) int {
	if place == placeCustomer {
		return 0
	}
	return 1
}

func (r *rig) entries() map[abi.TcFdbKey]abi.TcFdbEntry {
	r.t.Helper()
	entries := map[abi.TcFdbKey]abi.TcFdbEntry{}
	r.must(eachEntry(r.plane.mapNamed("fdb"), func(k abi.TcFdbKey, e abi.TcFdbEntry) { entries[k] = e }))
	return entries
}

// entry is the table's record of a MAC in the first extension.
func (r *rig) entry(mac l2.MAC) (abi.TcFdbEntry, bool) {
	r.t.Helper()
	var e abi.TcFdbEntry
	key := abi.TcFdbKey{Slot: r.plane.slots.byName[string(r.desired.Extensions[0].Name)], Mac: mac}
	err := r.plane.mapNamed("fdb").Lookup(key, &e)
	if err != nil {
		r.must(ignoreMissing(err))
	}
	return e, err == nil
}

func (r *rig) isLearnt(mac l2.MAC) bool {
	r.t.Helper()
	_, ok := r.entry(mac)
	return ok
}

// statics puts the usual stations where they are, so that unicast needs no flood.
func (r *rig) statics() {
	r.t.Helper()
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Static = []state.StaticMAC{
			{MAC: macHost, Side: l2.Customer},
			{MAC: macVM, Side: l2.Cloud, VTEP: x.Peers[0]},
		}
	})
}

// ethernet is a frame without the circuit's tags.
func ethernet(dst, src l2.MAC, layers ...frame.Layer) []byte {
	return frame.Ethernet{Dst: dst, Src: src}.With(layers...).Bytes()
}

// withTags puts a circuit's tags into a frame.
func withTags(v l2.VLAN, pcp uint8, in []byte) []byte {
	out := slices.Clone(in[:12])
	kind := uint16(v.TPID())
	for _, tag := range frame.Tags(v, pcp) {
		id := tag.(frame.VLAN).ID
		out = append(out, byte(kind>>8), byte(kind), pcp<<5|byte(id>>8), byte(id))
		kind = frame.TypeVLAN
	}
	return append(out, in[12:]...)
}

// onCircuit puts the first extension's tags on; arriving wraps a frame for the direction given.
func (r *rig) onCircuit(in []byte) []byte { return withTags(r.desired.Extensions[0].VLAN, 0, in) }

// bothWays runs an inner frame from either side and compares its fate.
func (r *rig) bothWays(name string, toCloud, toCustomer []byte, want string) {
	r.t.Helper()
	r.expect(name+" from the customer", "eth2", r.onCircuit(toCloud), want)
	r.expect(name+" from the cloud", "eth1", r.tunnelled(r.desired.Extensions[0].Peers[0], toCustomer), want)
}

// swapped exchanges source and destination.
func swapped(in []byte) []byte {
	out := slices.Clone(in)
	copy(out, in[6:12])
	copy(out[6:], in[:6])
	return out
}
