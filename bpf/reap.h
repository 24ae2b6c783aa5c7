/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Entries that leave the FDB, and the reaper: it gives a timer to those that the kernel had none for, or takes them out when
 * they are too old, so that the quota they take is free again. The daemon reaps twice a second, in its own time. A timer
 * does when the daemon has not for a while, a little at a time, since it interrupts frames.
 */
#ifndef DRAWBRIDGE_REAP_H
#define DRAWBRIDGE_REAP_H

#include "abi.h"
#include "fdb.h"
#include "maps.h"

#define REAPED_BY_DAEMON 1024 /* at most with one call */
#define REAPED_BY_TIMER 128   /* 100 us at most, as often as */
#define REAPER_PAUSE (100 * MILLISECOND)
#define REAPER_PATIENCE (5 * SECOND) /* the daemon reaps more often */

/* One entry less; the quota only if it was learnt. */
static __always_inline long remove_entry(const struct fdb_key *key, const struct fdb_entry *e)
{
	__u32 slot = key->slot, side = side_of(e->place), learnt = !(e->flags & (FDB_STATIC | FDB_PINNED));
	struct extension_state *s = bpf_map_lookup_elem(&states, &slot);
	struct fdb_key copy = *key;

	if (bpf_map_delete_elem(&fdb, &copy))
		return 0;
	if (s && learnt)
		__sync_fetch_and_add(&s->learnt[side & 1], -1);
	return 1;
}

/* Takes out what waits longest. Returns 0 when nothing does, or somebody else took it. */
static __always_inline __u64 next_waiting(void)
{
	__u32 zero = 0, head;
	struct reaper *r = bpf_map_lookup_elem(&reaper, &zero);
	__u64 *place, waits;

	if (!r)
		return 0;
	head = *(volatile __u32 *)&r->head;
	place = waiting_at(head);
	if (!place || head == *(volatile __u32 *)&r->tail)
		return 0;
	waits = *(volatile __u64 *)place; /* 0: it is about to be written */
	if (!waits || __sync_val_compare_and_swap(&r->head, head, head + 1) != head)
		return 0;
	__sync_lock_test_and_set(place, 0);
	return waits;
}

/* Looks at what waits longest. Returns 1 when nothing does, which ends a loop. */
static long reap_next(__u32 number, void *nothing)
{
	struct gateway *g = the_gateway();
	struct fdb_key key = {};
	struct extension *x;
	struct fdb_entry *e;
	__u64 waits, now;

	if (!g)
		return 1;
	waits = next_waiting();
	if (!waits)
		return 1;
	key.slot = waits >> UNTIMED_MAC_BITS;
	__builtin_memcpy(key.mac, &waits, 6);
	x = extension_of(key.slot);
	e = bpf_map_lookup_elem(&fdb, &key);
	if (!x || !e || !(e->flags & FDB_UNTIMED))
		return 0; /* gone, or timed meanwhile; a sweep takes what has no extension */
	now = clock_ns(g);
	if (is_expired(e, age_of(x), now)) {
		remove_entry(&key, e);
		return 0;
	}
	set_timer(&key, expiry_of(e, age_of(x)) - now + 1);
	if (e->flags & FDB_UNTIMED)
		wait_for_timer(&key);
	return 0;
}

/* Looks at each that waits once, or at so many. Returns how many that was. */
static __always_inline __u32 reap(__u32 most)
{
	__u32 zero = 0, waiting;
	struct reaper *r = bpf_map_lookup_elem(&reaper, &zero);
	long done;

	if (!r)
		return 0;
	waiting = r->tail - r->head;
	done = bpf_loop(waiting < most ? waiting : most, reap_next, NULL, 0);
	return done < 0 ? 0 : done;
}

static int reap_alone(void *map, __u32 *key, struct reaper *r)
{
	reap(REAPED_BY_TIMER);
	bpf_timer_start(&r->timer, REAPER_PAUSE, 0);
	return 0;
}

/* Not now: the daemon is there. When the kernel has no memory for the timer, the daemon's next call tries again. */
static __always_inline void put_off(void)
{
	__u32 zero = 0;
	struct reaper *r = bpf_map_lookup_elem(&reaper, &zero);

	if (!r)
		return;
	bpf_timer_init(&r->timer, &reaper, MONOTONIC);
	if (!bpf_timer_set_callback(&r->timer, reap_alone)) /* of these programs, whoever set it before */
		bpf_timer_start(&r->timer, REAPER_PATIENCE, 0);
}

#endif
