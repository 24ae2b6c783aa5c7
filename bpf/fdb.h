/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The filtering database: stage 6 asks whether a source may be where it speaks from, stage 7 learns it,
 * stage 10 asks where destinations are.
 */
#ifndef DRAWBRIDGE_FDB_H
#define DRAWBRIDGE_FDB_H

#include "abi.h"
#include "maps.h"
#include "rate.h"

static __always_inline struct gateway *the_gateway(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&gateways, &zero);
}

static __always_inline struct extension_state *state_of(__u32 slot)
{
	return bpf_map_lookup_elem(&states, &slot);
}

#define SECOND 1000000000ULL
#define MILLISECOND 1000000ULL
#define MONOTONIC 1 /* CLOCK_MONOTONIC */

/*
 * The clock of all deadlines: jiffies, which cost nothing to read, in ns. Its zero is arbitrary: the
 * daemon asks fdb_admin for the time. Before the daemon has told the length of a tick it stands still.
 */
static __always_inline __u64 clock_ns(const struct gateway *g)
{
	return g->tick ? bpf_jiffies64() * g->tick : g->stopped;
}

/* How long a MAC is believed that nobody hears, in ns. */
static __always_inline __u64 age_of(const struct extension *x)
{
	return x->mac_age * MILLISECOND;
}

static __always_inline struct fdb_key fdb_key_of(const struct extension *x, const void *mac)
{
	struct fdb_key key = { .slot = x->slot };

	*(__u32 *)key.mac = *(const __u32 *)mac;
	*(__u16 *)(key.mac + 4) = *(const __u16 *)(mac + 4);
	return key;
}

/* A frozen entry stays for as long as it is frozen, whoever is silent. */
static __always_inline __u64 expiry_of(const struct fdb_entry *e, __u64 age)
{
	__u64 aged = e->seen + age;

	return aged < e->frozen_until ? e->frozen_until : aged;
}

static __always_inline int is_expired(const struct fdb_entry *e, __u64 age, __u64 now)
{
	return !(e->flags & (FDB_STATIC | FDB_PINNED)) && now > expiry_of(e, age);
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

/* Not inlined: this keeps the structure in the object's type information, where Go takes it from. */
__noinline int stamp(struct signal *s, enum signal_kind kind, __u32 slot, __u64 now)
{
	if (!s)
		return 0;
	s->time = now;
	s->kind = kind;
	s->slot = slot;
	return 0;
}

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&overflows, &zero);

	if (lost)
		(*lost)++;
}

/*
 * A signal for the daemon's log, to be filled in and submitted. NULL when the buffer is full: nobody reads, the
 * signal is lost and counted, and the data path goes on.
 */
static __always_inline struct signal *new_signal(enum signal_kind kind, __u32 slot, __u64 now)
{
	struct signal *s = bpf_ringbuf_reserve(&signals, sizeof(*s), 0);

	if (!s) {
		count_lost();
		return NULL;
	}
	__builtin_memset(s, 0, sizeof(*s));
	stamp(s, kind, slot, now);
	return s;
}

static __always_inline void signal_station(const struct fdb_key *key, enum signal_kind kind, __u16 from, __u16 to,
					   __u64 until, __u64 now)
{
	struct signal *s = new_signal(kind, key->slot, now);

	if (!s)
		return;
	__builtin_memcpy(s->mac, key->mac, 6);
	s->from = from;
	s->to = to;
	s->until = until;
	bpf_ringbuf_submit(s, 0);
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
	deadline = expiry_of(e, age_of(x));
	if (now <= deadline) {
		bpf_timer_start(&e->timer, deadline - now + 1, 0);
		return 0;
	}
	if (!bpf_map_delete_elem(&fdb, &copy))
		__sync_fetch_and_add(&s->learnt[side & 1], -1);
	return 0;
}

/* A full side is only read: every frame of the extension has this cache line. */
static __always_inline int has_room(const struct extension_state *s, __u32 side, __u32 limit)
{
	return (__s32) * (const volatile __u32 *)&s->learnt[side & 1] < (__s32)limit;
}

#define NO_LIMIT 0x7fffffff

static __always_inline int take_quota(struct extension_state *s, __u32 side, __u32 limit)
{
	if (!has_room(s, side, limit))
		return 0;
	if ((__s32)__sync_fetch_and_add(&s->learnt[side & 1], 1) < (__s32)limit)
		return 1;
	__sync_fetch_and_add(&s->learnt[side & 1], -1);
	return 0;
}

#define EBUSY 16

static __always_inline __u64 *waiting_at(__u32 number)
{
	__u32 place = number & (MAX_FDB - 1);

	return bpf_map_lookup_elem(&untimed, &place);
}
_Static_assert(!(MAX_FDB & (MAX_FDB - 1)), "waiting_at takes the lower bits");

/* Once for each entry, however often its timer fails: whoever takes it out of the ring puts it back. */
static __always_inline void wait_for_timer(const struct fdb_key *key)
{
	__u64 waits = (__u64)key->slot << UNTIMED_MAC_BITS, *place;
	__u32 zero = 0;
	struct reaper *r = bpf_map_lookup_elem(&reaper, &zero);

	if (!r || r->tail - r->head >= MAX_FDB - 1024) /* as many CPUs may come between */
		return;
	__builtin_memcpy(&waits, key->mac, 6);
	place = waiting_at(__sync_fetch_and_add(&r->tail, 1));
	if (place)
		*(volatile __u64 *)place = waits;
}

/*
 * Sets the timer that takes an entry out. Kernels from 6.18 on allocate it without any lock, and often have no memory for that
 * (for two of three, measured on 6.18.44): the entry is used all the same, its age is looked at whenever it is, and it waits
 * for the reaper (reap.h).
 */
__noinline int set_timer(const struct fdb_key *key, __u64 age)
{
	struct fdb_entry *e;
	long error; /* -EBUSY: it has one already, and gets this callback */

	if (!key)
		return 0;
	e = bpf_map_lookup_elem(&fdb, key);
	if (!e)
		return 0;
	error = bpf_timer_init(&e->timer, &fdb, MONOTONIC);
	if ((error && error != -EBUSY) || bpf_timer_set_callback(&e->timer, expire) ||
	    bpf_timer_start(&e->timer, age, 0)) {
		if (!(__sync_fetch_and_or(where_of(e), FDB_UNTIMED << 16) & FDB_UNTIMED << 16))
			wait_for_timer(key);
	} else {
		__sync_fetch_and_and(where_of(e), ~(FDB_UNTIMED << 16));
	}
	return 0;
}

#define EEXIST 17

/*
 * Puts a new entry in, with the timer that takes it out. Returns 0, or -EEXIST when another CPU was first, or
 * another error: the table is full.
 */
__noinline int insert(const struct fdb_key *key, __u32 place, __u64 now, __u64 age)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero); /* the stack is short here */
	struct fdb_entry *e;
	long error;

	if (!key || !s)
		return -1;
	__builtin_memset(s->bytes, 0, sizeof(*e));
	e = (void *)s->bytes;
	e->seen = now;
	e->since = now;
	e->born = now;
	e->place = place;
	e->home = place;
	error = bpf_map_update_elem(&fdb, key, s->bytes, BPF_NOEXIST);
	if (error)
		return error;
	set_timer(key, age);
	return 0;
}

/*
 * A new source. At the limit it is not learnt: nothing is evicted for it. Nor beyond the learning rate, but in
 * mode observe, which hinders nobody. Returns why it is not, or would not be.
 */
__noinline int learn_new(const struct extension *x, const struct fdb_key *key, __u32 place, __u64 now)
{
	struct extension_state *s;
	struct budget *b;
	struct limits *g;
	struct gateway *gw = the_gateway();
	__u32 slot, side = side_of(place);
	int reason = DROP_NONE, error;

	if (!x || !key || !gw)
		return DROP_MAC_LIMIT;
	slot = key->slot;
	s = bpf_map_lookup_elem(&states, &slot);
	g = guards_of(x);
	b = budget_of(slot, side);
	if (!s || !g || !b || !take_quota(s, side, x->mac_limit))
		return DROP_MAC_LIMIT;
	if (x->mode != MODE_OFF && !take(&b->learn, cost_of(&g->learn, 1), g->learn.burst, exact_ns(gw)))
		reason = DROP_MAC_RATE;
	error = reason && x->mode == MODE_ENFORCE ? -1 : insert(key, place, now, age_of(x));
	if (!error)
		return reason;
	__sync_fetch_and_add(&s->learnt[side & 1], -1);
	if (error == -EEXIST)
		return DROP_NONE; /* another CPU learnt it just now */
	return reason ? reason : DROP_MAC_LIMIT;
}

#define FREEZE (30 * SECOND)
#define FREEZE_DOUBLINGS 6 /* 32 minutes, cut to 30 */
#define FREEZE_LONGEST (1800 * SECOND)
#define SETTLED (5 * SECOND) /* from then on a source is known, and a place its home */

/*
 * Virtual addresses of first-hop redundancy move at every fail-over: VRRP (RFC 9568 section 7.3), HSRP 1 and
 * 2, HSRP for IPv6, GLBP.
 */
static __always_inline int is_virtual_router(const __u8 *m)
{
	__u32 upper = (__u32)m[0] << 24 | m[1] << 16 | m[2] << 8 | m[3];
	__u16 middle = m[3] << 8 | m[4];

	switch (upper >> 8) {
	case 0x00005e:
		return middle == 0x0001 || middle == 0x0002;
	case 0x00000c:
		return middle == 0x07ac || (m[3] == 0x9f && (m[4] & 0xf0) == 0xf0);
	case 0x000573:
		return m[3] == 0xa0 && !(m[4] & 0xf0);
	case 0x0007b4:
		return 1;
	}
	return 0;
}

static __always_inline int is_placed(const struct fdb_entry *e)
{
	return e->flags & (FDB_STATIC | FDB_PINNED);
}

/* Counts a move in one window, and says whether it reaches the limit (RFC 7432 section 15.1). */
static __always_inline int count_move(struct fdb_entry *e, const struct limits *g, int tier, __u64 now)
{
	if (!e->counted[tier] || now - e->window[tier] > g->move_window[tier]) {
		e->window[tier] = now;
		e->counted[tier] = 0;
	}
	e->counted[tier]++;
	return e->counted[tier] >= g->move_limit[tier];
}

/* For 30 s, and doubled each time, to 30 minutes. */
static __always_inline __u64 freeze(struct fdb_entry *e, __u64 now)
{
	__u32 doublings = e->freezes < FREEZE_DOUBLINGS ? e->freezes : FREEZE_DOUBLINGS;
	__u64 length = FREEZE << doublings;

	if (length > FREEZE_LONGEST)
		length = FREEZE_LONGEST;
	e->freezes++;
	e->counted[0] = 0;
	e->counted[1] = 0;
	e->frozen_until = now + length;
	return e->frozen_until;
}

/*
 * Ends an extension's recent flows. Both of its records are told: while the daemon changes from one to the other, frames that
 * began by either are under way.
 */
static __always_inline void end_flows(__u32 slot)
{
	__u32 first = 2 * slot, second = 2 * slot + 1;
	struct extension *x = bpf_map_lookup_elem(&extensions, &first);

	if (x)
		__sync_fetch_and_add(&x->generation, 1);
	x = bpf_map_lookup_elem(&extensions, &second);
	if (x)
		__sync_fetch_and_add(&x->generation, 1);
}

/* Leads an entry of a slot to another place. Returns 0 when it could not be. */
static __always_inline int relocate(__u32 slot, struct fdb_entry *e, struct extension_state *s, __u16 place,
				    __u32 limit)
{
	__u32 before = *where_of(e), flags = before >> 16;
	__u16 from = before;
	int crosses = side_of(from) != side_of(place) && !(flags & (FDB_STATIC | FDB_PINNED));

	if (from == place)
		return 0;
	if (crosses && !take_quota(s, side_of(place), limit))
		return 0;
	if (__sync_val_compare_and_swap(where_of(e), before, place | flags << 16) != before) {
		if (crosses)
			__sync_fetch_and_add(&s->learnt[side_of(place) & 1], -1);
		return 0; /* another CPU was first */
	}
	if (crosses)
		__sync_fetch_and_add(&s->learnt[side_of(from) & 1], -1);
	end_flows(slot);
	return 1;
}

#define MOVE_COST (4 * 1000000ULL << SCHEDULE_BITS) /* 250 a second are told of */
#define MOVE_BURST (SECOND << SCHEDULE_BITS)

/* A station that two VTEPs claim in turn moves with every frame: nobody is told of each. */
static __always_inline int is_move_told(__u32 slot)
{
	struct suspicion *l = bpf_map_lookup_elem(&suspicions, &slot);
	struct gateway *g = the_gateway();

	return l && g && take(&l->moves, MOVE_COST, MOVE_BURST, exact_ns(g));
}

/*
 * A source that speaks from another place than its entry says. Between VTEPs it moves freely; between the
 * sides too often, and it is frozen where it last stayed. Returns DROP_MAC_MOVE when it is frozen elsewhere.
 */
__noinline int move(const struct extension *x, const struct fdb_key *key, __u32 place, __u64 now)
{
	struct extension_state *s;
	struct fdb_entry *e;
	struct limits *g;
	__u32 slot;
	__u16 from;
	int often;

	if (!x || !key)
		return DROP_NONE;
	e = bpf_map_lookup_elem(&fdb, key);
	slot = key->slot;
	s = bpf_map_lookup_elem(&states, &slot);
	g = guards_of(x);
	if (!e || !s || !g)
		return DROP_NONE;
	from = e->place;
	if (side_of(from) == side_of(place) || x->mode == MODE_OFF || is_virtual_router(key->mac))
		goto moves;
	if (x->mode == MODE_ENFORCE && now < s->half_raised_until)
		return DROP_NONE; /* a loop makes MACs seem to move: not written, nor held against the frame */
	if (now < e->frozen_until) {
		if (x->mode == MODE_OBSERVE)
			relocate(slot, e, s, place, x->mac_limit);
		return DROP_MAC_MOVE;
	}
	if (!has_room(s, side_of(place), x->mac_limit))
		return DROP_MAC_LIMIT; /* a side that is full learns no mover either */
	if (now - e->since >= SETTLED)
		e->home = from;
	often = count_move(e, g, 0, now);
	often |= count_move(e, g, 1, now);
	if (often) {
		__u64 until = freeze(e, now);

		signal_station(key, SIGNAL_FROZEN, place, e->home, until, now);
		if (x->mode == MODE_OBSERVE)
			relocate(slot, e, s, place, x->mac_limit);
		else
			relocate(slot, e, s, e->home, NO_LIMIT);
		e->since = now;
		return side_of(e->home) == side_of(place) && x->mode == MODE_ENFORCE ? DROP_NONE : DROP_MAC_MOVE;
	}
moves:
	if (!relocate(slot, e, s, place, x->mac_limit))
		return DROP_NONE;
	if (now - e->since >= SETTLED) /* between VTEPs too: it may be frozen later, and then there */
		e->home = from;
	e->moves++;
	e->since = now;
	if (is_move_told(slot))
		signal_station(key, SIGNAL_MOVED, from, place, 0, now);
	return DROP_NONE;
}

#define STAMP_LONGEST (5 * SECOND)

/* How old a stamp gets before it is written again: a 64th of the age, but a second at least, or a quarter of a short age. */
static __always_inline __u64 stamp_interval(const struct extension *x)
{
	__u64 age = age_of(x);

	if (age < 64 * SECOND)
		return age < 4 * SECOND ? age / 4 : SECOND;
	return age < 64 * STAMP_LONGEST ? age / 64 : STAMP_LONGEST;
}

/*
 * Learns the source, or refreshes it: stages 6 and 7. In steady state nothing is written: the stamp only when
 * it is a second old, so that entries stay shared in the caches of all CPUs. Returns what a guard has
 * against it: DROP_MAC_MOVE, or DROP_MAC_LIMIT and DROP_MAC_RATE, which do not hold for known unicast.
 */
static __always_inline __u32 learn(const struct extension *x, const struct fdb_key *key, struct fdb_entry *e,
				   __u16 place, __u64 now)
{
	__u32 reason = DROP_NONE;

	if (!e)
		return learn_new(x, key, place, now);
	if (e->place != place) {
		if (!is_placed(e))
			reason = move(x, key, place, now);
		else if (e->flags & FDB_PINNED && place != PLACE_CUSTOMER)
			move(x, key, place, now);
		if (reason && x->mode == MODE_ENFORCE)
			return reason;
	}
	if (now > e->seen + stamp_interval(x)) {
		e->seen = now;
		if (e->flags & FDB_UNTIMED)
			set_timer(key, age_of(x));
	}
	return reason;
}

/* Global, so that the verifier walks the list once. */
__noinline int is_later_peer(__u32 record, __u32 count, __u32 vtep)
{
	const struct limits *l = bpf_map_lookup_elem(&guards, &record);
	__u32 i;

	if (!l)
		return 0;
	for (i = 1; i < MAX_PEERS; i++) {
		if (i >= count)
			return 0;
		if (l->peer[i] == vtep)
			return 1;
	}
	return 0;
}

/* The index of an extension's VTEP; MAX_VTEPS, which is none, when there is no such. */
static __always_inline __u32 peer_of(const struct extension *x, __u32 i)
{
	const struct limits *l = guards_of(x);

	return l && i < MAX_PEERS && i < x->peer_count ? l->peer[i] : MAX_VTEPS;
}

/* Is this VTEP one of the extension's? The list is short, and its first is the common answer. */
static __always_inline int is_peer(const struct extension *x, __u16 vtep)
{
	return peer_of(x, 0) == vtep || (x->peer_count > 1 && is_later_peer(x->record, x->peer_count, vtep));
}

#define PLACE_UNKNOWN 0x10000 /* beyond every enum place and VTEP index */

/* Where a destination is, and until when that may be believed without asking again. */
static __always_inline __u32 place_of(const struct extension *x, const void *destination, __u64 now, __u64 *until)
{
	struct fdb_key key = fdb_key_of(x, destination);
	struct fdb_entry *e = bpf_map_lookup_elem(&fdb, &key);

	if (!e || is_expired(e, age_of(x), now))
		return PLACE_UNKNOWN;
	*until = e->flags & FDB_STATIC ? ~0ULL : expiry_of(e, age_of(x));
	return e->place;
}

#endif
