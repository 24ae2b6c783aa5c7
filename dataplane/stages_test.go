// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestStages(t *testing.T) {
	lightSuite(t, []part{{"order", stageOrder}, {"learning", stageLearns}, {"refresh", stageRefreshes}})
}

// fault is one rule broken by a frame, or by the extension's state, in the order of guards.md.
type fault uint

const (
	raised fault = 1 << iota
	malformed
	innerVLAN
	badSource
	controlFrame
	sameSide
	tooBig
	down
	allFaults = iota
)

var faultNames = [2][allFaults]string{
	{"raised", "malformed", "inner-vlan", "bad-source", "control-frame", "same-side", "too-big", "no-next-hop"},
	{"raised", "malformed", "inner-vlan", "bad-source", "control-frame", "split-horizon", "too-big", "no-next-hop"},
}

// build makes a frame with these faults and the source given, if that is not the fault.
func (f fault) build(src, dst, wrongSide l2.MAC) []byte {
	if f&badSource != 0 {
		src = l2.MAC{}
	}
	if f&sameSide != 0 {
		dst = wrongSide
	}
	kind := 0x88b5
	if f&controlFrame != 0 {
		kind = 0x88cc
	}
	size := 46
	if f&tooBig != 0 {
		size = 1600
	}
	in := ethernet(dst, src, frame.Raw(make([]byte, size)))
	in[12], in[13] = byte(kind>>8), byte(kind)
	if f&malformed != 0 { // ARP that is cut off, or a type that is none
		in = append(in[:12:12], 0x08, 0x06)
		if f&tooBig != 0 {
			in = append(append(in[:12:12], 0x05, 0xff), make([]byte, 1600)...)
		}
	}
	if f&innerVLAN != 0 {
		in = raw(in, 0x8100, 7)
	}
	return in
}

// first is the name of the first stage that a frame with these faults fails at.
func (f fault) first(direction l2.Direction) string {
	for i := range allFaults {
		if f&(1<<i) != 0 {
			return faultNames[direction][i]
		}
	}
	return "sent"
}

// Every combination of faults is counted under the first one only.
func stageOrder(_ *testing.T, r *rig) {
	r.statics()
	for f := range fault(1 << allFaults) {
		if f&malformed != 0 && f&controlFrame != 0 {
			continue // one EtherType cannot be both
		}
		if r.desired.Extensions[0].Raised != (f&raised != 0) || r.desired.Extensions[0].Down != (f&down != 0) {
			r.change(func(x *state.Extension, _ *state.Desired) { x.Raised, x.Down = f&raised != 0, f&down != 0 })
		}
		name := fmt.Sprintf("faults %08b", f)
		r.expect(name+" to cloud", "eth2", r.onCircuit(f.build(macHost, macVM, macHost)), f.first(l2.ToCloud))
		r.expect(name+" to customer", "eth1", packet{inner: f.build(macVM, macHost, macVM)}.bytes(r), f.first(l2.ToCustomer))
	}
}

// What is dropped at stage 7 or before is not learnt; what is dropped after it is.
func stageLearns(t *testing.T, r *rig) {
	r.statics()
	for i := range allFaults {
		f := fault(1 << i)
		r.change(func(x *state.Extension, _ *state.Desired) { x.Raised, x.Down = f&raised != 0, f&down != 0 })
		want := f&(sameSide|tooBig|down) != 0
		for side, mac := range []l2.MAC{{2, 0, 0, 1, byte(i), 0}, {2, 0, 0, 2, byte(i), 0}} {
			if side == 0 {
				r.expect("to cloud", "eth2", r.onCircuit(f.build(mac, macVM, macHost)), f.first(l2.ToCloud))
			} else {
				r.expect("to customer", "eth1", packet{inner: f.build(mac, macHost, macVM)}.bytes(r), f.first(l2.ToCustomer))
			}
			if got := r.isLearnt(mac); got != want {
				t.Errorf("%s: source learnt is %t, want %t: guards.md learns at stage 7", faultNames[side][i], got, want)
			}
		}
	}
}

// clock is the programs' time.
func (r *rig) clock() time.Duration {
	r.t.Helper()
	now, err := r.plane.clock()
	r.must(err)
	return now
}

// seenAt writes when a MAC was last seen.
func (r *rig) seenAt(mac l2.MAC, ago time.Duration) {
	r.t.Helper()
	e, ok := r.entry(mac)
	if !ok {
		r.t.Fatalf("%s is not in the table", mac)
	}
	e.Seen = uint64((r.clock() - ago).Nanoseconds())
	key := abi.TcFdbKey{Slot: r.plane.slots.byName["acme"], Mac: mac}
	r.must(r.plane.mapNamed("fdb").Put(key, e))
}

func (r *rig) age(mac l2.MAC) time.Duration {
	r.t.Helper()
	e, ok := r.entry(mac)
	if !ok {
		r.t.Fatalf("%s is not in the table", mac)
	}
	return r.clock() - time.Duration(e.Seen)
}

func stageRefreshes(t *testing.T, r *rig) {
	r.statics()
	mac := [2]l2.MAC{{2, 0, 0, 3, 0, 1}, {2, 0, 0, 3, 0, 2}}
	run := func(side int, f fault) {
		if side == 0 {
			r.expect("to cloud", "eth2", r.onCircuit(f.build(mac[0], macVM, macHost)), f.first(l2.ToCloud))
		} else {
			r.expect("to customer", "eth1", packet{inner: f.build(mac[1], macHost, macVM)}.bytes(r), f.first(l2.ToCustomer))
		}
	}
	for side := range mac {
		run(side, 0)
	}
	for i := range allFaults {
		f := fault(1 << i)
		r.change(func(x *state.Extension, _ *state.Desired) { x.Raised, x.Down = f&raised != 0, f&down != 0 })
		for side := range mac {
			r.seenAt(mac[side], 20*time.Second)
			run(side, f)
			want := f&(sameSide|tooBig|down) != 0
			if got := r.age(mac[side]) < 10*time.Second; f != badSource && got != want {
				t.Errorf("%s: source refreshed is %t, want %t: guards.md refreshes at stage 7", faultNames[side][i], got, want)
			}
		}
	}
}
