/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Recent flows of a CPU. A hit spares the lookups of circuit or VNI, VTEP, source, destination and next
 * hop. Only frames that no stage had anything against make an entry, and an entry ends with the second,
 * with the next hop's next check, with the destination's age, when a MAC of the extension moves, and with
 * every change by the daemon.
 */
#ifndef DRAWBRIDGE_FLOW_CACHE_H
#define DRAWBRIDGE_FLOW_CACHE_H

#include "abi.h"
#include "control.h"
#include "ecn.h"
#include "ethernet.h"
#include "fdb.h"
#include "maps.h"
#include "pipeline.h"
#include "vlan.h"

static __always_inline struct flow_key flow_key_of(const void *addresses)
{
	struct flow_key k = {};

	k.addresses8 = *(const __u64 *)addresses;
	k.addresses4 = *(const __u32 *)(addresses + 8);
	return k;
}

static __always_inline struct flow_key key_to_cloud(const void *addresses, __u32 ifindex, const struct tags *t)
{
	struct flow_key k = flow_key_of(addresses);

	k.ifindex = ifindex;
	k.way[0] = (__u64)t->tpid[0] << 48 | (__u64)t->vid[0] << 32 | (__u64)t->tpid[1] << 16 | t->vid[1];
	return k;
}

static __always_inline struct flow_key key_to_customer(const void *addresses, const struct address *src, __u32 vni)
{
	struct flow_key k = flow_key_of(addresses);

	k.way[0] = (__u64)src->word[0] << 32 | src->word[1];
	k.way[1] = (__u64)src->word[2] << 32 | src->word[3];
	k.way[2] = 1ULL << 32 | vni; /* never that of a frame from a customer */
	return k;
}

/* Stations are often numbered alike on both sides: the addresses must not cancel each other out. */
static __always_inline struct flow *flow_place(const struct gateway *g, const struct flow_key *k)
{
	__u32 mask = g->flow_mask, index;
	__u64 h = (k->addresses8 ^ k->way[0]) * 0x9e3779b97f4a7c15ULL;

	h = ((h ^ h >> 32) + k->addresses4 + (k->way[2] << 24)) * 0xbf58476d1ce4e5b9ULL;
	index = (h >> 32 & mask) + bpf_get_smp_processor_id() * (mask + 1);
	return bpf_map_lookup_elem(&recent_flows, &index);
}

static __always_inline int is_flow(const struct flow *f, const struct flow_key *k)
{
	return f->addresses8 == k->addresses8 && f->addresses4 == k->addresses4 && f->ifindex == k->ifindex &&
	       f->way[0] == k->way[0] && f->way[1] == k->way[1] && f->way[2] == k->way[2];
}

/* The cached flow of a frame, when it is still what the stages would decide. */
static __always_inline struct flow *find_flow(const struct flow_key *k, const struct gateway *g, __u64 now)
{
	struct flow *f = flow_place(g, k);
	struct extension_state *s;

	if (!f || !is_flow(f, k) || now >= f->expires || f->gateway_generation != g->generation)
		return NULL;
	s = state_of(f->slot);
	return s && s->generation == f->generation && now >= s->record_until ? f : NULL;
}

/* May a cached flow's frame be worth parsing? Tags are the stages'. */
static __always_inline int begins_plain(const struct view *v)
{
	return v->type + 2 <= v->end && !is_tag(load16(v->type));
}

/*
 * Is a cached flow's frame, well formed, like all others? Control frames by EtherType, services, and TCP that agrees on a
 * segment size are the stages'.
 */
static __always_inline int is_plain(const struct parsed *p)
{
	return !is_control_type(p->type) && !p->syn && !(p->about & ABOUT_SERVICE);
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

/* None is kept while the bridge is half-raised: a move that is not written then shall be found when it is lowered. */
static __always_inline struct flow *new_flow(const struct gateway *g, const struct walk *walk)
{
	const struct extension_state *s = state_of(walk->x->slot);
	const struct flow_key *k = &walk->f->key;
	struct flow *f = flow_place(g, k);

	if (!f || !s || walk->f->now < s->half_raised_until)
		return NULL;
	f->addresses8 = k->addresses8;
	f->addresses4 = k->addresses4;
	f->ifindex = k->ifindex;
	f->way[0] = k->way[0];
	f->way[1] = k->way[1];
	f->way[2] = k->way[2];
	f->gateway_generation = walk->f->before.gateway;
	f->generation = walk->f->before.extension;
	f->slot = walk->x->slot;
	f->nic_slot = walk->x->nic_slot;
	f->expires = earlier(walk->f->now + stamp_interval(walk->x), walk->f->until);
	return f;
}

/* Several uplinks share flows by a hash of what is not in the key. until: when to ask for the next hop again. */
static __always_inline void keep_to_cloud(const struct gateway *g, const struct walk *walk, const struct address *to,
					  const struct adjacency *a, __u64 until)
{
	struct flow *flow;

	if (walk->f->to >= PLACE_CLOUD || g->uplink_count != 1 || !is_cacheable(walk))
		return;
	flow = new_flow(g, walk);
	if (!flow)
		return;
	flow->limit = walk->x->max_to_cloud;
	flow->vni = walk->x->vni;
	flow->to = *to;
	flow->adj = *a;
	flow->depth = walk->f->depth;
	flow->expires = earlier(flow->expires, until);
}

static __always_inline void keep_to_customer(const struct gateway *g, const struct walk *walk, const struct leaving *l)
{
	struct flow *flow;

	if (walk->f->to != PLACE_CUSTOMER || !is_cacheable(walk))
		return;
	flow = new_flow(g, walk);
	if (!flow)
		return;
	flow->limit = walk->x->max_to_customer;
	flow->adj.ifindex = l->ifindex;
	__builtin_memcpy(flow->tag, l->tag, sizeof(flow->tag));
	flow->depth = l->depth;
	flow->pcp = walk->x->pcp;
}

static __always_inline struct leaving leaving_cached(const struct flow *flow, __u8 tos)
{
	struct leaving l = { .depth = flow->depth, .ifindex = flow->adj.ifindex };

	__builtin_memcpy(l.tag, flow->tag, sizeof(l.tag));
	l.priority = (flow->pcp == PCP_FROM_DSCP ? tos >> 5 : flow->pcp) << 13;
	return l;
}

#endif
