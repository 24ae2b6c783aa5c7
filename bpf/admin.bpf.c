// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Changes that the daemon makes to tables which traffic changes at the same time. They run in the kernel,
 * so that an entry and the quota it counts against change together.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef void ctx_t; /* these programs see no frame */

#include "abi.h"
#include "fdb.h"
#include "flight.h"
#include "maps.h"
#include "reap.h"

/* Does the entry still lead somewhere? A pinned one loses its VTEP, and stays. */
static __always_inline int is_kept(const struct admin *a, const struct fdb_key *key, struct fdb_entry *e)
{
	struct extension *x = extension_of(key->slot);

	if (!x || x->slot != key->slot)
		return 0;
	if (is_expired(e, age_of(x), a->now))
		return 0;
	if (e->place == PLACE_CUSTOMER || e->place == PLACE_CLOUD || is_peer(x, e->place))
		return 1;
	if (e->flags & FDB_PINNED)
		e->place = PLACE_CLOUD;
	return e->flags & (FDB_PINNED | FDB_STATIC);
}

/* The age may be shorter now than when the timer of the entry was set, and quota is held until it fires. */
static __always_inline void set_timer_anew(const struct admin *a, const struct fdb_key *key, struct fdb_entry *e)
{
	struct extension *x = extension_of(key->slot);

	if (x && !(e->flags & (FDB_STATIC | FDB_PINNED | FDB_UNTIMED)))
		bpf_timer_start(&e->timer, expiry_of(e, age_of(x)) - a->now + 1, 0);
}

static long visit(void *map, const struct fdb_key *key, struct fdb_entry *e, struct admin *a)
{
	if (is_kept(a, key, e))
		set_timer_anew(a, key, e);
	else
		a->done += remove_entry(key, e);
	return 0;
}

/* In place where there is an entry: at no moment is there none. */
static __always_inline int put_static(struct admin *a)
{
	struct fdb_entry entry = {
		.seen = a->now,
		.since = a->now,
		.born = a->now,
		.place = a->place,
		.home = a->place,
		.flags = a->flags,
	};
	struct fdb_entry *old = bpf_map_lookup_elem(&fdb, &a->key);
	__u32 before, wanted = a->place | (__u32)a->flags << 16, slot = a->key.slot;
	struct extension_state *s = bpf_map_lookup_elem(&states, &slot);

	if (!old)
		return bpf_map_update_elem(&fdb, &a->key, &entry, BPF_NOEXIST);
	before = *where_of(old);
	if (__sync_val_compare_and_swap(where_of(old), before, wanted) != before)
		return -1; /* it moved just now: the caller tries again */
	if (s && !(before >> 16 & (FDB_STATIC | FDB_PINNED)))
		__sync_fetch_and_add(&s->learnt[side_of(before) & 1], -1);
	return 0;
}

/* Ends what guards hold, and forgets how often they did. */
static __always_inline void let_down(struct extension_state *s)
{
	s->half_raised_until = 0;
	s->level = 0;
	s->mac_storm_since = 0;
	s->mac_storm_until = 0;
}

static __always_inline void reset(__u32 slot)
{
	struct extension_state *s = bpf_map_lookup_elem(&states, &slot);
	struct suspicion *l;
	struct spending *b;
	int i;

	if (!s)
		return;
	s->learnt[0] = 0;
	s->learnt[1] = 0;
	s->record_until = 0;
	let_down(s);
	end_flows(slot);
	b = bpf_map_lookup_elem(&budgets, &slot);
	if (b)
		__builtin_memset(b, 0, sizeof(*b));
	l = bpf_map_lookup_elem(&suspicions, &slot);
	if (l)
		__builtin_memset(l, 0, sizeof(*l));
	for (i = 0; i < RECORDS; i++) {
		struct record *r = record_at(slot, i);

		if (r)
			r->time = 0;
	}
}

static __always_inline int hold(const struct admin *a)
{
	struct extension_state *s = bpf_map_lookup_elem(&states, &a->slot);

	if (!s)
		return -1;
	switch (a->hold) {
	case HOLD_RECORDING:
		s->record_until = a->until;
		end_flows(a->slot); /* and none is kept until then */
		return 0;
	case HOLD_HALF_RAISED:
		if (a->until > s->half_raised_until) {
			s->half_raised_until = a->until;
			s->level = a->since;
		}
		return 0;
	default:
		break;
	}
	s->mac_storm_ways = a->flags;
	s->mac_storm_since = a->since;
	s->mac_storm_until = a->until;
	return 0;
}

/* There is an entry already: what the other one knows better. */
static __always_inline void join(__u32 slot, struct fdb_entry *e, struct extension_state *s,
				 const struct fdb_entry *other)
{
	if (is_placed(e))
		return;
	if (other->since > e->since && relocate(slot, e, s, other->place, NO_LIMIT)) {
		e->since = other->since;
		e->moves = other->moves;
		e->home = other->home;
	}
	if (other->seen > e->seen)
		e->seen = other->seen;
	if (other->frozen_until > e->frozen_until) {
		e->frozen_until = other->frozen_until;
		e->freezes = other->freezes;
	}
}

/* A learnt entry of an older table. It takes its part of the quota, also beyond a limit that is lower by now. */
static __always_inline int carry(struct admin *a)
{
	struct extension_state *s = bpf_map_lookup_elem(&states, &a->key.slot);
	struct extension *x = extension_of(a->key.slot);
	struct fdb_entry *e = bpf_map_lookup_elem(&fdb, &a->key);
	__u32 side = side_of(a->entry.place);

	if (!s || !x || is_expired(&a->entry, age_of(x), a->now))
		return 0;
	if (e) {
		join(a->key.slot, e, s, &a->entry);
		return 0;
	}
	__sync_fetch_and_add(&s->learnt[side & 1], 1);
	if (bpf_map_update_elem(&fdb, &a->key, &a->entry, BPF_NOEXIST)) {
		__sync_fetch_and_add(&s->learnt[side & 1], -1); /* learnt just now, or the table is full */
		return 0;
	}
	return set_timer(&a->key, expiry_of(&a->entry, age_of(x)) - a->now + 1);
}

static long rearm(void *map, const struct fdb_key *key, struct fdb_entry *e, struct admin *a)
{
	struct extension *x = extension_of(key->slot);
	struct fdb_key copy = *key;

	if (!x || is_placed(e) || is_expired(e, age_of(x), a->now))
		return 0;
	set_timer(&copy, expiry_of(e, age_of(x)) - a->now + 1);
	return 0;
}

SEC("syscall")
int fdb_admin(struct admin *ctx)
{
	struct admin a = *ctx;
	struct extension_state *s;
	struct fdb_entry *e;

	switch (a.act) {
	case ADMIN_PUT:
		put_off(); /* one at a time changes entries from here */
		return put_static(&a);
	case ADMIN_DELETE:
		e = bpf_map_lookup_elem(&fdb, &a.key);
		if (e)
			remove_entry(&a.key, e);
		return 0;
	case ADMIN_SWEEP:
		put_off();
		a.done = 0;
		bpf_for_each_map_elem(&fdb, visit, &a, 0);
		ctx->done = a.done;
		return 0;
	case ADMIN_RESET:
		reset(a.slot);
		return 0;
	case ADMIN_HOLD:
		return hold(&a);
	case ADMIN_LET_DOWN:
		s = bpf_map_lookup_elem(&states, &a.slot);
		if (s)
			let_down(s);
		return 0;
	case ADMIN_CARRY:
		return carry(&a);
	case ADMIN_REARM:
		bpf_for_each_map_elem(&fdb, rearm, &a, 0);
		return 0;
	case ADMIN_REAP:
		put_off();
		ctx->done = reap(REAPED_BY_DAEMON);
		return 0;
	case ADMIN_CLOCK:
		ctx->now = bpf_jiffies64();
		ctx->monotonic = bpf_ktime_get_ns();
		return 0;
	}
	return -1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
