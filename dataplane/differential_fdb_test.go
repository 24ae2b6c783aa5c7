// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/dataplane/model"
)

// stampLag is how far a stamp may be behind the last frame: programs write it at most once a second, and
// cached flows of engine xdp another second later.
const stampLag = int64(2 * time.Second)

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
	if have.Flags != flags {
		return fmt.Sprintf("%s has flags %d, want %d", name, have.Flags, flags)
	}
	if flags != 0 {
		return ""
	}
	if lag := want.Seen - int64(have.Seen); t.stopped && (lag < 0 || lag > stampLag) {
		return fmt.Sprintf("%s was seen %d ns before the model says", name, lag)
	}
	if have.Moves != want.Moves {
		return fmt.Sprintf("%s moved %d times, want %d", name, have.Moves, want.Moves)
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
