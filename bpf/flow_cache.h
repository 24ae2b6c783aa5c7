/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Recent flows of a CPU. A hit spares the lookups of circuit or VNI, VTEP, source and destination. Only frames that
 * no stage had anything against make an entry, and an entry ends when its source is to be refreshed, with the
 * destination's age, when a MAC of the extension moves, and with every change by the daemon.
 */
#ifndef DRAWBRIDGE_FLOW_CACHE_H
#define DRAWBRIDGE_FLOW_CACHE_H

#include "abi.h"
#include "ecn.h"
#include "ethernet.h"
#include "fdb.h"
#include "maps.h"
#include "pipeline.h"
#include "plain.h"
#include "vlan.h"

static __always_inline struct flow_key flow_key_of(const void *addresses, __u32 from)
{
	const __u32 *word = addresses;
	struct flow_key k = { .addresses = { word[0], word[1], word[2] }, .from = from };

	return k;
}

static __always_inline struct flow_key key_to_cloud(const void *addresses, __u32 ifindex, const struct tags *t)
{
	struct flow_key k = flow_key_of(addresses, ifindex);

	k.tags = *t;
	return k;
}

static __always_inline struct flow_key key_to_customer(const void *addresses, const struct address *sender, __u32 vni)
{
	struct flow_key k = flow_key_of(addresses, vni);

	k.sender = *sender;
	return k;
}

/* Stations are often numbered alike on both sides: the addresses must not cancel each other out. */
static __always_inline __u64 flow_hash_of(const struct flow_key *k)
{
	__u64 way = (__u64)k->from << 32 | (__u32)k->tags.vid[0] << 16 | k->tags.vid[1];
	__u64 h = (((__u64)k->addresses[1] << 32 | k->addresses[0]) ^ way) * 0x9e3779b97f4a7c15ULL;

	return ((h ^ h >> 32) + k->addresses[2]) * 0xbf58476d1ce4e5b9ULL;
}

/* The first of the sets of the CPU at hand. */
static __always_inline __u32 own_part(const struct gateway *g)
{
	return bpf_get_smp_processor_id() * g->flow_sets;
}

/* One of the two sets that a flow may be in. part: of all sets, where this CPU's begin. */
static __always_inline struct flow_set *flow_set_at(const struct gateway *g, __u32 part, __u64 hash)
{
	__u32 index = (hash & g->flow_mask) + part;

	return bpf_map_lookup_elem(&recent_flows, &index);
}

#define FIRST_SET(hash) ((hash) >> 40)
#define SECOND_SET(hash) ((hash) >> 20)

static __always_inline int is_flow(const struct flow *f, const struct flow_key *k, __u16 direction)
{
	return f->addresses[0] == k->addresses[0] && f->addresses[1] == k->addresses[1] &&
	       f->addresses[2] == k->addresses[2] && (f->record & FLOW_TO_CUSTOMER) == direction;
}

static __always_inline __u32 era_of(__u32 gateway_generation, __u64 now)
{
	return gateway_generation + (__u32)(now >> FLOW_ERA);
}

/* In units of its era. */
static __always_inline __u32 time_in_era(__u64 now)
{
	return now >> FLOW_UNIT & (FLOW_UNITS - 1);
}

/* The flow in a set, or NULL; its deadline may be over. */
static __always_inline const struct flow *flow_in(const struct flow_set *set, const struct flow_key *k, __u16 direction)
{
	if (is_flow(&set->flow[0], k, direction))
		return &set->flow[0];
	if (is_flow(&set->flow[1], k, direction))
		return &set->flow[1];
	return is_flow(&set->flow[2], k, direction) ? &set->flow[2] : NULL;
}

/* The cached flow of a frame with these addresses, or NULL; it may have come by another way. */
static __always_inline const struct flow *flow_with(const struct flow_key *k, const struct gateway *g, __u16 direction,
						    __u64 now)
{
	__u64 hash = flow_hash_of(k);
	__u32 era = era_of(g->generation, now), part = own_part(g);
	const struct flow_set *s = flow_set_at(g, part, FIRST_SET(hash));
	const struct flow *f = NULL;

	if (!s)
		return NULL;
	if (s->era == era)
		f = flow_in(s, k, direction);
	if (f)
		return f;
	s = flow_set_at(g, part, SECOND_SET(hash));
	return s && s->era == era ? flow_in(s, k, direction) : NULL;
}

/* The extension of a flow that is still what the stages would decide. */
static __always_inline const struct extension *live_extension(const struct flow *f, __u64 now)
{
	__u32 record = f->record & ~FLOW_TO_CUSTOMER, left;
	const struct extension *x = bpf_map_lookup_elem(&extensions, &record);

	if (!x)
		return NULL;
	left = f->life - (x->generation << FLOW_END_BITS); /* the deadline, or more when the generation is another */
	return left <= FLOW_END && left > time_in_era(now) ? x : NULL;
}

/* A frame's cached flow, as far as it is needed. */
struct recent {
	const struct extension *x; /* NULL: there is none */
	struct vtep *vtep;
	struct hits *hits;
};

/* Of its extension; two records have a slot. */
static __always_inline struct hits *hits_of_flow(const struct flow *f, enum direction dir)
{
	return hits_of((f->record & ~FLOW_TO_CUSTOMER) / 2, dir);
}

static __always_inline struct recent recent_to_cloud(const struct flow_key *k, const struct gateway *g, __u64 now)
{
	const struct flow *f = flow_with(k, g, 0, now);
	const struct extension *x;
	struct recent r = {};

	if (!f)
		return r;
	r.vtep = vtep_at(f->vtep);
	r.hits = hits_of_flow(f, TO_CLOUD);
	x = live_extension(f, now);
	barrier_var(x); /* or the checks below would be made before it is known to be one */
	if (x && r.vtep && r.hits && has_own_tags(x, k->from, &k->tags))
		r.x = x;
	return r;
}

static __always_inline int is_address(const struct address *a, const struct address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

static __always_inline struct recent recent_to_customer(const struct flow_key *k, const struct gateway *g, __u64 now)
{
	const struct flow *f = flow_with(k, g, FLOW_TO_CUSTOMER, now);
	const struct extension *x;
	struct recent r = {};

	if (!f)
		return r;
	r.vtep = vtep_at(f->vtep);
	r.hits = hits_of_flow(f, TO_CUSTOMER);
	x = live_extension(f, now);
	barrier_var(x);
	if (x && r.vtep && r.hits && x->vni == k->from && is_address(&r.vtep->addr, &k->sender))
		r.x = x;
	return r;
}

static __always_inline int loses_mark(const struct parsed *p, __u8 outer_tos)
{
	return p->ip && ecn_decapsulate(outer_tos, p->tos) == ECN_DROP;
}

/* What cannot be cached: frames that others must be told of, or that spend what is measured. */
static __always_inline int is_cacheable(const struct walk *walk)
{
	const struct passage *f = walk->f;

	return !f->floods && !f->would && !f->tunnelled && !f->p.inner_tags &&
	       !(walk->x->flags & (EXT_PROTECTS | EXT_METERED << TO_CLOUD | EXT_METERED << TO_CUSTOMER | EXT_CPU));
}

/* What a deadline's minimum is. */
static __always_inline __u64 earlier(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

static __always_inline int is_over(const struct flow *f, __u64 now)
{
	return (f->life & FLOW_END) <= time_in_era(now);
}

/* A set whose flows are of another era has none. */
static __always_inline void enter_era(struct flow_set *set, __u32 era)
{
	if (set->era == era)
		return;
	set->era = era;
	set->flow[0].life = 0;
	set->flow[1].life = 0;
	set->flow[2].life = 0;
}

/* A flow's own place in a set, or one whose time is over, or NULL. */
static __always_inline struct flow *place_in(struct flow_set *set, const struct flow_key *k, __u16 direction, __u64 now)
{
	struct flow *first = &set->flow[0], *second = &set->flow[1], *third = &set->flow[2];

	if (is_flow(first, k, direction))
		return first;
	if (is_flow(second, k, direction))
		return second;
	if (is_flow(third, k, direction))
		return third;
	if (is_over(first, now))
		return first;
	if (is_over(second, now))
		return second;
	return is_over(third, now) ? third : NULL;
}

static __always_inline struct flow *place_for(const struct flow_key *k, const struct gateway *g, __u32 era,
					      __u16 direction, __u64 now)
{
	__u64 hash = flow_hash_of(k);
	__u32 part = own_part(g);
	struct flow_set *first = flow_set_at(g, part, FIRST_SET(hash));
	struct flow_set *second = flow_set_at(g, part, SECOND_SET(hash));
	struct flow *f;

	if (!first || !second)
		return NULL;
	enter_era(first, era);
	enter_era(second, era);
	f = place_in(first, k, direction, now);
	if (!f)
		f = place_in(second, k, direction, now);
	if (!f) /* both are full: one of four ends */
		f = &(hash & 1 ? first : second)->flow[bpf_jiffies64() & 1];
	return f;
}

/* The unit of a deadline that is still to come, in the era of now. */
static __always_inline __u32 end_in_era(__u64 deadline, __u64 now)
{
	return deadline >> FLOW_ERA > now >> FLOW_ERA ? FLOW_UNITS : time_in_era(deadline);
}

/*
 * Keeps the flow of a frame that no stage had anything against. None is kept while somebody listens, nor while the bridge is
 * half-raised: a move that is not written then shall be found when it is lowered.
 */
static __always_inline void keep(const struct gateway *g, const struct walk *walk, __u16 direction, __u32 vtep)
{
	const struct extension_state *s = state_of(walk->x->slot);
	const struct flow_key *k = &walk->f->key;
	__u64 now = walk->f->now, deadline = earlier(walk->f->fresh, walk->f->until);
	struct flow *f;

	if (!s || now < s->half_raised_until || now < s->record_until || now >= deadline || !is_cacheable(walk))
		return;
	f = place_for(k, g, era_of(walk->f->before.gateway, now), direction, now);
	if (!f)
		return;
	f->addresses[0] = k->addresses[0];
	f->addresses[1] = k->addresses[1];
	f->addresses[2] = k->addresses[2];
	f->record = walk->x->record | direction;
	f->vtep = vtep;
	f->life = walk->f->before.extension << FLOW_END_BITS | end_in_era(deadline, now);
}

static __always_inline void keep_to_cloud(const struct gateway *g, const struct walk *walk)
{
	if (walk->f->to < PLACE_CLOUD && walk->f->depth == walk->x->depth)
		keep(g, walk, 0, walk->f->to);
}

static __always_inline void keep_to_customer(const struct gateway *g, const struct walk *walk)
{
	if (walk->f->to == PLACE_CUSTOMER)
		keep(g, walk, FLOW_TO_CUSTOMER, walk->f->from);
}

#endif
