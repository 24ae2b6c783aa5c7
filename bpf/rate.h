/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Token buckets, as virtual scheduling (ITU-T I.371 annex A, GCRA): one word says when the next unit is due.
 * What does not conform only reads it, so that a storm that is dropped costs no shared cache line; what
 * conforms is at most the rate.
 */
#ifndef DRAWBRIDGE_RATE_H
#define DRAWBRIDGE_RATE_H

#include "abi.h"
#include "maps.h"

#define COST_BITS 16
#define SCHEDULE_BITS 6 /* schedules count 1/64 ns: rounding up would else be felt at high rates */

/* The clock of rates: exact, where deadlines need no more than jiffies. */
static __always_inline __u64 exact_ns(const struct gateway *g)
{
	return g->tick ? bpf_ktime_get_ns() : g->stopped;
}

/* What some units cost in a schedule, rounded up: never more passes than was configured. */
static __always_inline __u64 cost_of(const struct rate *r, __u32 units)
{
	return (r->cost * units + (1 << (COST_BITS - SCHEDULE_BITS)) - 1) >> (COST_BITS - SCHEDULE_BITS);
}

/*
 * What is left of a schedule that a former configuration let run further ahead than this one does is forgiven:
 * or a class would stay shut for as long as its old burst took.
 */
static __always_inline __u64 due_of(__u64 *due, __u64 most, __u64 now)
{
	__u64 start = *(volatile __u64 *)due;

	if (start <= now + most)
		return start;
	*(volatile __u64 *)due = now + most;
	return now + most;
}

static __always_inline int conforms(__u64 *due, __u64 cost, __u64 burst, __u64 now)
{
	__u64 start;

	now <<= SCHEDULE_BITS;
	start = due_of(due, burst, now);
	if (start < now)
		start = now;
	return start + cost - now <= burst;
}

/*
 * Takes the cost when it conforms. most: how far ahead the schedule can have come. Several CPUs may meet here: one
 * that loses four times is refused.
 */
static __always_inline int take_within(__u64 *due, __u64 cost, __u64 burst, __u64 most, __u64 now)
{
	int i;

	now <<= SCHEDULE_BITS;
#pragma unroll
	for (i = 0; i < 4; i++) {
		__u64 old = due_of(due, most, now), start = old < now ? now : old;

		if (start + cost - now > burst)
			return 0;
		if (__sync_bool_compare_and_swap(due, old, start + cost))
			return 1;
	}
	return 0;
}

static __always_inline int take(__u64 *due, __u64 cost, __u64 burst, __u64 now)
{
	return take_within(due, cost, burst, burst, now);
}

/*
 * Takes the cost though it may not conform: what it was spent on has happened already. One frame that was
 * interrupted for long shall not shut others out for ever: most bounds it.
 */
static __always_inline void charge(__u64 *due, __u64 cost, __u64 most, __u64 now)
{
	__u64 old = *(volatile __u64 *)due, next;

	now <<= SCHEDULE_BITS;
	next = (old < now ? now : old) + cost;
	__sync_bool_compare_and_swap(due, old, next < now + most ? next : now + most);
}

static __always_inline struct limits *guards_of(const struct extension *x)
{
	__u32 record = x->record;

	return bpf_map_lookup_elem(&guards, &record);
}

static __always_inline struct budget *budget_of(__u32 slot, __u32 dir)
{
	struct spending *b = bpf_map_lookup_elem(&budgets, &slot);

	return b ? &b->way[dir & 1] : NULL;
}

#endif
