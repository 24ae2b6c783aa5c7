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
#include "path_mtu.h"
#include "pipeline.h"
#include "plain_arrival.h"
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

#define TAGGED_LEAST 20 /* addresses, a tag, a type, and two bytes */

/*
 * Likewise, a customer's frame. The kernel takes the first tag off before tc meets the frame, and frees it, uncounted, when fewer than
 * six bytes follow the addresses' and type's fourteen: a frame so short gets a byte or two of padding.
 */
static __always_inline int hand_on(struct xdp_md *ctx, const struct gateway *g, const struct walk *walk, __u16 kind,
				   __u16 vtep)
{
	__u32 size = ctx_size(ctx);

	if (walk->f->depth && size < TAGGED_LEAST && bpf_xdp_adjust_tail(ctx, TAGGED_LEAST - size))
		return -1;
	return hand_over(ctx, g, kind, vtep, 0);
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

/* Both MACs of a frame, wire order. */
struct macs {
	__u32 word[3];
};

static __always_inline struct macs macs_of(const struct flow_key *k)
{
	struct macs m = { { k->addresses[0], k->addresses[1], k->addresses[2] } };

	return m;
}

static __always_inline void put_macs(void *at, const struct macs *m)
{
	__u32 *word = at;

	word[0] = m->word[0];
	word[1] = m->word[1];
	word[2] = m->word[2];
}

static __always_inline int write_outer6(struct xdp_md *ctx, const struct envelope *e, const struct adjacency *a,
					const struct macs *m)
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
	put_macs(data + OUTER6, m);
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
					const struct macs *m)
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
	put_macs(data + OUTER4, m);
	return 0;
}

/* Takes depth tags off, puts the outer headers on. The EtherType stays where it is: only MACs move. */
static __always_inline int encapsulate(struct xdp_md *ctx, const struct envelope *e, const struct adjacency *a,
				       __u32 depth, const struct macs *m)
{
	int outer = e->g->flags & GW_IPV6 ? OUTER6 : OUTER4;

	if (bpf_xdp_adjust_head(ctx, (int)(4 * depth) - outer))
		return -1;
	return outer == OUTER6 ? write_outer6(ctx, e, a, m) : write_outer4(ctx, e, a, m);
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
	struct macs m;
	__u32 to = walk->f->to;
	int verdict;

	if (!x->peer_count)
		return drop(walk, DROP_NO_NEXT_HOP);
	if (walk->f->began && to >= PLACE_CLOUD && x->peer_count > 1)
		charge_cpu(x, walk->f->began); /* tc times its part */
	if (to >= PLACE_CLOUD) {	       /* everywhere, or at a VTEP not known yet */
		if (x->peer_count > 1) {
			verdict = hand_on(ctx, g, walk, HANDOVER_FLOOD, 0);
			return verdict < 0 ? drop(walk, DROP_NO_NEXT_HOP) : verdict;
		}
		to = peer_of(x, 0);
	}
	switch (find_way(ctx, g, to, p->hash, walk->f->now, &a)) {
	case WAY_DIRECT:
		break;
	case WAY_TUNNEL:
		verdict = hand_on(ctx, g, walk, walk->f->to >= PLACE_CLOUD ? HANDOVER_FLOOD : HANDOVER_TUNNEL, to);
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
	m = macs_of(&walk->f->key);
	if (encapsulate(ctx, &e, &a, walk->f->depth, &m))
		return drop(walk, DROP_NO_NEXT_HOP);
	finish(walk, DROP_NONE);
	if (walk->f->to >= PLACE_CLOUD)
		walk->counters->copies++;
	else
		keep_to_cloud(g, walk);
	return bpf_redirect(a.ifindex, 0);
}

#define NOT_CACHED -1 /* no verdict of XDP */

/* A frame of a cached flow: the verdict, or NOT_CACHED when the stages must see it. */
static __always_inline int cached_to_cloud(struct xdp_md *ctx)
{
	void *data = data_of(ctx), *end = end_of(ctx);
	struct gateway *g = the_gateway();
	struct view v = { .addresses = data, .end = end };
	struct weight w = { .frames = 1 };
	const struct adjacency *way;
	struct nic_tally *nic;
	struct parsed p = {};
	struct envelope e;
	struct tags t = {};
	struct flow_key key;
	struct recent r;
	struct macs m;
	__u32 depth;
	__u64 now;

	if (data + ETH_HEADER > end || !g)
		return NOT_CACHED;
	read_tags(&t, data, end);
	key = key_to_cloud(data, ctx->ingress_ifindex, &t);
	now = clock_ns(g);
	r = recent_to_cloud(&key, g, now);
	if (!r.x)
		return NOT_CACHED;
	depth = r.x->depth;
	if (depth > 2)
		return NOT_CACHED;
	v.type_offset = ETH_ADDRESSES + 4 * depth;
	v.type = data + v.type_offset;
	v.size = ctx_size(ctx) - 4 * depth;
	if (v.size > r.x->max_to_cloud || !is_plain(&v, &p))
		return NOT_CACHED;
	way = known_way(g, r.vtep, p.hash, now);
	nic = nic_tally_of(r.x->nic_slot);
	if (!way || !nic)
		return NOT_CACHED;
	e.g = g;
	e.to = &r.vtep->addr;
	e.vni = r.x->vni;
	e.hash = p.hash;
	e.tos = p.tos;
	e.size = v.size;
	w.bytes = v.size;
	count_nic_rx(nic, w);
	m = macs_of(&key);
	if (encapsulate(ctx, &e, way, depth, &m)) {
		count_spoilt(r.x->slot, TO_CLOUD, DROP_NO_NEXT_HOP, w.frames, w.bytes);
		return XDP_DROP;
	}
	count_hit(r.hits, w);
	return bpf_redirect(way->ifindex, 0);
}

/* A frame that the stages must see. */
static __noinline int judged_to_cloud(struct xdp_md *ctx)
{
	void *data = data_of(ctx), *end = end_of(ctx);
	struct gateway *g = the_gateway();
	struct nic_tally *nic;
	struct walk walk = {};
	struct tags t = {};
	struct view v = { .addresses = data, .end = end };
	__u32 reason, depth;

	if (data + ETH_HEADER > end || !g)
		return no_circuit(ctx);
	read_tags(&t, data, end);
	walk.f = new_passage();
	if (!walk.f)
		return XDP_DROP;
	walk.f->now = clock_ns(g);
	walk.f->key = key_to_cloud(data, ctx->ingress_ifindex, &t);
	walk.f->before.gateway = g->generation;
	walk.x = find_circuit(ctx->ingress_ifindex, &t);
	if (!walk.x)
		return no_circuit(ctx);
	depth = own_tags(walk.x, &t);
	walk.state = state_of(walk.x->slot);
	if (depth > 2 || !walk.state)
		return XDP_DROP;
	walk.f->depth = depth;
	walk.f->before.extension = walk.x->generation;
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

SEC("xdp.frags")
int xdp_customer(struct xdp_md *ctx)
{
	int verdict = cached_to_cloud(ctx);

	return verdict == NOT_CACHED ? judged_to_cloud(ctx) : verdict;
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

/* Takes the outer headers off, puts the circuit's tags on. m: of the inner frame. */
static __always_inline int decapsulate(struct xdp_md *ctx, const struct arrival *a, const struct leaving *l,
				       const struct macs *m)
{
	int outer = a->outer == OUTER6 ? OUTER6 : OUTER4;
	int surplus = a->size - a->outer - a->inner;
	__be16 priority = bpf_htons(l->priority);
	int depth = l->depth;
	void *data;

	if (depth > 2)
		return -1;
	if (surplus > 0 && bpf_xdp_adjust_tail(ctx, -surplus))
		return -1;
	if (bpf_xdp_adjust_head(ctx, outer - 4 * depth))
		return -1;
	data = data_of(ctx);
	if (data + ETH_ADDRESSES > end_of(ctx))
		return -1;
	put_macs(data, m);
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

/* Reads the outer headers. Returns 0 when it is no tunnel packet for us; else v is where its inner frame would be. */
static __always_inline int read_underlay(struct xdp_md *ctx, struct arrival *a, struct view *v, const struct gateway *g,
					 const struct uplink *u)
{
	int ours;

	a->data = data_of(ctx);
	a->end = end_of(ctx);
	a->size = ctx_size(ctx);
	ours = read_arrival(a, g, u);
	v->type_offset = (a->outer == OUTER6 ? OUTER6 : OUTER4) + ETH_ADDRESSES;
	v->type = a->data + v->type_offset;
	v->addresses = v->type - ETH_ADDRESSES;
	v->end = a->end;
	v->size = a->inner;
	return ours;
}

/* May it be one that was admitted? */
static __always_inline int has_key(const struct arrival *a, const struct view *v)
{
	return !a->wrong && !a->fragment && v->type <= v->end;
}

/* Does the inner packet's congestion mark stay as it is? */
static __always_inline int keeps_mark(const struct parsed *p, __u8 outer_tos)
{
	return !p->ip || ecn_decapsulate(outer_tos, p->tos) == (p->tos & 3);
}

/* Sends the frame of an arrival that was found right, when its flow is cached. */
static __always_inline int forward_cached(struct xdp_md *ctx, const struct gateway *g, const struct uplink *u,
					  const struct arrival *a, const struct view *v)
{
	struct flow_key key = key_to_customer(v->addresses, &a->src, a->vni);
	struct recent r = recent_to_customer(&key, g, clock_ns(g));
	struct weight outer = { .frames = 1, .bytes = a->size };
	struct weight w = { .frames = 1, .bytes = a->inner };
	struct nic_tally *nic;
	struct macs m = macs_of(&key);
	struct parsed p = {};
	struct leaving l;

	if (!r.x || v->size > r.x->max_to_customer || !is_plain(v, &p) || !keeps_mark(&p, a->tos))
		return NOT_CACHED;
	nic = nic_tally_of(u->nic_slot);
	if (!nic)
		return NOT_CACHED;
	l = leaving_of(r.x, p.tos);
	count_nic_rx(nic, outer);
	if (decapsulate(ctx, a, &l, &m)) {
		count_spoilt(r.x->slot, TO_CUSTOMER, DROP_MALFORMED, w.frames, w.bytes);
		return XDP_DROP;
	}
	count_hit(r.hits, w);
	return bpf_redirect(l.ifindex, 0);
}

/* A tunnel packet of a cached flow: the verdict, or NOT_CACHED when the stages must see it. Two of them, so that lengths are constants. */
static __noinline int cached_to_customer4(struct xdp_md *ctx)
{
	struct gateway *g = the_gateway();
	const struct uplink *u;
	struct arrival a = { .data = data_of(ctx), .end = end_of(ctx), .size = ctx_size(ctx) };
	struct view v = { .addresses = a.data + OUTER4, .type = a.data + OUTER4 + ETH_ADDRESSES, .end = a.end };

	if (!g)
		return NOT_CACHED;
	u = uplink_of(g, ctx->ingress_ifindex);
	if (!u || !is_plain_arrival(&a, g, u))
		return NOT_CACHED;
	v.type_offset = OUTER4 + ETH_ADDRESSES;
	v.size = a.inner;
	return forward_cached(ctx, g, u, &a, &v);
}

static __noinline int cached_to_customer6(struct xdp_md *ctx)
{
	struct gateway *g = the_gateway();
	const struct uplink *u;
	struct arrival a = {};
	struct view v;

	if (!g || !(g->flags & GW_IPV6))
		return NOT_CACHED;
	u = uplink_of(g, ctx->ingress_ifindex);
	if (!u || !read_underlay(ctx, &a, &v, g, u) || !has_key(&a, &v))
		return NOT_CACHED;
	return forward_cached(ctx, g, u, &a, &v);
}

/* A packet from the underlay that the stages must see, or the host. */
static __noinline int judged_to_customer(struct xdp_md *ctx)
{
	struct gateway *g = the_gateway();
	struct weight w = { .frames = 1 };
	const struct uplink *u;
	struct nic_tally *nic;
	struct arrival a = {};
	struct walk walk = {};
	struct view v = {};
	struct leaving l;
	struct macs m;
	int ours, malformed;
	__u32 reason;

	if (!g)
		return XDP_PASS;
	u = uplink_of(g, ctx->ingress_ifindex);
	if (!u)
		return XDP_PASS;
	nic = nic_tally_of(u->nic_slot);
	if (!nic)
		return XDP_PASS;
	ours = read_underlay(ctx, &a, &v, g, u);
	w.bytes = a.size;
	walk.f = new_passage();
	if (!walk.f)
		return XDP_DROP;
	walk.f->now = clock_ns(g);
	if (ours && has_key(&a, &v))
		walk.f->key = key_to_customer(v.addresses, &a.src, a.vni);
	walk.f->before.gateway = g->generation;
	count_nic_rx(nic, w);
	switch (ours ? admit(&a) : TUNNEL_NOT_OURS) {
	case TUNNEL_NOT_OURS:
		if (shortens_path(ctx)) {
			count_nic_drop(nic, DROP_TUNNEL_HEADER, w.frames);
			return XDP_DROP;
		}
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
	walk.f->before.extension = walk.x->generation;
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
	keep_to_customer(g, &walk);
	m = macs_of(&walk.f->key);
	if (decapsulate(ctx, &a, &l, &m))
		return drop(&walk, DROP_MALFORMED);
	finish(&walk, DROP_NONE);
	return bpf_redirect(l.ifindex, 0);
}

SEC("xdp.frags")
int xdp_underlay(struct xdp_md *ctx)
{
	int verdict = cached_to_customer4(ctx);

	if (verdict == NOT_CACHED)
		verdict = cached_to_customer6(ctx);
	return verdict == NOT_CACHED ? judged_to_customer(ctx) : verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
