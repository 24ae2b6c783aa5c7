/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The filtering database: stage 7 learns sources, stage 10 asks where destinations are. */
#ifndef DRAWBRIDGE_FDB_H
#define DRAWBRIDGE_FDB_H

#include "abi.h"
#include "maps.h"

static __always_inline struct gateway *the_gateway(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&gateways, &zero);
}

#define SECOND 1000000000ULL
#define MONOTONIC 1 /* CLOCK_MONOTONIC */

/*
 * The clock of all deadlines: jiffies, which cost nothing to read, in ns. Its zero is arbitrary: the
 * daemon asks fdb_admin for the time. Before the daemon has told the length of a tick it stands still.
 */
static __always_inline __u64 clock_ns(const struct gateway *g)
{
	return bpf_jiffies64() * g->tick;
}

static __always_inline struct fdb_key fdb_key_of(const struct extension *x, const void *mac)
{
	struct fdb_key key = { .slot = x->slot };

	*(__u32 *)key.mac = *(const __u32 *)mac;
	*(__u16 *)(key.mac + 4) = *(const __u16 *)(mac + 4);
	return key;
}

static __always_inline int is_expired(const struct fdb_entry *e, __u64 age, __u64 now)
{
	return !(e->flags & (FDB_STATIC | FDB_PINNED)) && now > e->seen + age;
}

static __always_inline __u32 side_of(__u16 place)
{
	return place != PLACE_CUSTOMER;
}

/* The record of a slot that is in force, or NULL when there is no extension. */
static __always_inline struct extension *extension_of(__u32 slot)
{
	__u32 *bank = bpf_map_lookup_elem(&banks, &slot);
	__u32 record;

	if (!bank || *bank == BANK_NONE)
		return NULL;
	record = 2 * slot + (*bank == BANK_SECOND);
	return bpf_map_lookup_elem(&extensions, &record);
}

/* Place and flags of an entry as one word, to be changed together. */
static __always_inline __u32 *where_of(struct fdb_entry *e)
{
	return (__u32 *)&e->place;
}
_Static_assert(__builtin_offsetof(struct fdb_entry, place) % 4 == 0, "place and flags are one aligned word");

/* Signals are for the daemon's log: when nobody reads them they are lost, and the data path goes on. */
static __noinline int send_signal(struct signal *s)
{
	__u32 zero = 0;
	__u64 *lost;

	if (!s || !bpf_ringbuf_output(&signals, s, sizeof(*s), 0))
		return 0;
	lost = bpf_map_lookup_elem(&overflows, &zero);
	if (lost)
		(*lost)++;
	return 0;
}

static __always_inline void signal_move(const struct fdb_key *key, __u16 from, __u16 to, __u64 now)
{
	struct signal s = { .time = now, .kind = SIGNAL_MOVED, .slot = key->slot, .from = from, .to = to };

	__builtin_memcpy(s.mac, key->mac, 6);
	send_signal(&s);
}

/* The timer of an entry: takes it out when its age is over, or comes back for what is left of it. */
static int expire(void *map, struct fdb_key *key, struct fdb_entry *e)
{
	struct fdb_key copy = *key; /* the element's own key goes with it */
	struct extension_state *s = bpf_map_lookup_elem(&states, &copy.slot);
	struct extension *x = extension_of(copy.slot);
	struct gateway *g = the_gateway();
	__u32 side = side_of(e->place);
	__u64 deadline, now;

	if (!s || !g || !x || e->flags & (FDB_STATIC | FDB_PINNED))
		return 0; /* a sweep takes what has no extension */
	now = clock_ns(g);
	deadline = e->seen + x->mac_age;
	if (now <= deadline) {
		bpf_timer_start(&e->timer, deadline - now + 1, 0);
		return 0;
	}
	if (!bpf_map_delete_elem(&fdb, &copy))
		__sync_fetch_and_add(&s->learnt[side & 1], -1);
	return 0;
}

static __always_inline int take_quota(struct extension_state *s, __u32 side, __u32 limit)
{
	if ((__s32)__sync_fetch_and_add(&s->learnt[side & 1], 1) < (__s32)limit)
		return 1;
	__sync_fetch_and_add(&s->learnt[side & 1], -1);
	return 0;
}

/* A new source. At the limit it is not learnt: nothing is evicted for it. */
__noinline int learn_new(const struct fdb_key *key, __u32 place, __u64 now, __u32 limit, __u64 age)
{
	struct fdb_entry entry = { .seen = now, .since = now, .place = place };
	struct extension_state *s;
	struct fdb_entry *e;
	__u32 slot;

	if (!key)
		return 0;
	slot = key->slot;
	s = bpf_map_lookup_elem(&states, &slot);
	if (!s || !take_quota(s, side_of(place), limit))
		return 0;
	if (bpf_map_update_elem(&fdb, key, &entry, BPF_NOEXIST)) {
		__sync_fetch_and_add(&s->learnt[side_of(place) & 1], -1);
		return 0;
	}
	e = bpf_map_lookup_elem(&fdb, key);
	if (!e)
		return 0;
	bpf_timer_init(&e->timer, &fdb, MONOTONIC);
	bpf_timer_set_callback(&e->timer, expire);
	bpf_timer_start(&e->timer, age, 0);
	return 1;
}

__noinline int move(const struct fdb_key *key, __u32 place, __u64 now, __u32 limit)
{
	struct extension_state *s;
	struct fdb_entry *e;
	__u32 slot, before, flags;
	int crosses;
	__u16 from;

	if (!key)
		return 0;
	e = bpf_map_lookup_elem(&fdb, key);
	if (!e)
		return 0;
	slot = key->slot;
	s = bpf_map_lookup_elem(&states, &slot);
	before = *where_of(e);
	from = before;
	flags = before >> 16;
	crosses = side_of(from) != side_of(place) && !(flags & FDB_PINNED);
	if (!s || from == place || (crosses && !take_quota(s, side_of(place), limit)))
		return 0; /* a side that is full learns no mover either */
	if (__sync_val_compare_and_swap(where_of(e), before, place | flags << 16) != before) {
		if (crosses)
			__sync_fetch_and_add(&s->learnt[side_of(place) & 1], -1);
		return 0; /* another CPU was first */
	}
	if (crosses)
		__sync_fetch_and_add(&s->learnt[side_of(from) & 1], -1);
	__sync_fetch_and_add(&s->generation, 1);
	e->moves++;
	e->since = now;
	signal_move(key, from, place, now);
	return 0;
}

/* How old a stamp gets before it is written again: a second, or a quarter of a shorter age. */
static __always_inline __u64 stamp_interval(const struct extension *x)
{
	return x->mac_age < 4 * SECOND ? x->mac_age / 4 : SECOND;
}

/*
 * Learns the source, or refreshes it. In steady state nothing is written: the stamp only when it is a
 * second old, so that entries stay shared in the caches of all CPUs.
 */
static __always_inline void learn(const struct extension *x, const void *source, __u16 place, __u64 now)
{
	struct fdb_key key = fdb_key_of(x, source);
	struct fdb_entry *e = bpf_map_lookup_elem(&fdb, &key);

	if (!e) {
		learn_new(&key, place, now, x->mac_limit, x->mac_age);
		return;
	}
	if (e->place != place) {
		if (e->flags & FDB_PINNED ? place == PLACE_CUSTOMER : e->flags & FDB_STATIC)
			return;
		move(&key, place, now, x->mac_limit);
	}
	if (now > e->seen + stamp_interval(x))
		e->seen = now;
}

/* Is this VTEP one of the extension's? The list is short, and its first is the common answer. */
static __always_inline int is_peer(const struct extension *x, __u16 vtep)
{
	__u32 count = x->peer_count;
	int i;

	if (x->peer[0] == vtep)
		return count > 0;
	for (i = 1; i < MAX_PEERS; i++) {
		if (i >= count)
			return 0;
		if (x->peer[i] == vtep)
			return 1;
	}
	return 0;
}

#define PLACE_UNKNOWN 0x10000 /* beyond every enum place and VTEP index */

/* Where a destination is, and until when that may be believed without asking again. */
static __always_inline __u32 place_of(const struct extension *x, const void *destination, __u64 now, __u64 *until)
{
	struct fdb_key key = fdb_key_of(x, destination);
	struct fdb_entry *e = bpf_map_lookup_elem(&fdb, &key);

	if (!e || is_expired(e, x->mac_age, now))
		return PLACE_UNKNOWN;
	*until = e->flags & FDB_STATIC ? ~0ULL : e->seen + x->mac_age;
	return e->place;
}

#endif
