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
	struct flow_key k = { .from = from };

	k.addresses8 = *(const __u64 *)addresses;
	k.addresses4 = *(const __u32 *)(addresses + 8);
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
	__u64 h = (k->addresses8 ^ way) * 0x9e3779b97f4a7c15ULL;

	return ((h ^ h >> 32) + k->addresses4) * 0xbf58476d1ce4e5b9ULL;
}

/* One of the two sets that a flow may be in. */
static __always_inline struct flow_set *flow_set_at(const struct gateway *g, __u64 hash)
{
	__u32 index = (hash & g->flow_mask) + bpf_get_smp_processor_id() * g->flow_sets;

	return bpf_map_lookup_elem(&recent_flows, &index);
}

#define FIRST_SET(hash) ((hash) >> 40)
#define SECOND_SET(hash) ((hash) >> 20)

static __always_inline int is_flow(const struct flow *f, const struct flow_key *k, __u16 direction)
{
	return f->addresses8 == k->addresses8 && f->addresses4 == k->addresses4 &&
	       (f->record & FLOW_TO_CUSTOMER) == direction;
}

/* The extension of a flow that is still what the stages would decide. */
static __always_inline const struct extension *live_extension(const struct flow *f, const struct gateway *g, __u64 now)
{
	__u32 record = f->record & ~FLOW_TO_CUSTOMER;
	const struct extension *x = bpf_map_lookup_elem(&extensions, &record);

	if (!x || now >= f->expires || f->gateway_generation != g->generation)
		return NULL;
	return x->generation == f->generation ? x : NULL;
}

/* The cached flow of a frame with these addresses, or NULL; it may have come by another way. */
static __always_inline const struct flow *flow_with(const struct flow_key *k, const struct gateway *g, __u16 direction)
{
	__u64 hash = flow_hash_of(k);
	const struct flow_set *set = flow_set_at(g, FIRST_SET(hash));

	if (!set)
		return NULL;
	if (is_flow(&set->flow[0], k, direction))
		return &set->flow[0];
	if (is_flow(&set->flow[1], k, direction))
		return &set->flow[1];
	set = flow_set_at(g, SECOND_SET(hash));
	if (!set)
		return NULL;
	if (is_flow(&set->flow[0], k, direction))
		return &set->flow[0];
	return is_flow(&set->flow[1], k, direction) ? &set->flow[1] : NULL;
}

/* A frame's cached flow, as far as it is needed. */
struct recent {
	const struct extension *x; /* NULL: there is none */
	struct vtep *vtep;
};

static __always_inline struct recent recent_to_cloud(const struct flow_key *k, const struct gateway *g, __u64 now)
{
	const struct flow *f = flow_with(k, g, 0);
	const struct extension *x;
	struct recent r = {};

	if (!f)
		return r;
	r.vtep = vtep_at(f->vtep);
	x = live_extension(f, g, now);
	barrier_var(x); /* or the checks below would be made before it is known to be one */
	if (x && r.vtep && has_own_tags(x, k->from, &k->tags))
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
	const struct flow *f = flow_with(k, g, FLOW_TO_CUSTOMER);
	const struct extension *x;
	struct recent r = {};

	if (!f)
		return r;
	r.vtep = vtep_at(f->vtep);
	x = live_extension(f, g, now);
	barrier_var(x);
	if (x && r.vtep && x->vni == k->from && is_address(&r.vtep->addr, &k->sender))
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

/* A flow's own place in a set, or one whose time is over. */
static __always_inline struct flow *place_in(struct flow_set *set, const struct flow_key *k, __u16 direction, __u64 now)
{
	struct flow *first = &set->flow[0], *second = &set->flow[1];

	if (is_flow(first, k, direction))
		return first;
	if (is_flow(second, k, direction))
		return second;
	if (now >= first->expires)
		return first;
	return now >= second->expires ? second : NULL;
}

static __always_inline struct flow *place_for(const struct flow_key *k, const struct gateway *g, __u16 direction,
					      __u64 now)
{
	__u64 hash = flow_hash_of(k);
	struct flow_set *first = flow_set_at(g, FIRST_SET(hash)), *second = flow_set_at(g, SECOND_SET(hash));
	struct flow *f;

	if (!first || !second)
		return NULL;
	f = place_in(first, k, direction, now);
	if (!f)
		f = place_in(second, k, direction, now);
	if (!f) /* both are full: one of four ends */
		f = &(hash & 1 ? first : second)->flow[bpf_jiffies64() & 1];
	return f;
}

/*
 * Keeps the flow of a frame that no stage had anything against. None is kept while somebody listens, nor while the bridge is
 * half-raised: a move that is not written then shall be found when it is lowered.
 */
static __always_inline void keep(const struct gateway *g, const struct walk *walk, __u16 direction, __u32 vtep)
{
	const struct extension_state *s = state_of(walk->x->slot);
	const struct flow_key *k = &walk->f->key;
	struct flow *f;

	if (!s || walk->f->now < s->half_raised_until || walk->f->now < s->record_until ||
	    walk->f->now >= walk->f->fresh || !is_cacheable(walk))
		return;
	f = place_for(k, g, direction, walk->f->now);
	if (!f)
		return;
	f->addresses8 = k->addresses8;
	f->addresses4 = k->addresses4;
	f->record = walk->x->record | direction;
	f->vtep = vtep;
	f->gateway_generation = walk->f->before.gateway;
	f->generation = walk->f->before.extension;
	f->expires = earlier(walk->f->fresh, walk->f->until);
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
