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
#include "hop.h"
#include "maps.h"
#include "outer.h"
#include "pipeline.h"
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
	c = nic_counters_of(nic->slot);
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
static __always_inline int hand_over(struct xdp_md *ctx, const struct gateway *g, __u16 kind, __u16 vtep)
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
	h->hash = 0;
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

static __always_inline int drop(struct passage *f, __u32 reason)
{
	count_drop(f->counters, reason, f->weight);
	return XDP_DROP;
}

static __always_inline int to_cloud(struct xdp_md *ctx, struct passage *f, const struct parsed *p, __u32 depth)
{
	const struct extension *x = f->x;
	struct gateway *g = the_gateway();
	struct adjacency a;
	struct envelope e;
	__u32 to = f->to;
	int verdict;

	if (!g || !x->peer_count)
		return drop(f, DROP_NO_NEXT_HOP);
	if (to >= PLACE_CLOUD) { /* everywhere, or at a VTEP not known yet */
		if (x->peer_count > 1) {
			verdict = hand_over(ctx, g, HANDOVER_FLOOD, 0);
			return verdict < 0 ? drop(f, DROP_NO_NEXT_HOP) : verdict;
		}
		to = x->peer[0];
	}
	switch (find_way(ctx, g, to, p->hash, f->now, &a)) {
	case WAY_DIRECT:
		break;
	case WAY_TUNNEL:
		verdict = hand_over(ctx, g, f->to >= PLACE_CLOUD ? HANDOVER_FLOOD : HANDOVER_TUNNEL, to);
		return verdict < 0 ? drop(f, DROP_NO_NEXT_HOP) : verdict;
	default:
		return drop(f, DROP_NO_NEXT_HOP);
	}
	e.g = g;
	e.to = vtep_at(to);
	if (!e.to)
		return drop(f, DROP_NO_NEXT_HOP);
	e.vni = x->vni;
	e.hash = p->hash;
	e.size = f->weight.bytes;
	e.tos = p->tos;
	if (encapsulate(ctx, &e, &a, depth))
		return drop(f, DROP_NO_NEXT_HOP);
	count_tx(f->counters, f->weight);
	if (f->to >= PLACE_CLOUD)
		f->counters->copies++;
	return bpf_redirect(a.ifindex, 0);
}

SEC("xdp.frags")
int xdp_customer(struct xdp_md *ctx)
{
	void *data = data_of(ctx), *end = end_of(ctx);
	struct nic_tally *nic;
	struct passage f = {};
	struct parsed p = {};
	struct tags t = {};
	struct view v;
	__u32 depth, reason;

	if (data + ETH_HEADER > end)
		return no_circuit(ctx);
	read_tags(&t, data, end);
	f.x = find_circuit(ctx->ingress_ifindex, &t);
	if (!f.x)
		return no_circuit(ctx);
	depth = own_tags(f.x, &t);
	if (depth > 2)
		return XDP_DROP;
	v.addresses = data;
	v.end = end;
	v.type_offset = ETH_ADDRESSES + 4 * depth;
	v.type = data + v.type_offset;
	v.size = ctx_size(ctx) - 4 * depth;
	f.dir = TO_CLOUD;
	f.from = PLACE_CUSTOMER;
	f.weight.frames = 1;
	f.weight.bytes = v.size;
	f.longest = v.size;
	f.counters = counters_of(f.x, TO_CLOUD);
	nic = nic_counters_of(f.x->nic_slot);
	if (!f.counters || !nic)
		return XDP_DROP;
	count_nic_rx(nic, f.weight);
	count_rx(f.counters, f.weight);
	if (f.x->flags & EXT_RAISED)
		return drop(&f, DROP_RAISED);
	if (parse(ctx, f.x, &v, 0, &p))
		return drop(&f, DROP_MALFORMED);
	f.now = now_coarse();
	reason = judge(&f, &v, &p);
	if (reason)
		return drop(&f, reason);
	return to_cloud(ctx, &f, &p, depth);
}

/* Writes the inner packet's congestion mark. Returns 1 when the frame must be dropped. */
static __always_inline int mark_inner(const struct parsed *p, __u8 outer_tos, void *end)
{
	__u8 *h = p->network, mark;
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
static __always_inline int decapsulate(struct xdp_md *ctx, const struct arrival *a, __u8 tos)
{
	const struct extension *x = a->x;
	int depth = x->depth;
	int outer = a->outer == OUTER6 ? OUTER6 : OUTER4;
	int surplus = a->size - a->outer - a->inner;
	__u16 priority = tag_priority(x, tos);
	void *data = data_of(ctx);
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
	*(__be16 *)(data + 12) = bpf_htons(x->tpid);
	*(__be16 *)(data + 14) = bpf_htons(x->outer | priority);
	if (depth == 1)
		return 0;
	if (data + ETH_ADDRESSES + 8 > end_of(ctx))
		return -1;
	*(__be16 *)(data + 16) = bpf_htons(0x8100);
	*(__be16 *)(data + 18) = bpf_htons(x->inner | priority);
	return 0;
}

static __always_inline int to_customer(struct xdp_md *ctx, struct passage *f, const struct arrival *a,
				       const struct parsed *p)
{
	if (decapsulate(ctx, a, p->tos))
		return drop(f, DROP_MALFORMED);
	count_tx(f->counters, f->weight);
	return bpf_redirect(f->x->nic_ifindex, 0);
}

SEC("xdp.frags")
int xdp_underlay(struct xdp_md *ctx)
{
	struct arrival a = { .data = data_of(ctx), .end = end_of(ctx) };
	struct gateway *g = the_gateway();
	const struct uplink *u;
	struct nic_tally *nic;
	struct passage f = {};
	struct parsed p = {};
	struct weight w;
	struct view v;
	__u32 reason;

	if (!g)
		return XDP_PASS;
	u = uplink_of(g, ctx->ingress_ifindex);
	if (!u)
		return XDP_PASS;
	nic = nic_counters_of(u->nic_slot);
	if (!nic)
		return XDP_PASS;
	a.size = ctx_size(ctx);
	w.frames = 1;
	w.bytes = a.size;
	count_nic_rx(nic, w);
	switch (open_arrival(&a, g, u)) {
	case TUNNEL_NOT_OURS:
		nic->passed++;
		return XDP_PASS;
	case TUNNEL_DROP:
		count_nic_drop(nic, a.reason, w.frames);
		return XDP_DROP;
	case TUNNEL_ACCEPT:
		break;
	}
	f.x = a.x;
	f.dir = TO_CUSTOMER;
	f.from = a.vtep;
	f.weight.frames = 1;
	f.weight.bytes = a.inner;
	f.longest = a.inner;
	f.counters = counters_of(f.x, TO_CUSTOMER);
	if (!f.counters)
		return XDP_DROP;
	count_rx(f.counters, f.weight);
	if (f.x->flags & EXT_RAISED)
		return drop(&f, DROP_RAISED);
	v.addresses = a.data + (a.outer == OUTER6 ? OUTER6 : OUTER4);
	v.end = a.end;
	v.type_offset = a.outer + ETH_ADDRESSES;
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = a.inner;
	if (v.type > v.end || parse(ctx, f.x, &v, 0, &p))
		return drop(&f, DROP_MALFORMED);
	f.now = now_coarse();
	if (p.ip && ecn_decapsulate(a.tos, p.tos) == ECN_DROP)
		return drop(&f, DROP_MALFORMED);
	reason = judge(&f, &v, &p);
	if (reason)
		return drop(&f, reason);
	mark_inner(&p, a.tos, v.end);
	return to_customer(ctx, &f, &a, &p);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
