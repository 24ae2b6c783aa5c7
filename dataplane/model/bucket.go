// SPDX-License-Identifier: Apache-2.0

package model

// Bucket is a token bucket by virtual scheduling (GCRA, ITU-T I.371): the time at which the schedule has
// caught up, ns. The zero value is full.
type Bucket struct{ Next uint64 }

// price is what a bucket charges: the cost of a unit in 1/65536 ns, and how many ns it may be ahead.
type price struct{ cost, burst uint64 }

// fraction is the precision of a cost: a byte at 100 Gb/s takes less than a nanosecond.
const fraction = 16

// price is the whole rate's.
func (r Rate) price() price {
	if r.PerSecond == 0 {
		return price{}
	}
	cost := uint64(1e9) << fraction / r.PerSecond
	return price{cost, cost * r.Burst >> fraction}
}

// share is the price in a bucket that has a part of the rate and of the burst, and room for one unit at
// least.
func (p price) share(part uint64) price {
	return price{p.cost * part, max(p.burst, p.cost*part>>fraction)}
}

func (p price) limits() bool { return p.cost > 0 }

// after is the schedule's time when units more have been taken, and whether there is room for them.
func (b Bucket) after(now int64, p price, units int) (uint64, bool) {
	next := max(b.Next, uint64(now)) + uint64(units)*p.cost>>fraction
	return next, next-uint64(now) <= p.burst
}

// take takes units if there is room.
func (b *Bucket) take(now int64, p price, units int) bool {
	if !p.limits() {
		return true
	}
	next, ok := b.after(now, p, units)
	if ok {
		b.Next = next
	}
	return ok
}
