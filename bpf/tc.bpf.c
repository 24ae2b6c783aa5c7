// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Engine tc, and what engine xdp leaves to tc: copies for several VTEPs, the tunnel device, and the guard
 * that keeps the host's own frames off the customers' wires.
 */
#include "ctx_tc.h"

#include "abi.h"
#include "count.h"
#include "decap.h"
#include "ecn.h"
#include "ethernet.h"
#include "fdb.h"
#include "flow_cache.h"
#include "hop.h"
#include "maps.h"
#include "nested.h"
#include "outer.h"
#include "path_mtu.h"
#include "pipeline.h"
#include "send_tc.h"
#include "too_big.h"
#include "answer_tc.h"
#include "vlan.h"

#define TCX_NEXT -1
#define TCX_DROP 2
/*
 * What the stages read directly of a frame: two tags and an IPv6 header. The ports behind it are read where
 * they are there: the kernel keeps a frame's headers together. To make more of a super-frame readable would
 * copy its head, which is shared with the sender's retransmission queue.
 */
#define HEADERS_BYTES 62

static __always_inline void *data_of(struct __sk_buff *skb)
{
	return (void *)(long)skb->data;
}

static __always_inline void *end_of(struct __sk_buff *skb)
{
	return (void *)(long)skb->data_end;
}

/* Makes the headers directly readable. */
static __always_inline void pull_headers(struct __sk_buff *skb, __u32 want)
{
	if (want > skb->len)
		want = skb->len;

	if (data_of(skb) + want > end_of(skb))
		bpf_skb_pull_data(skb, want);
}

/* The tag at offset of the frame, or tpid 0. */
static __always_inline __u16 read_tag(void *data, void *end, __u32 offset, __u16 *vid)
{
	__u16 type;

	if (data + offset + 6 > end)
		return 0;
	type = load16(data + offset);
	if (!is_tag(type))
		return 0;
	*vid = load16(data + offset + 2) & VID_BITS;
	return type;
}

/* The outermost tag is usually in the socket buffer, all others in the frame. */
static __always_inline void read_tags(struct __sk_buff *skb, struct tags *t, void *data, void *end)
{
	if (skb->vlan_present) {
		t->tpid[0] = bpf_ntohs(skb->vlan_proto);
		t->vid[0] = skb->vlan_tci & VID_BITS;
		t->tpid[1] = read_tag(data, end, ETH_ADDRESSES, &t->vid[1]);
		return;
	}
	t->tpid[0] = read_tag(data, end, ETH_ADDRESSES, &t->vid[0]);
	if (t->tpid[0])
		t->tpid[1] = read_tag(data, end, ETH_ADDRESSES + 4, &t->vid[1]);
}

#define GSO_BY_FRAGS 0xffff /* SCTP: the segments are of any size, the kernel knows where they end */

static __always_inline struct weight weigh(const struct __sk_buff *skb, __u32 size, __u32 headers)
{
	struct weight w = { .frames = 1, .bytes = size };
	__u32 gso = skb->gso_size;

	if (!gso || headers >= size)
		return w;
	w.frames = skb->gso_segs;
	if (gso == GSO_BY_FRAGS)
		return w;
	if (w.frames < 2)
		w.frames = (size - headers + gso - 1) / gso;
	w.bytes = size + (w.frames - 1) * headers;
	return w;
}

/* Bytes of the longest frame that a super-frame stands for. */
static __always_inline __u32 longest_of(const struct __sk_buff *skb, __u32 size, __u32 frames, __u32 headers)
{
	__u32 gso = skb->gso_size;

	if (!gso || frames < 2)
		return size;
	return gso == GSO_BY_FRAGS ? size / frames : headers + gso;
}

static __always_inline int drop(struct walk *walk, __u32 reason)
{
	finish(walk, reason);
	return TCX_DROP;
}

__noinline int no_circuit(struct __sk_buff *skb)
{
	struct nic_tally *c;
	struct weight w;
	struct nic *nic;
	__u32 ifindex;

	if (!skb)
		return TCX_DROP;
	w = weigh(skb, skb->len, 0);
	ifindex = skb->ifindex;
	nic = bpf_map_lookup_elem(&nics, &ifindex);
	if (!nic)
		return TCX_DROP;
	c = nic_tally_of(nic->slot);
	if (!c)
		return TCX_DROP;
	count_nic_rx(c, w);
	if (nic->flags & NIC_PASSTHROUGH) {
		c->passed += w.frames;
		return TCX_NEXT;
	}
	count_nic_drop(c, DROP_NO_CIRCUIT, w.frames);
	return TCX_DROP;
}

/* Where the frame is behind its circuit's tags. Returns 0 when it cannot be. */
static __always_inline int look_behind_tags(struct __sk_buff *skb, struct view *v, __u32 depth)
{
	if (skb->vlan_present)
		depth--;
	if (depth > 2)
		return 0;
	v->type_offset = ETH_ADDRESSES + 4 * depth;
	v->type = v->addresses + v->type_offset;
	v->size = skb->len - 4 * depth;
	return 1;
}

/* Fills f and v for a customer's frame. Returns 0 when it fits no circuit. */
static __always_inline int enter(struct __sk_buff *skb, struct walk *walk, struct view *v, const struct tags *t)
{
	walk->x = find_circuit(skb->ifindex, t);
	if (!walk->x)
		return 0;
	walk->f->depth = own_tags(walk->x, t);
	if (!look_behind_tags(skb, v, walk->f->depth))
		return 0;
	walk->f->dir = TO_CLOUD;
	walk->f->from = PLACE_CUSTOMER;
	walk->counters = tally_of(walk->x, TO_CLOUD);
	walk->state = state_of(walk->x->slot);
	if (!walk->counters || !walk->state)
		return 0;
	walk->f->before.extension = walk->x->generation;
	return 1;
}

/* The way of a judged frame to one VTEP, as find_way says it. It is kept for the next frames. Global, for its stack. */
__noinline int find_leg(struct __sk_buff *skb, const struct extension *x, struct passage *f, struct adjacency *a)
{
	struct walk walk = { .x = x, .f = f };
	struct gateway *g = the_gateway();
	struct adjacency found;
	enum way way;

	if (!skb || !x || !f || !a || !g)
		return WAY_NONE;
	way = find_way(skb, g, f->to, f->p.hash, f->now, &found);
	if (way != WAY_DIRECT)
		return way;
	keep_to_cloud(g, &walk);
	*a = found;
	return way;
}

/* Sends it that way: the verdict, or -1. Global, for its stack. */
__noinline int send_leg(struct __sk_buff *skb, const struct extension *x, struct passage *f, const struct adjacency *a,
			__u32 way)
{
	struct sending s = { .skb = skb, .g = the_gateway() };
	struct vtep *to;

	if (!skb || !x || !f || !a || !s.g || way == WAY_NONE)
		return -1;
	to = vtep_at(f->to);
	if (!to)
		return -1;
	s.vni = x->vni;
	s.hash = f->p.hash;
	s.tos = f->p.tos;
	if (way != WAY_TUNNEL) {
		steer(&s, to, f->now);
		return send_direct(&s, &to->addr, a);
	}
	leave_flow(&s);
	return send_by_tunnel(&s, &to->addr);
}

/* Sends a judged frame to every VTEP. Returns how many copies left. Global, for its stack. */
__noinline int send_everywhere(struct __sk_buff *skb, const struct extension *x, struct passage *f, __u32 asks)
{
	struct sending s = { .skb = skb, .x = x, .g = the_gateway() };

	if (!skb || !x || !f || !s.g)
		return 0;
	s.now = f->now;
	s.vni = x->vni;
	s.hash = f->p.hash;
	s.tos = f->p.tos;
	s.asks = asks;
	return flood(&s);
}

/* Sends a judged frame towards the cloud and counts it. handed: enum handover_kind. */
static __always_inline int to_cloud(struct __sk_buff *skb, struct walk *walk, __u32 handed)
{
	__u32 asks = handed == HANDOVER_TUNNEL || (handed == HANDOVER_FLOOD && walk->x->peer_count == 1);
	struct adjacency a = {};
	__u32 sent, way;
	int verdict;

	if (!walk->x->peer_count)
		return drop(walk, DROP_NO_NEXT_HOP);
	if (take_tags_off(skb, walk->f->depth))
		return drop(walk, DROP_MALFORMED);
	if (walk->f->to < PLACE_CLOUD) {
		way = asks ? WAY_TUNNEL : find_leg(skb, walk->x, walk->f, &a);
		verdict = send_leg(skb, walk->x, walk->f, &a, way);
		if (verdict < 0)
			return drop(walk, DROP_NO_NEXT_HOP);
		finish(walk, DROP_NONE);
		return verdict;
	}
	sent = send_everywhere(skb, walk->x, walk->f, asks);
	if (!sent)
		return drop(walk, DROP_NO_NEXT_HOP);
	finish(walk, DROP_NONE);
	walk->counters->copies += sent * walk->f->frames;
	return TCX_DROP; /* the copies have left, the original ends here */
}

/* Does a cached flow's frame need no stages? Then p is what it says, and w what it weighs. */
static __always_inline int is_plain_frame(struct __sk_buff *skb, const struct view *v, __u32 limit, struct parsed *p,
					  struct weight *w)
{
	if (!is_plain(v, p) || (skb->gso_size && is_nested(skb)))
		return 0;
	*w = weigh(skb, v->size, p->headers);
	return longest_of(skb, v->size, w->frames, p->headers) <= limit;
}

#define NOT_CACHED -2 /* no verdict of tcx */

/* A frame of a cached flow: the verdict, or NOT_CACHED when the stages must see it. Global, for its stack. */
__noinline int cached_to_cloud(struct __sk_buff *skb, const struct flow_key *key)
{
	struct gateway *g = the_gateway();
	struct sending s = { .skb = skb, .g = g };
	struct parsed p = {};
	struct view v = {};
	const struct adjacency *way;
	struct nic_tally *nic;
	struct recent r;
	struct weight w;
	__u32 depth;
	__u64 now;
	int verdict;

	if (!skb || !key || !g)
		return NOT_CACHED;
	now = clock_ns(g);
	r = recent_to_cloud(key, g, now);
	if (!r.x)
		return NOT_CACHED;
	v.addresses = data_of(skb);
	v.end = end_of(skb);
	depth = r.x->depth;
	if (v.addresses + ETH_HEADER > v.end || !look_behind_tags(skb, &v, depth) ||
	    !is_plain_frame(skb, &v, r.x->max_to_cloud, &p, &w))
		return NOT_CACHED;
	way = known_way(g, r.vtep, p.hash, now);
	if (!way)
		return NOT_CACHED;
	nic = nic_tally_of(r.x->nic_slot);
	if (!nic)
		return TCX_DROP;
	count_nic_rx(nic, w);
	if (take_tags_off(skb, depth)) {
		count_spoilt(r.x->slot, TO_CLOUD, DROP_MALFORMED, w.frames, w.bytes);
		return TCX_DROP;
	}
	s.vni = r.x->vni;
	s.hash = p.hash;
	s.tos = p.tos;
	steer(&s, r.vtep, now);
	verdict = send_direct(&s, &r.vtep->addr, way);
	if (verdict < 0) {
		count_spoilt(r.x->slot, TO_CLOUD, DROP_NO_NEXT_HOP, w.frames, w.bytes);
		return TCX_DROP;
	}
	count_hit(r.hits, w);
	return verdict;
}

/* It says so in the frame's metadata. */
static __always_inline struct handed read_handover(struct __sk_buff *skb, const struct gateway *g)
{
	struct handover *h = (void *)(long)skb->data_meta;
	struct handed handed = { .to = PLACE_UNKNOWN };

	if ((void *)(h + 1) > data_of(skb) || h->nonce != g->nonce)
		return handed;
	handed.kind = h->kind;
	handed.vtep = h->vtep;
	handed.record = h->record;
	if (h->kind == HANDOVER_TUNNEL)
		handed.to = h->vtep;
	return handed;
}

/* handed: XDP has counted and judged the frame, and says where it goes. */
static __always_inline int from_customer(struct __sk_buff *skb, const struct gateway *g, const struct handed *handed)
{
	struct tags t = {};
	struct nic_tally *nic;
	struct walk walk = { .f = new_passage() };
	struct view v = {};
	__u32 reason, ifindex = skb->ifindex;
	int malformed, verdict;

	barrier_var(ifindex); /* it shall be loaded here, by the context's own address */
	pull_headers(skb, HEADERS_BYTES);
	v.addresses = data_of(skb);
	v.end = end_of(skb);
	if (v.addresses + ETH_HEADER > v.end || !walk.f)
		return handed->kind ? TCX_DROP : no_circuit(skb);
	read_tags(skb, &t, v.addresses, v.end);
	walk.f->key = key_to_cloud(v.addresses, ifindex, &t);
	if (!handed->kind) {
		verdict = cached_to_cloud(skb, &walk.f->key);
		if (verdict != NOT_CACHED)
			return verdict;
		v.addresses = data_of(skb); /* as they were, but the verifier cannot know */
		v.end = end_of(skb);
		if (v.addresses + ETH_HEADER > v.end)
			return TCX_DROP;
	}
	walk.f->now = clock_ns(g);
	walk.f->before.gateway = g->generation;
	if (!enter(skb, &walk, &v, &t))
		return handed->kind ? TCX_DROP : no_circuit(skb);
	nic = nic_tally_of(walk.x->nic_slot);
	if (!nic)
		return TCX_DROP;
	malformed = parse(skb, walk.x->slot, &v, skb->gso_size > 0, &walk.f->p);
	if (skb->gso_size)
		walk.f->p.headers = innermost_headers(skb, v.size, walk.f->p.headers);
	weigh_passage(walk.f, weigh(skb, v.size, walk.f->p.headers));
	walk.f->longest = longest_of(skb, v.size, walk.f->frames, walk.f->p.headers);
	walk.f->to = handed->to;
	walk.f->began = time_frame(g, walk.x);
	if (handed->kind) {
		reason = malformed ? DROP_MALFORMED : DROP_NONE;
	} else {
		count_nic_rx(nic, weight_of(walk.f));
		count_rx(walk.counters, weight_of(walk.f));
		reason = decide(skb, &walk, &v, malformed);
	}
	if (reason == DROP_TOO_BIG && is_answered(skb, walk.x, &v, &walk.f->p, TO_CLOUD)) {
		finish(&walk, reason);
		return take_tags_off(skb, walk.f->depth) ? TCX_DROP : answer_to_customer(skb, g, walk.x);
	}
	if (reason)
		return drop(&walk, reason);
	if (!handed->kind)
		clamp(skb, walk.x, &walk.f->p);
	return to_cloud(skb, &walk, handed->kind);
}

/* Engine tc. Frames that XDP has judged come here too while the engines change. */
SEC("tc")
int tc_customer(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	struct handed handed;

	if (!g || !g->nonce)
		return TCX_DROP;
	handed = read_handover(skb, g);
	return handed.kind == HANDOVER_TOO_BIG ? answer_handed(skb, &handed) : from_customer(skb, g, &handed);
}

/* Engine xdp, on customers' NICs and uplinks: all but what XDP left to us is the host's. */
SEC("tc")
int tc_handover(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	struct handed handed;

	if (!g || !g->nonce)
		return TCX_NEXT;
	handed = read_handover(skb, g);
	if (handed.kind == HANDOVER_TOO_BIG)
		return answer_handed(skb, &handed);
	return handed.kind ? from_customer(skb, g, &handed) : TCX_NEXT;
}

/* An inner frame towards the customer, from parsing on: counted, and judged. Returns why it is dropped. */
static __always_inline __u32 judge_to_customer(struct __sk_buff *skb, struct walk *walk, const struct view *v,
					       int malformed, __u8 outer_tos)
{
	const struct parsed *p = &walk->f->p;

	weigh_passage(walk->f, weigh(skb, v->size, p->headers));
	walk->f->longest = longest_of(skb, v->size, walk->f->frames, p->headers);
	count_rx(walk->counters, weight_of(walk->f));
	if (v->type > v->end) /* not even addresses */
		return walk->x->flags & EXT_RAISED ? DROP_RAISED : DROP_MALFORMED;
	return decide(skb, walk, v, malformed || loses_mark(p, outer_tos));
}

/* A judged inner frame, its outer headers taken off: counts it, and sends it. */
static __always_inline int deliver(struct __sk_buff *skb, const struct gateway *g, const struct walk *walk)
{
	struct leaving l = leaving_of(walk->x, walk->f->p.tos);

	keep_to_customer(g, walk);
	finish(walk, DROP_NONE);
	return send_to_customer(skb, g, &l);
}

/* Likewise one of a cached flow. */
static __always_inline int deliver_cached(struct __sk_buff *skb, const struct gateway *g, const struct extension *x,
					  __u8 tos)
{
	struct leaving l = leaving_of(x, tos);

	return send_to_customer(skb, g, &l);
}

/* A tunnel packet for us that may be decapsulated: the inner frame's stages. */
static __always_inline int to_customer(struct __sk_buff *skb, const struct gateway *g, struct arrival *a,
				       struct view *v, struct passage *f)
{
	struct walk walk = { .x = a->x, .f = f };
	__u32 reason;
	int malformed;

	walk.counters = tally_of(walk.x, TO_CUSTOMER);
	walk.state = state_of(walk.x->slot);
	if (!walk.counters || !walk.state)
		return TCX_DROP;
	walk.f->before.extension = walk.x->generation;
	walk.f->dir = TO_CUSTOMER;
	walk.f->from = a->vtep;
	walk.f->now = clock_ns(g);
	walk.f->began = time_frame(g, walk.x);
	malformed = v->type > v->end || parse(skb, walk.x->slot, v, 0, &walk.f->p);
	reason = judge_to_customer(skb, &walk, v, malformed, a->tos);
	if (reason == DROP_TOO_BIG && is_answered(skb, walk.x, v, &walk.f->p, TO_CUSTOMER)) {
		finish(&walk, reason);
		return decapsulate(skb, a, &walk.f->p) ? TCX_DROP : answer_to_cloud(skb, g, walk.x, a->vtep);
	}
	if (reason)
		return drop(&walk, reason);
	clamp(skb, walk.x, &walk.f->p);
	if (decapsulate(skb, a, &walk.f->p))
		return drop(&walk, DROP_MALFORMED);
	return deliver(skb, g, &walk);
}

/*
 * A frame of a cached flow whose outer headers end at outer and were found right: the verdict, or NOT_CACHED when the
 * stages must see it. Global, for its stack.
 */
__noinline int cached_to_customer(struct __sk_buff *skb, const struct flow_key *key, __u32 outer, __u32 inner,
				  __u32 tos)
{
	struct gateway *g = the_gateway();
	struct arrival a = { .outer = outer, .inner = inner, .tos = tos };
	struct parsed p = {};
	struct view v;
	struct recent r;
	struct weight w;

	if (!skb || !key || !g)
		return NOT_CACHED;
	r = recent_to_customer(key, g, clock_ns(g));
	if (!r.x)
		return NOT_CACHED;
	outer = outer == OUTER6 ? OUTER6 : OUTER4;
	v.addresses = data_of(skb) + outer;
	v.end = end_of(skb);
	v.type_offset = outer + ETH_ADDRESSES;
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = inner;
	if (v.type > v.end || !is_plain_frame(skb, &v, r.x->max_to_customer, &p, &w) || loses_mark(&p, tos))
		return NOT_CACHED;
	if (decapsulate(skb, &a, &p)) {
		count_spoilt(r.x->slot, TO_CUSTOMER, DROP_MALFORMED, w.frames, w.bytes);
		return TCX_DROP;
	}
	count_hit(r.hits, w);
	return deliver_cached(skb, g, r.x, p.tos);
}

/* No tunnel packet: the host's, unless it says something about tunnel packets. */
static __always_inline int pass_to_host(struct __sk_buff *skb, struct nic_tally *nic, struct weight w)
{
	if (shortens_path(skb)) {
		count_nic_drop(nic, DROP_TUNNEL_HEADER, w.frames);
		return TCX_DROP;
	}
	nic->passed += w.frames;
	return TCX_NEXT;
}

SEC("tc")
int tc_underlay(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	struct arrival a = {};
	const struct uplink *u;
	struct handed handed;
	struct nic_tally *nic;
	struct passage *f = new_passage();
	struct weight w;
	struct view v = {};
	__u32 outer;
	int ours, verdict;

	if (!g || !f)
		return TCX_NEXT;
	handed = read_handover(skb, g); /* while the engines change */
	if (handed.kind == HANDOVER_TOO_BIG)
		return answer_handed(skb, &handed);
	u = uplink_of(g, skb->ifindex);
	if (!u)
		return TCX_NEXT;
	nic = nic_tally_of(u->nic_slot);
	if (!nic)
		return TCX_NEXT;
	pull_headers(skb, HEADERS_BYTES + (g->flags & GW_IPV6 ? OUTER6 : OUTER4));
	w = weigh(skb, skb->len, 0);
	count_nic_rx(nic, w);
	a.data = data_of(skb);
	a.end = end_of(skb);
	a.size = skb->len;
	a.super = skb->gso_size > 0;
	if (skb->vlan_present)
		return pass_to_host(skb, nic, w);
	ours = read_arrival(&a, g, u);
	f->before.gateway = g->generation;
	outer = a.outer == OUTER6 ? OUTER6 : OUTER4;
	v.addresses = a.data + outer;
	v.end = a.end;
	v.type_offset = outer + ETH_ADDRESSES;
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = a.inner;
	if (ours && !a.wrong && !a.fragment && v.type <= v.end) {
		f->key = key_to_customer(v.addresses, &a.src, a.vni);
		if (a.super && recent_to_customer(&f->key, g, clock_ns(g)).x)
			goto super; /* whose flow is cached was admitted */
		verdict = a.super ? NOT_CACHED : cached_to_customer(skb, &f->key, outer, a.inner, a.tos);
		if (verdict != NOT_CACHED)
			return verdict;
		a.data = data_of(skb); /* as they were, but the verifier cannot know */
		a.end = end_of(skb);
		v.addresses = a.data + outer;
		v.end = a.end;
		v.type = v.addresses + ETH_ADDRESSES;
		if (v.type > v.end)
			return TCX_DROP;
	}
	switch (ours ? admit(&a) : TUNNEL_NOT_OURS) {
	case TUNNEL_NOT_OURS:
		return pass_to_host(skb, nic, w);
	case TUNNEL_DROP:
		count_nic_drop(nic, a.reason, w.frames);
		return TCX_DROP;
	case TUNNEL_ACCEPT:
		break;
	}
	if (!a.super)
		return to_customer(skb, g, &a, &v, f);
	/*
	 * Only the tunnel device can take the headers off a super-frame, or split one whose every datagram
	 * has an inner frame of its own. What comes out of it is judged there, each frame by itself.
	 */
super:
	nic->to_tunnel += w.frames;
	clear_reserved(skb, outer);
	skb->mark = g->nonce;
	return TCX_NEXT;
}

/* An inner tag that the kernel took into the socket buffer is an inner tag all the same. */
static __always_inline int count_hidden_tag(const struct __sk_buff *skb, __u32 slot, struct parsed *p)
{
	if (!skb->vlan_present)
		return 0;
	p->inner_tags++;
	p->hidden_tpid = bpf_ntohs(skb->vlan_proto);
	p->hidden_tci = skb->vlan_tci;
	if (!inner_listed(slot, skb->vlan_tci & VID_BITS))
		p->inner_refused = 1;
	return p->inner_tags > 1 && (p->ip || p->type == TYPE_ARP || (p->llc && p->type));
}

/* Whose tunnel packet it was. */
struct tunnelled {
	struct address src;
	__u32 vni;
	__u8 tos;
};

/* Returns 0 when the kernel does not say. */
static __always_inline int read_tunnel_key(struct __sk_buff *skb, const struct gateway *g, struct tunnelled *t)
{
	__u64 family = g->flags & GW_IPV6 ? BPF_F_TUNINFO_IPV6 : 0;
	struct bpf_tunnel_key tunnel = {};

	if (bpf_skb_get_tunnel_key(skb, &tunnel, sizeof(tunnel), family))
		return 0;
	if (family) {
		__builtin_memcpy(&t->src, tunnel.remote_ipv6, sizeof(t->src));
	} else {
		t->src.word[2] = bpf_htonl(0xffff);
		t->src.word[3] = bpf_htonl(tunnel.remote_ipv4);
	}
	t->vni = tunnel.tunnel_id;
	t->tos = tunnel.tunnel_tos;
	return 1;
}

/* Returns 0 when the sender is no peer of the extension. */
static __always_inline int find_sender(const struct tunnelled *t, struct walk *walk)
{
	__u32 *vtep = bpf_map_lookup_elem(&vtep_ids, &t->src);
	struct vni_key key = { .vni = t->vni };

	walk->x = segment_at(&key);
	if (!vtep || !walk->x || !is_peer(walk->x, *vtep))
		return 0;
	walk->f->from = *vtep;
	return 1;
}

/* A frame of a cached flow that came out of the tunnel device, which was found plain. */
static __always_inline int from_tunnel_cached(struct __sk_buff *skb, const struct gateway *g, const struct recent *r,
					      const struct parsed *p, struct weight w)
{
	count_hit(r->hits, w);
	return deliver_cached(skb, g, r->x, p->tos);
}

/*
 * On the tunnel device, which takes any VNI from any sender on any NIC of the host: only what the
 * underlay program marked goes on, and each frame is judged as if it had come alone.
 */
SEC("tc")
int tc_tunnel(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	struct walk walk = { .f = new_passage() };
	struct view v = { .type_offset = ETH_ADDRESSES };
	struct nic_tally *nic;
	struct tunnelled t = {};
	struct recent r;
	struct weight w;
	int malformed, allowed;
	__u32 reason;

	if (!g || !g->nonce)
		return TCX_DROP;
	nic = nic_tally_of(g->uplink[0].nic_slot);
	if (!nic || !walk.f)
		return TCX_DROP;
	walk.f->dir = TO_CUSTOMER;
	walk.f->now = clock_ns(g);
	walk.f->before.gateway = g->generation;
	pull_headers(skb, HEADERS_BYTES);
	allowed = skb->mark == g->nonce && read_tunnel_key(skb, g, &t);
	v.addresses = data_of(skb);
	v.end = end_of(skb);
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = skb->len;
	if (allowed && v.type <= v.end && !skb->vlan_present) {
		walk.f->key = key_to_customer(v.addresses, &t.src, t.vni);
		r = recent_to_customer(&walk.f->key, g, walk.f->now);
		if (r.x && is_plain_frame(skb, &v, r.x->max_to_customer, &walk.f->p, &w) &&
		    !loses_mark(&walk.f->p, t.tos)) {
			nic->from_tunnel += w.frames;
			return from_tunnel_cached(skb, g, &r, &walk.f->p, w);
		}
		__builtin_memset(&walk.f->p, 0, sizeof(walk.f->p));
	}
	allowed = allowed && find_sender(&t, &walk);
	malformed = v.type > v.end || parse(skb, allowed ? walk.x->slot : 0, &v, skb->gso_size > 0, &walk.f->p);
	weigh_passage(walk.f, weigh(skb, v.size, walk.f->p.headers));
	if (skb->mark == g->nonce)
		nic->from_tunnel += walk.f->frames;
	else
		count_nic_rx(nic, weight_of(walk.f)); /* it came by no NIC that counted it */
	if (!allowed) {
		count_nic_drop(nic, DROP_UNKNOWN_VTEP, walk.f->frames);
		return TCX_DROP;
	}
	walk.counters = tally_of(walk.x, TO_CUSTOMER);
	walk.state = state_of(walk.x->slot);
	if (!walk.counters || !walk.state)
		return TCX_DROP;
	walk.f->before.extension = walk.x->generation;
	walk.f->began = time_frame(g, walk.x);
	malformed |= count_hidden_tag(skb, walk.x->slot, &walk.f->p);
	reason = judge_to_customer(skb, &walk, &v, malformed, t.tos);
	if (reason == DROP_TOO_BIG && is_answered(skb, walk.x, &v, &walk.f->p, TO_CUSTOMER)) {
		finish(&walk, reason);
		return answer_to_cloud(skb, g, walk.x, walk.f->from);
	}
	if (reason)
		return drop(&walk, reason);
	clamp(skb, walk.x, &walk.f->p);
	return deliver(skb, g, &walk);
}

/* Egress of a customer's NIC: what we did not send does not leave. */
SEC("tc")
int tc_guard(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	__u32 ifindex = skb->ifindex;
	struct nic *nic;

	if (g && g->nonce && skb->mark == g->nonce) {
		skb->mark = 0;
		return TCX_NEXT;
	}
	nic = bpf_map_lookup_elem(&nics, &ifindex);
	return nic && nic->flags & NIC_PASSTHROUGH ? TCX_NEXT : TCX_DROP;
}

/*
 * Sends one probe each way, for the daemon, which runs this with the extension's record and the nonce in the
 * frame's control block: a frame of its own, of at least ETH_MINIMUM bytes. Copies leave as floods do.
 */
SEC("tc")
int tc_probe(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	__u32 record = skb->cb[0];
	struct extension *x = bpf_map_lookup_elem(&extensions, &record);
	struct probe probe = {};
	struct tally *up, *down;
	__u64 nonce;

	if (!g || !g->nonce || !x || x->flags & (EXT_RAISED | EXT_DOWN))
		return TCX_DROP;
	nonce = skb->cb[1] | (__u64)skb->cb[2] << 32;
	probe.sent = clock_ns(g);
	probe.slot = x->slot;
	up = tally_of(x, TO_CLOUD);
	down = tally_of(x, TO_CUSTOMER);
	if (!up || !down || bpf_map_update_elem(&probes, &nonce, &probe, BPF_ANY))
		return TCX_DROP;
	up->generated += probe_cloud(skb, g, x);
	down->generated += probe_customer(skb, g, x);
	return TCX_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
