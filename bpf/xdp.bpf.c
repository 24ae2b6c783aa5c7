// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Engine xdp. Known unicast and frames for one VTEP are rewritten in place and redirected. What needs
 * copies, or a neighbour that the kernel must ask for, is handed to tc with its verdict.
 */
#include "ctx_xdp.h"

#include "abi.h"
#include "count.h"
#include "decap.h"
#include "ecn.h"
#include "ethernet.h"
#include "fdb.h"
#include "flow_cache.h"
#include "hop.h"
#include "maps.h"
#include "outer.h"
#include "pipeline.h"
#include "too_big.h"
#include "vlan.h"

static __always_inline void *data_of(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *end_of(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

static __always_inline void read_tags(struct tags *t, void *data, void *end)
{
	__u16 type = load16(data + ETH_ADDRESSES);

	if (!is_tag(type) || data + 18 > end)
		return;
	t->tpid[0] = type;
	t->vid[0] = load16(data + 14) & VID_BITS;
	type = load16(data + 16);
	if (!is_tag(type) || data + 22 > end)
		return;
	t->tpid[1] = type;
	t->vid[1] = load16(data + 18) & VID_BITS;
}

/* No circuit takes it: dropped, or left to the host where the operator says so. */
__noinline int no_circuit(struct xdp_md *ctx)
{
	struct weight w = { .frames = 1 };
	struct nic_tally *c;
	struct nic *nic;
	__u32 ifindex;

	if (!ctx)
		return XDP_DROP;
	w.bytes = ctx_size(ctx);
	ifindex = ctx->ingress_ifindex;
	nic = bpf_map_lookup_elem(&nics, &ifindex);
	if (!nic)
		return XDP_DROP;
	c = nic_tally_of(nic->slot);
	if (!c)
		return XDP_DROP;
	count_nic_rx(c, w);
	if (nic->flags & NIC_PASSTHROUGH) {
		c->passed++;
		return XDP_PASS;
	}
	count_nic_drop(c, DROP_NO_CIRCUIT, w.frames);
	return XDP_DROP;
}

/* Decided and counted as received; tc sends it, or counts why not. */
static __always_inline int hand_over(struct xdp_md *ctx, const struct gateway *g, __u16 kind, __u16 vtep, __u32 record)
{
	struct handover *h;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*h)))
		return -1;
	h = (void *)(long)ctx->data_meta;
	if ((void *)(h + 1) > data_of(ctx))
		return -1;
	h->nonce = g->nonce;
	h->kind = kind;
	h->vtep = vtep;
	h->record = record;
	h->zero = 0;
	return XDP_PASS;
}

/*
 * The outer UDP checksum over IPv6: the packet from the UDP header on, in pieces that bpf_csum_diff
 * takes on every kernel, and the pseudo header. 9,216 bytes and more need at most 32 pieces.
 */
__noinline int udp6_checksum(struct xdp_md *ctx)
{
	__u32 offset = ETH_HEADER + IPV6_HEADER, left, zero = 0, piece;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	__u8 addresses[32];
	__s64 sum;
	__u16 folded;
	int i;

	if (!ctx || !s)
		return -1;
	left = ctx_size(ctx) - offset;
	if (ctx_load(ctx, ETH_HEADER + 8, addresses, 32))
		return -1;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)addresses, 32, bpf_htonl(left));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&(__be32){ bpf_htonl(17) }, 4, sum);
	for (i = 0; i < 32 && left; i++) {
		piece = left < SCRATCH_BYTES ? left : SCRATCH_BYTES;
		if (piece < SCRATCH_BYTES)
			__builtin_memset(s->bytes, 0, SCRATCH_BYTES);
		if (piece < 1 || piece > SCRATCH_BYTES || ctx_load(ctx, offset, s->bytes, piece))
			return -1;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)s->bytes, SCRATCH_BYTES, sum);
		offset += piece;
		left -= piece;
	}
	if (left)
		return -1;
	folded = ~fold(sum);
	return folded ? folded : 0xffff; /* RFC 768: a sum of 0 is sent as ones */
}

static __always_inline int write_outer6(struct xdp_md *ctx, const struct envelope *e, const struct adjacency *a,
					__u64 mac8, __u32 mac4)
{
	void *data = data_of(ctx);
	struct udp *udp = data + ETH_HEADER + IPV6_HEADER;
	int sum;

	if (data + OUTER6 + ETH_ADDRESSES > end_of(ctx))
		return -1;
	*(__u64 *)data = *(const __u64 *)a->dst;
	*(__u32 *)(data + 8) = *(const __u32 *)(a->dst + 8);
	*(__be16 *)(data + ETH_ADDRESSES) = bpf_htons(TYPE_IPV6);
	write_ipv6(data + ETH_HEADER, e);
	write_tunnel(udp, (void *)(udp + 1), e);
	*(__u64 *)(data + OUTER6) = mac8;
	*(__u32 *)(data + OUTER6 + 8) = mac4;
	if (e->g->flags & GW_ZERO_CHECKSUM6)
		return 0;
	sum = udp6_checksum(ctx);
	if (sum < 0)
		return -1;
	data = data_of(ctx);
	if (data + OUTER6 > end_of(ctx))
		return -1;
	udp = data + ETH_HEADER + IPV6_HEADER;
	udp->checksum = sum;
	return 0;
}

static __always_inline int write_outer4(struct xdp_md *ctx, const struct envelope *e, const struct adjacency *a,
					__u64 mac8, __u32 mac4)
{
	void *data = data_of(ctx);
	struct udp *udp = data + ETH_HEADER + IPV4_HEADER;

	if (data + OUTER4 + ETH_ADDRESSES > end_of(ctx))
		return -1;
	*(__u64 *)data = *(const __u64 *)a->dst;
	*(__u32 *)(data + 8) = *(const __u32 *)(a->dst + 8);
	*(__be16 *)(data + ETH_ADDRESSES) = bpf_htons(TYPE_IPV4);
	write_ipv4(data + ETH_HEADER, e);
	write_tunnel(udp, (void *)(udp + 1), e);
	*(__u64 *)(data + OUTER4) = mac8;
	*(__u32 *)(data + OUTER4 + 8) = mac4;
	return 0;
}

/* Takes depth tags off, puts the outer headers on. The EtherType stays where it is: only MACs move. */
static __always_inline int encapsulate(struct xdp_md *ctx, const struct envelope *e, const struct adjacency *a,
				       __u32 depth)
{
	void *data = data_of(ctx);
	int outer = e->g->flags & GW_IPV6 ? OUTER6 : OUTER4;
	__u64 mac8;
	__u32 mac4;

	if (data + ETH_HEADER > end_of(ctx))
		return -1;
	mac8 = *(__u64 *)data;
	mac4 = *(__u32 *)(data + 8);
	if (bpf_xdp_adjust_head(ctx, (int)(4 * depth) - outer))
		return -1;
	return outer == OUTER6 ? write_outer6(ctx, e, a, mac8, mac4) : write_outer4(ctx, e, a, mac8, mac4);
}

static __always_inline int drop(struct walk *walk, __u32 reason)
{
	finish(walk, reason);
	return XDP_DROP;
}

static __always_inline int to_cloud(struct xdp_md *ctx, struct gateway *g, struct walk *walk)
{
	const struct parsed *p = &walk->f->p;
	const struct extension *x = walk->x;
	struct adjacency a;
	struct envelope e;
	struct vtep *vtep;
	__u32 to = walk->f->to;
	__u64 until;
	int verdict;

	if (!x->peer_count)
		return drop(walk, DROP_NO_NEXT_HOP);
	if (walk->f->began && to >= PLACE_CLOUD && x->peer_count > 1)
		charge_cpu(x, walk->f->began); /* tc times its part */
	if (to >= PLACE_CLOUD) {	       /* everywhere, or at a VTEP not known yet */
		if (x->peer_count > 1) {
			verdict = hand_over(ctx, g, HANDOVER_FLOOD, 0, 0);
			return verdict < 0 ? drop(walk, DROP_NO_NEXT_HOP) : verdict;
		}
		to = x->peer[0];
	}
	switch (find_way(ctx, g, to, p->hash, walk->f->now, &a, &until)) {
	case WAY_DIRECT:
		break;
	case WAY_TUNNEL:
		verdict = hand_over(ctx, g, walk->f->to >= PLACE_CLOUD ? HANDOVER_FLOOD : HANDOVER_TUNNEL, to, 0);
		return verdict < 0 ? drop(walk, DROP_NO_NEXT_HOP) : verdict;
	default:
		return drop(walk, DROP_NO_NEXT_HOP);
	}
	vtep = vtep_at(to);
	if (!vtep)
		return drop(walk, DROP_NO_NEXT_HOP);
	e.g = g;
	e.to = &vtep->addr;
	e.vni = x->vni;
	e.hash = p->hash;
	e.size = walk->f->bytes;
	e.tos = p->tos;
	if (encapsulate(ctx, &e, &a, walk->f->depth))
		return drop(walk, DROP_NO_NEXT_HOP);
	finish(walk, DROP_NONE);
	if (walk->f->to >= PLACE_CLOUD)
		walk->counters->copies++;
	else
		keep_to_cloud(g, walk, &vtep->addr, &a, until);
	return bpf_redirect(a.ifindex, 0);
}

static __always_inline int is_plain_to_cloud(struct xdp_md *ctx, const struct flow *flow, struct view *v,
					     struct parsed *p)
{
	__u32 depth = flow->depth;

	if (depth > 2)
		return 0;
	v->type_offset = ETH_ADDRESSES + 4 * depth;
	v->type = v->addresses + v->type_offset;
	v->size = ctx_size(ctx) - 4 * depth;
	return begins_plain(v) && v->size <= flow->limit && !parse(ctx, 0, v, 0, p) && is_plain(p);
}

static __always_inline int send_cached_to_cloud(struct xdp_md *ctx, const struct gateway *g, const struct flow *flow,
						const struct view *v, const struct parsed *p)
{
	__u32 nic_slot = flow->nic_slot, counter = flow->slot * 2 + TO_CLOUD;
	struct tally *c = bpf_map_lookup_elem(&counters, &counter);
	struct nic_tally *nic = nic_tally_of(nic_slot);
	struct envelope e = { .g = g, .to = &flow->to, .vni = flow->vni, .hash = p->hash, .tos = p->tos };
	struct weight w = { .frames = 1, .bytes = v->size };
	struct adjacency a = flow->adj;

	if (!c || !nic)
		return XDP_DROP;
	e.size = v->size;
	count_nic_rx(nic, w);
	count_rx(c, w);
	if (encapsulate(ctx, &e, &a, flow->depth)) {
		count_drop(c, DROP_NO_NEXT_HOP, w);
		return XDP_DROP;
	}
	count_tx(c, w);
	return bpf_redirect(a.ifindex, 0);
}

SEC("xdp.frags")
int xdp_customer(struct xdp_md *ctx)
{
	void *data = data_of(ctx), *end = end_of(ctx);
	struct gateway *g = the_gateway();
	struct flow_key key;
	struct nic_tally *nic;
	struct walk walk = {};
	struct parsed p = {};
	struct flow *flow;
	struct tags t = {};
	struct view v = { .addresses = data, .end = end };
	__u64 now;
	__u32 reason, depth;

	if (data + ETH_HEADER > end || !g)
		return no_circuit(ctx);
	read_tags(&t, data, end);
	now = clock_ns(g);
	key = key_to_cloud(data, ctx->ingress_ifindex, &t);
	flow = find_flow(&key, g, now);
	if (flow && is_plain_to_cloud(ctx, flow, &v, &p))
		return send_cached_to_cloud(ctx, g, flow, &v, &p);
	walk.f = new_passage();
	if (!walk.f)
		return XDP_DROP;
	walk.f->now = now;
	walk.f->key = key;
	walk.f->before.gateway = g->generation;
	walk.x = find_circuit(ctx->ingress_ifindex, &t);
	if (!walk.x)
		return no_circuit(ctx);
	depth = own_tags(walk.x, &t);
	walk.state = state_of(walk.x->slot);
	if (depth > 2 || !walk.state)
		return XDP_DROP;
	walk.f->depth = depth;
	walk.f->before.extension = walk.state->generation;
	walk.f->began = time_frame(g, walk.x);
	v.type_offset = ETH_ADDRESSES + 4 * depth;
	v.type = data + v.type_offset;
	v.size = ctx_size(ctx) - 4 * depth;
	walk.f->dir = TO_CLOUD;
	walk.f->from = PLACE_CUSTOMER;
	walk.f->frames = 1;
	walk.f->bytes = v.size;
	walk.f->longest = v.size;
	walk.counters = tally_of(walk.x, TO_CLOUD);
	nic = nic_tally_of(walk.x->nic_slot);
	if (!walk.counters || !nic)
		return XDP_DROP;
	count_nic_rx(nic, weight_of(walk.f));
	count_rx(walk.counters, weight_of(walk.f));
	reason = decide(ctx, &walk, &v, parse(ctx, walk.x->slot, &v, 0, &walk.f->p));
	if (reason == DROP_TOO_BIG && is_answered(ctx, walk.x, &v, &walk.f->p, TO_CLOUD)) {
		finish(&walk, reason);
		return hand_over(ctx, g, HANDOVER_TOO_BIG, 0, walk.x->record) == XDP_PASS ? XDP_PASS : XDP_DROP;
	}
	if (reason)
		return drop(&walk, reason);
	clamp(ctx, walk.x, &walk.f->p);
	return to_cloud(ctx, g, &walk);
}

/* Writes the inner packet's congestion mark. Returns 1 when the frame must be dropped. */
static __always_inline int mark_inner(const struct parsed *p, __u8 outer_tos, void *data, void *end)
{
	__u8 *h = data + (p->network_offset & 0xff), mark; /* behind outer headers and tags */
	__be16 before;

	if (!p->ip)
		return 0;
	mark = ecn_decapsulate(outer_tos, p->tos);
	if (mark == ECN_DROP)
		return 1;
	if (mark == (p->tos & 3) || (void *)(h + 12) > end)
		return 0;
	if (p->ip == 6) {
		h[1] = (h[1] & 0xcf) | mark << 4;
		return 0;
	}
	before = *(__be16 *)h;
	h[1] = (h[1] & 0xfc) | mark;
	*(__u16 *)(h + 10) = checksum_after(*(__u16 *)(h + 10), before, *(__be16 *)h);
	return 0;
}

/* Takes the outer headers off, puts the circuit's tags on. */
static __always_inline int decapsulate(struct xdp_md *ctx, const struct arrival *a, const struct leaving *l)
{
	int outer = a->outer == OUTER6 ? OUTER6 : OUTER4;
	int surplus = a->size - a->outer - a->inner;
	__be16 priority = bpf_htons(l->priority);
	void *data = data_of(ctx);
	int depth = l->depth;
	__u64 mac8;
	__u32 mac4;

	if (depth > 2 || data + outer + ETH_HEADER > end_of(ctx))
		return -1;
	mac8 = *(__u64 *)(data + outer);
	mac4 = *(__u32 *)(data + outer + 8);
	if (surplus > 0 && bpf_xdp_adjust_tail(ctx, -surplus))
		return -1;
	if (bpf_xdp_adjust_head(ctx, outer - 4 * depth))
		return -1;
	data = data_of(ctx);
	if (data + ETH_ADDRESSES > end_of(ctx))
		return -1;
	*(__u64 *)data = mac8;
	*(__u32 *)(data + 8) = mac4;
	if (!depth)
		return 0;
	if (data + ETH_ADDRESSES + 4 > end_of(ctx))
		return -1;
	*(__be16 *)(data + 12) = l->tag[0];
	*(__be16 *)(data + 14) = l->tag[1] | priority;
	if (depth == 1)
		return 0;
	if (data + ETH_ADDRESSES + 8 > end_of(ctx))
		return -1;
	*(__be16 *)(data + 16) = l->tag[2];
	*(__be16 *)(data + 18) = l->tag[3] | priority;
	return 0;
}

/* Takes the outer headers off a frame that is too long, and leaves it to tc to tell its sender. */
static __always_inline int answer_to_cloud(struct xdp_md *ctx, const struct gateway *g, const struct arrival *a,
					   __u32 record)
{
	int outer = a->outer == OUTER6 ? OUTER6 : OUTER4;
	int surplus = a->size - a->outer - a->inner;

	if (surplus > 0 && bpf_xdp_adjust_tail(ctx, -surplus))
		return XDP_DROP;
	if (bpf_xdp_adjust_head(ctx, outer))
		return XDP_DROP;
	return hand_over(ctx, g, HANDOVER_TOO_BIG, a->vtep, record) == XDP_PASS ? XDP_PASS : XDP_DROP;
}

static __always_inline int is_plain_to_customer(struct xdp_md *ctx, const struct flow *flow, const struct arrival *a,
						const struct view *v, struct parsed *p)
{
	return begins_plain(v) && v->size <= flow->limit && !parse(ctx, 0, v, 0, p) && is_plain(p) &&
	       !loses_mark(p, a->tos);
}

static __always_inline int send_cached_to_customer(struct xdp_md *ctx, const struct flow *flow, const struct arrival *a,
						   const struct view *v, const struct parsed *p, struct nic_tally *nic)
{
	__u32 counter = flow->slot * 2 + TO_CUSTOMER;
	struct tally *c = bpf_map_lookup_elem(&counters, &counter);
	struct weight w = { .frames = 1, .bytes = a->inner }, outer = { .frames = 1, .bytes = a->size };
	struct leaving l = leaving_cached(flow, p->tos);

	if (!c)
		return XDP_DROP;
	mark_inner(p, a->tos, a->data, v->end);
	count_nic_rx(nic, outer);
	count_rx(c, w);
	if (decapsulate(ctx, a, &l)) {
		count_drop(c, DROP_MALFORMED, w);
		return XDP_DROP;
	}
	count_tx(c, w);
	return bpf_redirect(l.ifindex, 0);
}

SEC("xdp.frags")
int xdp_underlay(struct xdp_md *ctx)
{
	struct arrival a = { .data = data_of(ctx), .end = end_of(ctx) };
	struct gateway *g = the_gateway();
	const struct uplink *u;
	struct nic_tally *nic;
	struct walk walk = {};
	struct flow_key key = {};
	struct parsed p = {};
	struct leaving l;
	struct flow *flow;
	struct weight w;
	struct view v = {};
	__u64 now;
	__u32 reason, outer;
	int ours, malformed;

	if (!g)
		return XDP_PASS;
	u = uplink_of(g, ctx->ingress_ifindex);
	if (!u)
		return XDP_PASS;
	nic = nic_tally_of(u->nic_slot);
	if (!nic)
		return XDP_PASS;
	a.size = ctx_size(ctx);
	w.frames = 1;
	w.bytes = a.size;
	ours = read_arrival(&a, g, u);
	outer = a.outer == OUTER6 ? OUTER6 : OUTER4;
	now = clock_ns(g);
	v.addresses = a.data + outer;
	v.end = a.end;
	v.type_offset = outer + ETH_ADDRESSES;
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = a.inner;
	if (ours && !a.wrong && !a.fragment && v.type <= v.end) {
		key = key_to_customer(v.addresses, &a.src, a.vni);
		flow = find_flow(&key, g, now);
		if (flow && is_plain_to_customer(ctx, flow, &a, &v, &p))
			return send_cached_to_customer(ctx, flow, &a, &v, &p, nic);
	}
	walk.f = new_passage();
	if (!walk.f)
		return XDP_DROP;
	walk.f->now = now;
	walk.f->key = key;
	walk.f->before.gateway = g->generation;
	count_nic_rx(nic, w);
	switch (ours ? admit(&a) : TUNNEL_NOT_OURS) {
	case TUNNEL_NOT_OURS:
		nic->passed++;
		return XDP_PASS;
	case TUNNEL_DROP:
		count_nic_drop(nic, a.reason, w.frames);
		return XDP_DROP;
	case TUNNEL_ACCEPT:
		break;
	}
	walk.x = a.x;
	walk.f->dir = TO_CUSTOMER;
	walk.f->from = a.vtep;
	walk.f->frames = 1;
	walk.f->bytes = a.inner;
	walk.f->longest = a.inner;
	walk.counters = tally_of(walk.x, TO_CUSTOMER);
	walk.state = state_of(walk.x->slot);
	if (!walk.counters || !walk.state)
		return XDP_DROP;
	walk.f->before.extension = walk.state->generation;
	walk.f->began = time_frame(g, walk.x);
	count_rx(walk.counters, weight_of(walk.f));
	if (v.type > v.end) /* not even addresses */
		return drop(&walk, walk.x->flags & EXT_RAISED ? DROP_RAISED : DROP_MALFORMED);
	malformed = parse(ctx, walk.x->slot, &v, 0, &walk.f->p) || loses_mark(&walk.f->p, a.tos);
	reason = decide(ctx, &walk, &v, malformed);
	if (reason == DROP_TOO_BIG && is_answered(ctx, walk.x, &v, &walk.f->p, TO_CUSTOMER)) {
		finish(&walk, reason);
		return answer_to_cloud(ctx, g, &a, walk.x->record);
	}
	if (reason)
		return drop(&walk, reason);
	mark_inner(&walk.f->p, a.tos, a.data, v.end);
	clamp(ctx, walk.x, &walk.f->p);
	l = leaving_of(walk.x, walk.f->p.tos);
	keep_to_customer(g, &walk, &l);
	if (decapsulate(ctx, &a, &l))
		return drop(&walk, DROP_MALFORMED);
	finish(&walk, DROP_NONE);
	return bpf_redirect(l.ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
