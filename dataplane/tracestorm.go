// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Bits of parsed.about: bpf/service.h.
const (
	aboutND   = 16
	aboutDHCP = 32
)

// settledAge is SETTLED of bpf/fdb.h: from then on a source is known.
const settledAge = 5_000_000_000

// stormNames are the classes by the configuration's keys.
var stormNames = [state.StormClasses]string{"arp-nd", "dhcp", "broadcast", "multicast", "unknown-unicast"}

// stormClass is storm_class_of of bpf/storm.h.
func (t *traced) stormClass() int {
	f, to := &t.after.passage, l2.MAC(t.inner[:6])
	switch {
	case f.Tunnelled != 0:
		return state.StormMulticast
	case f.P.Type == 0x0806 || f.P.About&aboutND != 0:
		return state.StormARPND
	case f.P.About&aboutDHCP != 0:
		return state.StormDHCP
	case to == l2.Broadcast:
		return state.StormBroadcast
	case to.IsGroup():
		return state.StormMulticast
	}
	return state.StormUnknownUnicast
}

// isFloodWanted is is_flood_wanted of bpf/storm.h.
func (t *traced) isFloodWanted() bool {
	for _, p := range t.x.Guards.FloodAllow {
		value, mask := prefixWords(p)
		to, _ := prefixWords(state.MACPrefix{MAC: l2.MAC(t.inner[:6]), Bits: 48})
		if to&mask == value {
			return true
		}
	}
	return false
}

func (t *traced) aboutStorm() string {
	f := &t.after.passage
	if f.Floods == 0 && f.Tunnelled == 0 {
		return "known unicast is not limited"
	}
	budget, limits := &t.before.spending.Way[t.dir], t.record().guards.Value()
	if t.isFloodWanted() {
		return fmt.Sprintf("a flood that is wanted: %d frames a second, %d are left",
			t.x.Guards.Flood.PerSecond, room(limits.Flood, budget.Flood, 1, t.clockNow()))
	}
	class := t.stormClass()
	rate := t.x.Guards.Storm[class]
	if rate.PerSecond == 0 {
		return fmt.Sprintf("class %s: no limit", stormNames[class])
	}
	open := room(limits.Storm[class], budget.Open[class], 2, t.clockNow())
	text := fmt.Sprintf("class %s: %d frames a second; %d are left for anybody", stormNames[class], rate.PerSecond, open)
	if !t.isSettled() {
		return text + ", and the source is not known for long enough to have more"
	}
	return text + fmt.Sprintf(", %d for known sources, of which this one has %d",
		room(keptRate(limits.Storm[class], budget, class, t.source.Share[class], t.clockNow()), budget.Reserved[class], 2, t.clockNow()),
		room(limits.Storm[class], t.source.Share[class], 10, t.clockNow()))
}

// pressedFor is PRESSED_FOR of bpf/storm.h.
const pressedFor = 250_000_000

// keptRate is the rate of a class with as much burst as one source may use of what is kept for known ones: room_of of bpf/storm.h.
func keptRate(r abi.TcRate, b *abi.TcBudget, class int, share, now uint64) abi.TcRate {
	if b.Reserved[class] <= now<<scheduleBits || int64(now-b.Pressed[class]) < pressedFor {
		return r
	}
	quarter, free := r.Burst>>2, max(now<<scheduleBits, share)-share
	r.Burst = 3*quarter + quarter*min(free>>(20+scheduleBits), 1024)>>10
	return r
}

func (t *traced) isSettled() bool {
	e := t.source
	return e != nil && (e.Flags&(fdbStatic|fdbPinned) != 0 || t.clockNow()-e.Born >= settledAge)
}

// frameCost is cost_of of bpf/rate.h.
func frameCost(r abi.TcRate, units uint64) uint64 {
	const round = costBits - scheduleBits
	return (r.Cost*units + 1<<round - 1) >> round
}

// room is how many units conform at once, when each costs a multiple: one at least fits, and what a former
// configuration let run further ahead is forgiven.
func room(r abi.TcRate, due, multiple, now uint64) uint64 {
	cost := frameCost(r, 1) * multiple
	burst := max(r.Burst, frameCost(r, multiple))
	used := min(max(due, now<<scheduleBits)-now<<scheduleBits, burst)
	if cost == 0 {
		return 0
	}
	return (burst - used) / cost
}

// bitsText prints a rate as a configuration has it.
func bitsText(perSecond uint64) string {
	for _, u := range []struct {
		name string
		size uint64
	}{{"Gbps", 1e9}, {"Mbps", 1e6}, {"kbps", 1e3}} {
		if perSecond >= u.size && perSecond%(u.size/1000) == 0 {
			whole, rest := perSecond/u.size, perSecond%u.size*1000/u.size
			if rest == 0 {
				return fmt.Sprintf("%d%s", whole, u.name)
			}
			return fmt.Sprintf("%d.%03d%s", whole, rest, u.name)
		}
	}
	return fmt.Sprintf("%dbps", perSecond)
}
