// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/state"
)

// stampLag is how far a stamp may be behind the last frame, in ns: a 64th of the age, but between 1 and 5 s, and a quarter of an age
// below 4 s (stamp_interval in bpf/fdb.h); and a tick.
func stampLag(age time.Duration) int64 {
	lag := min(max(age/64, time.Second), 5*time.Second)
	if age < 4*time.Second {
		lag = age / 4
	}
	return int64(lag + 20*time.Millisecond)
}

// compareFDB holds every live entry against the model's. What has aged may be there or not.
func (t *trial) compareFDB() string {
	bySlot := map[uint32]*model.Extension{}
	for _, x := range t.gateway.Extensions {
		bySlot[t.slot(x)] = x
	}
	found, what := 0, ""
	t.rig.must(eachEntry(t.rig.plane.mapNamed("fdb"), func(k abi.TcFdbKey, e abi.TcFdbEntry) {
		x := bySlot[k.Slot]
		if x == nil || what != "" {
			return
		}
		want := x.FDB[k.Mac]
		if want == nil {
			what = fmt.Sprintf("%s: %x is in the table at %d, want nothing", x.Name, k.Mac, e.Place)
			return
		}
		found++
		what = t.compareEntry(x, k.Mac, &e, want)
	}))
	if what != "" {
		return what
	}
	for _, x := range t.gateway.Extensions {
		found -= len(x.FDB)
	}
	if found != 0 {
		return "entries are missing in the table:" + t.missing()
	}
	return ""
}

func (t *trial) missing() (list string) {
	have := t.rig.entries()
	for _, x := range t.gateway.Extensions {
		for mac, e := range x.FDB {
			if _, ok := have[abi.TcFdbKey{Slot: t.slot(x), Mac: mac}]; !ok {
				list += fmt.Sprintf(" %s %s at %d", x.Name, mac, e.Place)
			}
		}
	}
	return list
}

func (t *trial) compareEntry(x *model.Extension, mac [6]byte, have *abi.TcFdbEntry, want *model.Entry) string {
	name := fmt.Sprintf("%s: %x", x.Name, mac)
	if have.Place != t.placeNumber(want.Place) {
		return fmt.Sprintf("%s is at %d, want %d", name, have.Place, t.placeNumber(want.Place))
	}
	flags := uint16(0)
	switch {
	case want.Static:
		flags = fdbStatic
	case want.Pinned:
		flags = fdbPinned
	}
	if have.Flags&(fdbStatic|fdbPinned) != flags {
		return fmt.Sprintf("%s has flags %d, want %d", name, have.Flags, flags)
	}
	if flags != 0 {
		return ""
	}
	if lag := want.Seen - int64(have.Seen); lag < 0 || lag > stampLag(x.MACAge) {
		return fmt.Sprintf("%s was seen %d ns before the model says", name, lag)
	}
	for _, c := range []struct {
		name       string
		have, want int64
	}{
		{"moves", int64(have.Moves), int64(want.Moves)}, {"learnt at", int64(have.Born), want.Born},
		{"there since", int64(have.Since), want.Since},
		{"frozen until", int64(have.FrozenUntil), want.FrozenUntil}, {"freezes", int64(have.Freezes), int64(want.Freezes)},
	} {
		if c.have != c.want {
			return fmt.Sprintf("%s: %s %d, want %d", name, c.name, c.have, c.want)
		}
	}
	if home := t.placeNumber(want.Home); have.Home != home {
		return fmt.Sprintf("%s: home %d, want %d", name, have.Home, home)
	}
	for class, share := range want.Share {
		if !sameSchedule(have.Share[class], share) {
			return fmt.Sprintf("%s: share of class %d used until %d, want %d", name, class, have.Share[class]>>scheduleBits, share.Next)
		}
	}
	return ""
}

// sameSchedule compares a schedule in the maps, in 1/64 ns, with the model's. Rounding costs a nanosecond.
func sameSchedule(have uint64, want model.Bucket) bool {
	return distance(have>>scheduleBits, want.Next) <= 1
}

// budget and budgets are struct budget and struct budgets of bpf/abi.h.
type (
	budget struct {
		Reserved, Open, Bytes, Pressed        [model.Classes]uint64
		Flood, Bandwidth, CPU, Learn, Answers uint64
	}
	budgets struct{ Way [2]budget }
)

// compareState holds what is held, how many are learnt, and every budget.
func (t *trial) compareState(x *model.Extension) string {
	var s abi.TcExtensionState
	t.rig.must(t.rig.plane.mapNamed("states").Lookup(t.slot(x), &s))
	if s.HalfRaisedUntil != uint64(x.Hold.HalfRaisedUntil) {
		return fmt.Sprintf("half-raised until %d, want %d", s.HalfRaisedUntil, x.Hold.HalfRaisedUntil)
	}
	if int(s.Learnt[0]) != x.Learnt[0] || int(s.Learnt[1]) != x.Learnt[1] {
		return fmt.Sprintf("%v are learnt, want %v", s.Learnt, x.Learnt)
	}
	var b budgets
	t.rig.must(t.rig.plane.mapNamed("budgets").Lookup(t.slot(x), &b))
	now := uint64(t.now) // programs write a schedule that has caught up, too
	if have, want := max(b.Way[0].CPU>>scheduleBits, now), max(x.CPU.Next, now); x.Guards.CPU > 0 && have != want {
		return fmt.Sprintf("share of a core used until %d, want %d", have, want)
	}
	for dir := range b.Way {
		if t.rig.engine == state.EngineXDP { // it is tc that answers
			b.Way[dir].Answers = x.Budgets[dir].Answers.Next << scheduleBits
		}
		if what := compareBudgets(&b.Way[dir], &x.Budgets[dir]); what != "" {
			return fmt.Sprintf("direction %d: %s", dir, what)
		}
	}
	return ""
}

func compareBudgets(have *budget, want *model.Budgets) string {
	for class := range want.Open {
		for _, c := range []struct {
			name string
			have uint64
			want model.Bucket
		}{
			{"reserved half", have.Reserved[class], want.Reserved[class]}, {"open half", have.Open[class], want.Open[class]},
			{"bytes", have.Bytes[class], want.Bytes[class]},
		} {
			if !sameSchedule(c.have, c.want) {
				return fmt.Sprintf("%s of class %d used until %d, want %d", c.name, class, c.have>>scheduleBits, c.want.Next)
			}
		}
		if have.Pressed[class] != want.Pressed[class] {
			return fmt.Sprintf("reserved half of class %d in use since %d, want %d", class, have.Pressed[class], want.Pressed[class])
		}
	}
	for _, c := range []struct {
		name string
		have uint64
		want model.Bucket
	}{
		{"flood", have.Flood, want.Flood}, {"bandwidth", have.Bandwidth, want.Bandwidth}, {"learning", have.Learn, want.Learn},
		{"answers", have.Answers, want.Answers},
	} {
		if !sameSchedule(c.have, c.want) {
			return fmt.Sprintf("%s used until %d, want %d", c.name, c.have>>scheduleBits, c.want.Next)
		}
	}
	return ""
}

// placeNumber is a place as the maps number it.
func (t *trial) placeNumber(p model.Place) uint16 {
	switch p {
	case model.AtCustomer:
		return placeCustomer
	case model.InCloud:
		return placeCloud
	}
	return uint16(t.rig.plane.vteps.byAddr[t.gateway.VTEP(p)])
}
