// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// TestReaper: entries that the kernel had no timer for get one later, or leave when they are too old.
func TestReaper(t *testing.T) {
	suite(t, []part{{"a timer later", timerLater}, {"too old", tooOld}, {"nothing to do", nothingToDo}, {"many", manyWait}})
}

const fdbUntimed = 4

// untime makes an entry one that the kernel had no timer for: what is put in from here has none.
func (r *rig) untime(mac l2.MAC) {
	r.t.Helper()
	e, ok := r.entry(mac)
	if !ok {
		r.t.Fatalf("%s is not learnt", mac)
	}
	e.Flags |= fdbUntimed
	key := abi.TcFdbKey{Slot: r.plane.slots.byName["acme"], Mac: mac}
	r.must(r.plane.mapNamed("fdb").Put(key, e))
	r.await(key)
}

// await puts a key into the ring.
func (r *rig) await(key abi.TcFdbKey) {
	r.t.Helper()
	waits := binary.NativeEndian.Uint64(append(key.Mac[:], byte(key.Slot), byte(key.Slot>>8)))
	reaper := r.reaper()
	r.must(r.plane.mapNamed("untimed").Put(reaper.Tail&(r.plane.mapNamed("untimed").MaxEntries()-1), waits))
	reaper.Tail++
	r.must(r.plane.mapNamed("reaper").Put(uint32(0), reaper))
}

func (r *rig) reaper() abi.TcReaper {
	r.t.Helper()
	var reaper abi.TcReaper
	r.must(r.plane.mapNamed("reaper").Lookup(uint32(0), &reaper))
	return reaper
}

func (r *rig) waiting() uint32 {
	reaper := r.reaper()
	return reaper.Tail - reaper.Head
}

// reapUntil reaps as the daemon does, only faster.
func (r *rig) reapUntil(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); r.must(r.plane.reap()) {
		if time.Now().After(deadline) {
			r.t.Fatalf("in 10 s: not %s", what)
		}
	}
}

// taken is how many of the customer's are learnt, and the static one with them.
func (r *rig) taken() uint32 { return uint32(r.books().extensions["acme"].Customer) }

func timerLater(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACAge = time.Second })
	r.reapUntil("empty", func() bool { return r.taken() == 0 && r.waiting() == 0 })
	r.says(mac(7, 0))
	r.untime(mac(7, 0))
	r.reapUntil("timed", func() bool { e, ok := r.entry(mac(7, 0)); return !ok || e.Flags&fdbUntimed == 0 })
	if n := r.waiting(); n != 0 {
		t.Errorf("%d wait, and all have their timers", n)
	}
	for deadline := time.Now().Add(10 * time.Second); r.taken() != 0; { // and it fires
		if time.Now().After(deadline) {
			t.Fatal("the entry is there after its age")
		}
	}
}

// tooOld: one that was never looked at while it was young. Its quota is held until then.
func tooOld(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACAge = time.Second })
	r.says(mac(7, 1))
	r.untime(mac(7, 1))
	e, _ := r.entry(mac(7, 1))
	for clock := time.Duration(0); clock <= time.Duration(e.Seen)+time.Second; {
		var err error
		clock, err = r.plane.clock()
		r.must(err)
	}
	if !r.isLearnt(mac(7, 1)) || r.taken() != 1 {
		t.Fatalf("an entry without a timer left by itself; quota %d", r.taken())
	}
	r.must(r.plane.reap())
	if r.isLearnt(mac(7, 1)) || r.taken() != 0 || r.waiting() != 0 {
		t.Errorf("learnt %v, quota %d, waiting %d after reaping", r.isLearnt(mac(7, 1)), r.taken(), r.waiting())
	}
}

// nothingToDo: what waits is gone, has its timer, or is the operator's by now.
func nothingToDo(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.MACAge, x.Static = 300*time.Second, []state.StaticMAC{{MAC: mac(7, 3), Side: l2.Customer}}
	})
	r.says(mac(7, 2))
	r.reapUntil("timed", func() bool { e, _ := r.entry(mac(7, 2)); return e.Flags&fdbUntimed == 0 })
	before := r.entries()
	for _, m := range []l2.MAC{mac(7, 2), mac(7, 3), mac(7, 4)} {
		r.await(abi.TcFdbKey{Slot: r.plane.slots.byName["acme"], Mac: m})
	}
	r.await(abi.TcFdbKey{Slot: maxExtensions - 1, Mac: mac(7, 2)}) // of no extension
	r.must(r.plane.reap())
	if n := r.waiting(); n != 0 || len(r.entries()) != len(before) || r.taken() != 2 {
		t.Errorf("waiting %d, %d entries (%d before), %d count", n, len(r.entries()), len(before), r.taken())
	}
	r.change(func(x *state.Extension, _ *state.Desired) { x.Static = nil })
}

// manyWait: more than one call looks at, and each is looked at.
func manyWait(t *testing.T, r *rig) {
	const many = 3000
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.MACAge, x.MACLimit, x.Mode = time.Second, many, state.Off
	})
	r.reapUntil("empty", func() bool { return r.taken() == 0 && r.waiting() == 0 })
	for i := range many {
		r.says(mac(8, i))
	}
	r.reapUntil("empty again", func() bool { return r.taken() == 0 && r.waiting() == 0 && len(r.entries()) == 0 })
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.MACAge, x.MACLimit, x.Mode = 300*time.Second, 1024, state.Enforce
	})
}
