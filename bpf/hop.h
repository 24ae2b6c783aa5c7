/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Next hops: the way to a VTEP, looked up again at most once a second, with or without a daemon. */
#ifndef DRAWBRIDGE_HOP_H
#define DRAWBRIDGE_HOP_H

#include "abi.h"
#include "fdb.h"
#include "maps.h"
#include "outer.h"

#define AF_INET 2
#define AF_INET6 10
#define RECHECK (1 * SECOND)
#define RECHECK_UNRESOLVED (20 * MILLISECOND) /* an ARP round trip, and more */
#define RECHECK_BORROWED (200 * MILLISECOND)
#define ASKING (3 * SECOND) /* so long frames make the kernel ask for a neighbour at each lookup ... */
#define ASKING_PAUSE \
	(5 * SECOND)	/* ... and then once in a while: what it waits for in vain is lost, and counted as sent */
#define PORT_BITS 0xfff /* of the source ports, that are asked with */
#define PORTS 8		/* of a share, that one look at the route tries */
#define BORROW_LIMIT (5 * SECOND) /* duplicate address detection takes 2 s of it, RFC 4862 section 5.4 */

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

static __always_inline int is_uplink(const struct gateway *g, __u32 ifindex)
{
	int i;

	for (i = 0; i < MAX_UPLINKS; i++)
		if (i < g->uplink_count && g->uplink[i].ifindex == ifindex)
			return 1;
	return 0;
}

/* The adjacency that nobody reads: it is filled, then readers are led to it, who see the old or the new one. */
static __always_inline struct adjacency *spare_of(struct hop *h)
{
	return &h->adj[(h->active + 1) & 1];
}

static __always_inline void lead_to_spare(struct hop *h, __u32 state)
{
	h->active = (h->active + 1) & 1;
	h->state = state;
}

/*
 * The neighbour behind an uplink is missing: the flows go another uplink's way meanwhile, if one was found lately.
 * An uplink that comes back is in the routing table at once, but over IPv6 the kernel asks for no neighbour
 * before the link's own address has been found unique.
 */
static __always_inline int borrow(struct vtep *v, struct hop *h, __u32 missing, __u64 now)
{
	int i;

	for (i = 0; i < MAX_UPLINKS; i++) {
		const struct hop *lender = &v->hop[i];
		const struct adjacency *a = &lender->adj[lender->active & 1];

		if (a->ifindex && a->ifindex != missing && now < lender->found + BORROW_LIMIT) {
			*spare_of(h) = *a;
			lead_to_spare(h, HOP_BORROWED);
			return 1;
		}
	}
	return 0;
}

/*
 * Asks the routing table for the way of a packet from one of the source ports. The lookup is that of a packet which the
 * tunnel device would forward: that device alone has forwarding on (host/tunnel.go), and the host's own
 * settings stay as they are.
 */
static __always_inline long look_up(ctx_t *ctx, struct bpf_fib_lookup *route, const struct gateway *g,
				    const struct vtep *v, __u32 port)
{
	__builtin_memset(route, 0, sizeof(*route));
	fill_route(route, g, v);
	route->ifindex = g->tunnel_ifindex;
	route->l4_protocol = 17;
	route->tot_len = 1; /* or the frame at hand would be held against the device's MTU */
	route->sport = bpf_htons(SOURCE_PORT_FIRST + (port & PORT_BITS));
	route->dport = bpf_htons(g->port);
	return bpf_fib_lookup(ctx, route, sizeof(*route), 0);
}

/*
 * Asks for the way of one share of the flows. A multipath route that looks at ports leads different ones by different uplinks,
 * and shares that each took what one port gives would often meet on the same: so a share tries ports until one leads by its
 * own uplink, and stays with that. While none does, it goes where its port leads.
 */
static __always_inline long look_home(ctx_t *ctx, struct bpf_fib_lookup *route, const struct gateway *g,
				      const struct vtep *v, struct hop *h, __u32 share)
{
	__u32 home = g->uplink[share & (MAX_UPLINKS - 1)].ifindex, port, i;
	long verdict = look_up(ctx, route, g, v, h->port);

	if (g->uplink_count < 2)
		return verdict;
	for (i = 0; i < PORTS && route->ifindex != home; i++) {
		if (verdict != BPF_FIB_LKUP_RET_SUCCESS && verdict != BPF_FIB_LKUP_RET_NO_NEIGH)
			return verdict;
		port = h->port + ++h->tried;
		verdict = look_up(ctx, route, g, v, port);
		if (route->ifindex == home) {
			h->port = port;
			h->tried = 0;
			return verdict;
		}
	}
	return i ? look_up(ctx, route, g, v, h->port) : verdict;
}

/* Finds the way of one share of the flows. Only an uplink may be the way: never a customer's NIC. */
static __always_inline void resolve(ctx_t *ctx, const struct gateway *g, struct vtep *v, struct hop *h, __u32 share,
				    __u64 now)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct bpf_fib_lookup *route;
	struct adjacency *a;
	long verdict;

	if (!s)
		return;
	route = (void *)s->bytes; /* not on the stack, which is short where several functions are nested */
	verdict = look_home(ctx, route, g, v, h, share);
	if (verdict == BPF_FIB_LKUP_RET_NO_NEIGH && is_uplink(g, route->ifindex)) {
		if (!h->missed)
			h->missed = now;
		if (!borrow(v, h, route->ifindex, now))
			h->state = HOP_NO_NEIGHBOUR;
		return;
	}
	h->missed = 0;
	if (verdict != BPF_FIB_LKUP_RET_SUCCESS || !is_uplink(g, route->ifindex)) {
		h->state = HOP_NO_ROUTE;
		return;
	}
	a = spare_of(h);
	__builtin_memcpy(a->dst, route->dmac, 6);
	__builtin_memcpy(a->src, route->smac, 6);
	a->ifindex = route->ifindex;
	lead_to_spare(h, HOP_RESOLVED);
	h->found = now;
}

static __always_inline __u64 recheck_of(const struct hop *h)
{
	switch (h->state) {
	case HOP_RESOLVED:
		return RECHECK;
	case HOP_BORROWED:
		return RECHECK_BORROWED;
	}
	return RECHECK_UNRESOLVED;
}

static __always_inline int leads_somewhere(const struct hop *h)
{
	return h->state == HOP_RESOLVED || h->state == HOP_BORROWED;
}

/* Shall the frame at hand make the kernel ask for the neighbour? */
static __always_inline int asks_now(struct hop *h, __u64 now)
{
	if (!h->missed || (now >= h->missed + ASKING && now < h->asked + ASKING_PAUSE))
		return 0;
	h->asked = now;
	return 1;
}

enum way { WAY_NONE = 0, WAY_DIRECT = 1, WAY_TUNNEL = 2 };

/*
 * Looks a hop up again when that is due; of several CPUs one does. WAY_TUNNEL: a neighbour is missing,
 * and the frame at hand shall make the kernel ask for it, by the tunnel device. Global, for the verifier.
 */
__noinline int refresh_hop(ctx_t *ctx, __u32 index, __u32 share, __u64 now)
{
	struct gateway *g = the_gateway();
	struct vtep *v = vtep_at(index);
	__u64 checked;
	struct hop *h;

	if (!ctx || !g || !v || share >= MAX_UPLINKS)
		return WAY_NONE;
	h = &v->hop[share];
	checked = h->checked;
	if ((!checked || now >= checked + recheck_of(h)) && __sync_bool_compare_and_swap(&h->checked, checked, now)) {
		resolve(ctx, g, v, h, share, now);
		if (asks_now(h, now))
			return WAY_TUNNEL;
	}
	return leads_somewhere(h) ? WAY_DIRECT : WAY_NONE;
}

/*
 * A port that leads to a VTEP by a neighbour that is known, while one behind another uplink is missing; -1: none is missing just now.
 * For frames that leave by the tunnel device: the kernel chooses among equal routes by the port, whatever it knows of neighbours.
 */
static __always_inline int detour(const struct gateway *g, const struct vtep *v, __u64 now)
{
	int i, missing = 0, port = -1;

	for (i = 0; i < MAX_UPLINKS; i++) {
		const struct hop *h = &v->hop[i];

		if (i >= g->uplink_count)
			break;
		if (h->state == HOP_RESOLVED && now < h->found + BORROW_LIMIT)
			port = h->port & PORT_BITS;
		missing |= h->state == HOP_BORROWED && now < h->checked + RECHECK;
	}
	return missing ? port : -1;
}

/* Which of the uplinks' shares a flow belongs to. */
static __always_inline __u32 share_of(const struct gateway *g, __u32 hash)
{
	__u32 count = g->uplink_count;

	return count > 1 ? hash % count : 0;
}

/* The way of a flow's share to a VTEP, when it needs no lookup. */
static __always_inline const struct adjacency *known_way(const struct gateway *g, const struct vtep *v, __u32 hash,
							 __u64 now)
{
	__u32 share = share_of(g, hash);
	const struct hop *h;

	if (share >= MAX_UPLINKS)
		return NULL;
	h = &v->hop[share];
	return h->state == HOP_RESOLVED && now < h->checked + RECHECK ? &h->adj[h->active & 1] : NULL;
}

/* Says how a share of the flows leaves for a VTEP. */
static __always_inline enum way look_way(ctx_t *ctx, const struct gateway *g, const struct vtep *v, __u32 index,
					 __u32 share, __u64 now)
{
	const struct hop *h;

	if (!v || !(g->flags & GW_READY) || share >= MAX_UPLINKS)
		return WAY_NONE;
	h = &v->hop[share];
	return leads_somewhere(h) && now < h->checked + recheck_of(h) ? WAY_DIRECT :
									refresh_hop(ctx, index, share, now);
}

/* Says how a flow leaves for a VTEP; for WAY_DIRECT fills *out. */
static __always_inline enum way find_way(ctx_t *ctx, const struct gateway *g, __u32 index, __u32 hash, __u64 now,
					 struct adjacency *out)
{
	struct vtep *v = vtep_at(index);
	__u32 share = share_of(g, hash);
	enum way way = look_way(ctx, g, v, index, share, now);

	if (way == WAY_DIRECT && v && share < MAX_UPLINKS)
		*out = v->hop[share].adj[v->hop[share].active & 1];
	return way;
}

#endif
