/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Next hops: the way to a VTEP, looked up again at most once a second, with or without a daemon. */
#ifndef DRAWBRIDGE_HOP_H
#define DRAWBRIDGE_HOP_H

#include "abi.h"
#include "fdb.h"
#include "maps.h"

#define AF_INET 2
#define AF_INET6 10
#define RECHECK (1 * SECOND)
#define RECHECK_UNRESOLVED (20 * 1000000ULL) /* an ARP round trip, and more */

static __always_inline struct gateway *the_gateway(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&gateways, &zero);
}

static __always_inline struct vtep *vtep_at(__u32 index)
{
	return bpf_map_lookup_elem(&vteps, &index);
}

static __always_inline void fill_route(struct bpf_fib_lookup *route, const struct gateway *g, const struct vtep *v)
{
	if (g->flags & GW_IPV6) {
		route->family = AF_INET6;
		__builtin_memcpy(route->ipv6_src, &g->vtep, 16);
		__builtin_memcpy(route->ipv6_dst, &v->addr, 16);
	} else {
		route->family = AF_INET;
		route->ipv4_src = g->vtep.word[3];
		route->ipv4_dst = v->addr.word[3];
	}
}

/*
 * Asks the routing table for the way by one uplink and stores it. The caller won the right to do so. The
 * lookup is that of a locally sent packet: the host need not forward.
 */
static __noinline int resolve(ctx_t *ctx, const struct gateway *g, struct vtep *v, struct hop *h, __u32 ifindex)
{
	struct bpf_fib_lookup route = {};
	struct adjacency *a;
	__u32 spare;
	long verdict;

	if (!ctx || !g || !v || !h)
		return 0;
	fill_route(&route, g, v);
	route.ifindex = ifindex;
	route.l4_protocol = 17;
	verdict = bpf_fib_lookup(ctx, &route, sizeof(route), BPF_FIB_LOOKUP_OUTPUT);
	if (verdict == BPF_FIB_LKUP_RET_NO_NEIGH) {
		h->state = HOP_NO_NEIGHBOUR;
		return 0;
	}
	if (verdict != BPF_FIB_LKUP_RET_SUCCESS) {
		h->state = HOP_NO_ROUTE;
		return 0;
	}
	spare = (h->active + 1) & 1;
	a = &h->adj[spare];
	__builtin_memcpy(a->dst, route.dmac, 6);
	__builtin_memcpy(a->src, route.smac, 6);
	a->ifindex = route.ifindex;
	h->active = spare;
	h->state = HOP_RESOLVED;
	return 0;
}

/* Looks the hop up again when that is due; of several CPUs one does. Returns 1 when this one did. */
static __always_inline int refresh_hop(ctx_t *ctx, const struct gateway *g, struct vtep *v, struct hop *h,
				       __u32 ifindex, __u64 now)
{
	__u64 checked = h->checked;
	__u64 pause = h->state == HOP_RESOLVED ? RECHECK : RECHECK_UNRESOLVED;

	if (checked && now < checked + pause)
		return 0;
	if (!__sync_bool_compare_and_swap(&h->checked, checked, now))
		return 0;
	resolve(ctx, g, v, h, ifindex);
	return 1;
}

enum way { WAY_NONE = 0, WAY_DIRECT = 1, WAY_TUNNEL = 2 };

/*
 * Picks the uplink for a flow and says how to leave: WAY_DIRECT with *out filled; WAY_TUNNEL when a
 * neighbour is missing and this frame shall make the kernel ask for it, by the tunnel device; WAY_NONE.
 */
static __always_inline enum way find_way(ctx_t *ctx, const struct gateway *g, __u32 index, __u32 hash, __u64 now,
					 struct adjacency *out)
{
	struct vtep *v = vtep_at(index);
	enum way way = WAY_NONE;
	__u32 count, pick;
	int i;

	if (!v || !(g->flags & GW_READY))
		return WAY_NONE;
	count = g->uplink_count;
	if (!count || count > MAX_UPLINKS)
		return WAY_NONE;
	pick = count == 1 ? 0 : hash % count;
	for (i = 0; i < MAX_UPLINKS; i++) {
		struct hop *h;
		int checked;

		if (i >= count)
			break;
		if (pick >= MAX_UPLINKS)
			return WAY_NONE;
		h = &v->hop[pick];
		checked = refresh_hop(ctx, g, v, h, g->uplink[pick].ifindex, now);
		if (h->state == HOP_RESOLVED) {
			*out = h->adj[h->active & 1];
			return WAY_DIRECT;
		}
		if (h->state == HOP_NO_NEIGHBOUR && checked)
			way = WAY_TUNNEL;
		pick = pick + 1 < count ? pick + 1 : 0;
	}
	return way;
}

#endif
