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
#include "ethernet.h"
#include "fdb.h"
#include "maps.h"

struct flow_key {
	__u64 addresses8;
	__u32 addresses4;
	__u32 ifindex;
	__u64 way[3];
};

static __always_inline struct flow_key flow_key_of(const void *addresses, __u32 ifindex)
{
	struct flow_key k = {};

	k.addresses8 = *(const __u64 *)addresses;
	k.addresses4 = *(const __u32 *)(addresses + 8);
	k.ifindex = ifindex;
	return k;
}

static __always_inline struct flow *flow_place(const struct flow_key *k)
{
	__u64 h = k->addresses8 ^ (__u64)k->addresses4 << 16 ^ k->way[0] ^ k->way[2] << 8 ^ k->ifindex;
	__u32 index;

	h *= 0x9e3779b97f4a7c15ULL;
	index = h >> 56;
	return bpf_map_lookup_elem(&flows, &index);
}
_Static_assert(FLOWS == 256, "flow_place takes 8 bits");

static __always_inline int is_flow(const struct flow *f, const struct flow_key *k)
{
	return f->addresses8 == k->addresses8 && f->addresses4 == k->addresses4 && f->ifindex == k->ifindex &&
	       f->way[0] == k->way[0] && f->way[1] == k->way[1] && f->way[2] == k->way[2];
}

/* The cached flow of a frame, when it is still what the stages would decide. */
static __always_inline struct flow *find_flow(const struct flow_key *k, const struct gateway *g, __u64 now)
{
	struct flow *f = flow_place(k);
	struct extension_state *s;

	if (!f || !is_flow(f, k) || now >= f->expires || f->gateway_generation != g->generation)
		return NULL;
	s = state_of(f->slot);
	return s && s->generation == f->generation && now >= s->record_until ? f : NULL;
}

/* What a deadline's minimum is. */
static __always_inline __u64 earlier(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/*
 * Starts an entry. The generations were read before the frame was judged, so that a change in between
 * ends it. The caller fills in where to, and stores the deadline last.
 */
static __always_inline struct flow *new_flow(const struct flow_key *k, const struct extension *x, __u32 generation,
					     __u32 gateway_generation)
{
	struct flow *f = flow_place(k);

	if (!f)
		return NULL;
	f->expires = 0;
	f->addresses8 = k->addresses8;
	f->addresses4 = k->addresses4;
	f->ifindex = k->ifindex;
	f->way[0] = k->way[0];
	f->way[1] = k->way[1];
	f->way[2] = k->way[2];
	f->gateway_generation = gateway_generation;
	f->generation = generation;
	f->slot = x->slot;
	f->nic_slot = x->nic_slot;
	return f;
}

#endif
