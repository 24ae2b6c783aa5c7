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
#include "hop.h"
#include "maps.h"
#include "outer.h"
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

static __always_inline struct weight weigh(struct __sk_buff *skb, __u32 size, __u32 headers)
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

/* Fills f and v for a customer's frame. Returns 0 when it fits no circuit. */
static __always_inline int enter(struct __sk_buff *skb, struct walk *walk, struct view *v, __u32 *depth)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct tags t = {};
	__u32 in_frame;

	if (data + ETH_HEADER > end || !walk->f)
		return 0;
	read_tags(skb, &t, data, end);
	walk->x = find_circuit(skb->ifindex, &t);
	if (!walk->x)
		return 0;
	*depth = own_tags(walk->x, &t);
	in_frame = *depth;
	if (skb->vlan_present)
		in_frame--;
	if (in_frame > 2)
		return 0;
	v->addresses = data;
	v->end = end;
	v->type_offset = ETH_ADDRESSES + 4 * in_frame;
	v->type = data + v->type_offset;
	v->size = skb->len - 4 * in_frame;
	walk->f->dir = TO_CLOUD;
	walk->f->from = PLACE_CUSTOMER;
	walk->counters = tally_of(walk->x, TO_CLOUD);
	walk->state = state_of(walk->x->slot);
	return walk->counters && walk->state;
}

/* Sends a judged frame towards the cloud and counts it. handed: enum handover_kind. */
static __always_inline int to_cloud(struct __sk_buff *skb, struct walk *walk, const struct parsed *p, __u32 depth,
				    __u32 handed)
{
	const struct extension *x = walk->x;
	struct sending s = {
		.skb = skb, .x = x, .g = the_gateway(), .now = walk->f->now, .hash = p->hash, .tos = p->tos
	};
	int verdict;
	__u32 sent;

	if (!s.g || !x->peer_count)
		return drop(walk, DROP_NO_NEXT_HOP);
	s.asks = handed == HANDOVER_TUNNEL || (handed == HANDOVER_FLOOD && x->peer_count == 1);
	if (take_tags_off(skb, depth))
		return drop(walk, DROP_MALFORMED);
	if (walk->f->to < PLACE_CLOUD) {
		verdict = send_one(&s, walk->f->to);
		if (verdict < 0)
			return drop(walk, DROP_NO_NEXT_HOP);
		finish(walk, DROP_NONE);
		return verdict;
	}
	sent = flood(&s);
	if (!sent)
		return drop(walk, DROP_NO_NEXT_HOP);
	finish(walk, DROP_NONE);
	walk->counters->copies += sent * walk->f->frames;
	return TCX_DROP; /* the copies have left, the original ends here */
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
	struct nic_tally *nic;
	struct walk walk = { .f = new_passage() };
	struct view v = {};
	__u32 depth, reason;
	int malformed;

	pull_headers(skb, HEADERS_BYTES);
	if (!enter(skb, &walk, &v, &depth))
		return handed->kind ? TCX_DROP : no_circuit(skb);
	nic = nic_tally_of(walk.x->nic_slot);
	if (!nic)
		return TCX_DROP;
	malformed = parse(skb, walk.x->slot, &v, skb->gso_size > 0, &walk.f->p);
	weigh_passage(walk.f, weigh(skb, v.size, walk.f->p.headers));
	walk.f->longest = longest_of(skb, v.size, walk.f->frames, walk.f->p.headers);
	walk.f->now = clock_ns(g);
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
		return take_tags_off(skb, depth) ? TCX_DROP : answer_to_customer(skb, g, walk.x);
	}
	if (reason)
		return drop(&walk, reason);
	if (!handed->kind)
		clamp(skb, walk.x, &walk.f->p);
	return to_cloud(skb, &walk, &walk.f->p, depth, handed->kind);
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
	malformed |= p->ip && ecn_decapsulate(outer_tos, p->tos) == ECN_DROP;
	return decide(skb, walk, v, malformed);
}

/* A tunnel packet for us that may be decapsulated: the inner frame's stages. */
static __always_inline int to_customer(struct __sk_buff *skb, const struct gateway *g, struct arrival *a)
{
	struct walk walk = { .x = a->x, .f = new_passage() };
	__u32 reason, outer;
	struct view v;
	int malformed;

	walk.counters = tally_of(walk.x, TO_CUSTOMER);
	walk.state = state_of(walk.x->slot);
	if (!walk.counters || !walk.state || !walk.f)
		return TCX_DROP;
	walk.f->dir = TO_CUSTOMER;
	walk.f->from = a->vtep;
	walk.f->now = clock_ns(g);
	walk.f->began = time_frame(g, walk.x);
	outer = a->outer == OUTER6 ? OUTER6 : OUTER4;
	v.addresses = a->data + outer;
	v.end = a->end;
	v.type_offset = outer + ETH_ADDRESSES;
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = a->inner;
	malformed = v.type > v.end || parse(skb, walk.x->slot, &v, 0, &walk.f->p);
	reason = judge_to_customer(skb, &walk, &v, malformed, a->tos);
	if (reason == DROP_TOO_BIG && is_answered(skb, walk.x, &v, &walk.f->p, TO_CUSTOMER)) {
		finish(&walk, reason);
		return decapsulate(skb, a, &walk.f->p) ? TCX_DROP : answer_to_cloud(skb, g, walk.x, a->vtep);
	}
	if (reason)
		return drop(&walk, reason);
	clamp(skb, walk.x, &walk.f->p);
	if (decapsulate(skb, a, &walk.f->p))
		return drop(&walk, DROP_MALFORMED);
	finish(&walk, DROP_NONE);
	return send_to_customer(skb, g, walk.x, walk.f->p.tos);
}

SEC("tc")
int tc_underlay(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	struct arrival a = {};
	const struct uplink *u;
	struct handed handed;
	struct nic_tally *nic;
	struct weight w;

	if (!g)
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
	if (skb->vlan_present) {
		nic->passed += w.frames;
		return TCX_NEXT;
	}
	switch (read_arrival(&a, g, u) ? admit(&a) : TUNNEL_NOT_OURS) {
	case TUNNEL_NOT_OURS:
		nic->passed += w.frames;
		return TCX_NEXT;
	case TUNNEL_DROP:
		count_nic_drop(nic, a.reason, w.frames);
		return TCX_DROP;
	case TUNNEL_ACCEPT:
		break;
	}
	if (!a.super)
		return to_customer(skb, g, &a);
	/*
	 * Only the tunnel device can take the headers off a super-frame, or split one whose every datagram
	 * has an inner frame of its own. What comes out of it is judged there, each frame by itself.
	 */
	nic->to_tunnel += w.frames;
	clear_reserved(skb, a.outer == OUTER6 ? OUTER6 : OUTER4);
	skb->mark = g->nonce;
	return TCX_NEXT;
}

/* An inner tag that the kernel took into the socket buffer is an inner tag all the same. */
static __always_inline int count_hidden_tag(const struct __sk_buff *skb, __u32 slot, struct parsed *p)
{
	if (!skb->vlan_present)
		return 0;
	p->inner_tags++;
	if (!inner_listed(slot, skb->vlan_tci & VID_BITS))
		p->inner_refused = 1;
	return p->inner_tags > 1 && (p->ip || p->type == TYPE_ARP || (p->llc && p->type));
}

/* Whose tunnel packet it was. Returns 0 when that is no peer of the extension. */
static __always_inline int find_sender(struct __sk_buff *skb, const struct gateway *g, struct walk *walk, __u8 *tos)
{
	__u64 family = g->flags & GW_IPV6 ? BPF_F_TUNINFO_IPV6 : 0;
	struct bpf_tunnel_key tunnel = {};
	struct address src = {};
	struct vni_key key;
	__u32 *vtep;

	if (bpf_skb_get_tunnel_key(skb, &tunnel, sizeof(tunnel), family))
		return 0;
	if (family) {
		__builtin_memcpy(&src, tunnel.remote_ipv6, sizeof(src));
	} else {
		src.word[2] = bpf_htonl(0xffff);
		src.word[3] = bpf_htonl(tunnel.remote_ipv4);
	}
	vtep = bpf_map_lookup_elem(&vtep_ids, &src);
	key.vni = tunnel.tunnel_id;
	walk->x = segment_at(&key);
	if (!vtep || !walk->x || !is_peer(walk->x, *vtep))
		return 0;
	walk->f->from = *vtep;
	*tos = tunnel.tunnel_tos;
	return 1;
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
	int malformed, allowed;
	__u32 reason;
	__u8 tos = 0;

	if (!g || !g->nonce)
		return TCX_DROP;
	nic = nic_tally_of(g->uplink[0].nic_slot);
	if (!nic || !walk.f)
		return TCX_DROP;
	walk.f->dir = TO_CUSTOMER;
	pull_headers(skb, HEADERS_BYTES);
	allowed = skb->mark == g->nonce && find_sender(skb, g, &walk, &tos);
	v.addresses = data_of(skb);
	v.end = end_of(skb);
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = skb->len;
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
	walk.f->began = time_frame(g, walk.x);
	malformed |= count_hidden_tag(skb, walk.x->slot, &walk.f->p);
	walk.f->now = clock_ns(g);
	reason = judge_to_customer(skb, &walk, &v, malformed, tos);
	if (reason == DROP_TOO_BIG && is_answered(skb, walk.x, &v, &walk.f->p, TO_CUSTOMER)) {
		finish(&walk, reason);
		return answer_to_cloud(skb, g, walk.x, walk.f->from);
	}
	if (reason)
		return drop(&walk, reason);
	clamp(skb, walk.x, &walk.f->p);
	finish(&walk, DROP_NONE);
	return send_to_customer(skb, g, walk.x, walk.f->p.tos);
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
