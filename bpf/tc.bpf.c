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

static __always_inline int drop(struct passage *f, __u32 reason)
{
	count_drop(f->counters, reason, f->weight);
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
static __always_inline int enter(struct __sk_buff *skb, struct passage *f, struct view *v, __u32 *depth)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct tags t = {};
	__u32 in_frame;

	if (data + ETH_HEADER > end)
		return 0;
	read_tags(skb, &t, data, end);
	f->x = find_circuit(skb->ifindex, &t);
	if (!f->x)
		return 0;
	*depth = own_tags(f->x, &t);
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
	f->dir = TO_CLOUD;
	f->from = PLACE_CUSTOMER;
	f->counters = tally_of(f->x, TO_CLOUD);
	return f->counters != NULL;
}

/* Sends a judged frame towards the cloud and counts it. */
static __always_inline int to_cloud(struct __sk_buff *skb, struct passage *f, const struct parsed *p, __u32 depth)
{
	const struct extension *x = f->x;
	struct sending s = { .skb = skb, .x = x, .g = the_gateway(), .now = f->now, .hash = p->hash, .tos = p->tos };
	int verdict;
	__u32 sent;

	if (!s.g || !x->peer_count)
		return drop(f, DROP_NO_NEXT_HOP);
	if (take_tags_off(skb, depth))
		return drop(f, DROP_MALFORMED);
	if (f->to < PLACE_CLOUD) {
		verdict = send_one(&s, f->to);
		if (verdict < 0)
			return drop(f, DROP_NO_NEXT_HOP);
		count_tx(f->counters, f->weight);
		return verdict;
	}
	sent = flood(&s);
	if (!sent)
		return drop(f, DROP_NO_NEXT_HOP);
	count_tx(f->counters, f->weight);
	f->counters->copies += sent * f->weight.frames;
	return TCX_DROP; /* the copies have left, the original ends here */
}

/* What XDP judged and left to us says so in the frame's metadata. Returns 0 when there is none. */
static __always_inline int is_handed_over(struct __sk_buff *skb, const struct gateway *g, __u32 *to)
{
	struct handover *h = (void *)(long)skb->data_meta;

	if ((void *)(h + 1) > data_of(skb) || h->nonce != g->nonce)
		return 0;
	*to = h->kind == HANDOVER_TUNNEL ? h->vtep : PLACE_UNKNOWN;
	return 1;
}

/* Counts a customer's frame as received, and judges it. */
static __always_inline __u32 judge_to_cloud(struct passage *f, const struct view *v, const struct parsed *p,
					    struct nic_tally *nic, int malformed)
{
	count_nic_rx(nic, f->weight);
	count_rx(f->counters, f->weight);
	if (f->x->flags & EXT_RAISED)
		return DROP_RAISED;
	return malformed ? DROP_MALFORMED : judge(f, v, p);
}

/* handed: XDP has counted and judged the frame, and to says where it goes. */
static __always_inline int from_customer(struct __sk_buff *skb, const struct gateway *g, int handed, __u32 to)
{
	struct nic_tally *nic;
	struct passage f = {};
	struct parsed p = {};
	struct view v = {};
	__u32 depth, reason;
	int malformed;

	pull_headers(skb, HEADERS_BYTES);
	if (!enter(skb, &f, &v, &depth))
		return handed ? TCX_DROP : no_circuit(skb);
	nic = nic_tally_of(f.x->nic_slot);
	if (!nic)
		return TCX_DROP;
	malformed = parse(skb, f.x->slot, &v, skb->gso_size > 0, &p);
	f.weight = weigh(skb, v.size, p.headers);
	f.longest = longest_of(skb, v.size, f.weight.frames, p.headers);
	f.now = clock_ns(g);
	f.to = to;
	if (handed)
		reason = malformed ? DROP_MALFORMED : DROP_NONE;
	else
		reason = judge_to_cloud(&f, &v, &p, nic, malformed);
	if (reason)
		return drop(&f, reason);
	return to_cloud(skb, &f, &p, depth);
}

/* Engine tc. Frames that XDP has judged come here too while the engines change. */
SEC("tc")
int tc_customer(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	__u32 to = PLACE_UNKNOWN;
	int handed;

	if (!g || !g->nonce)
		return TCX_DROP;
	handed = is_handed_over(skb, g, &to);
	return from_customer(skb, g, handed, to);
}

/* Engine xdp: all but what XDP left to us is the host's. */
SEC("tc")
int tc_handover(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	__u32 to = PLACE_UNKNOWN;

	if (!g || !g->nonce)
		return TCX_DROP;
	return is_handed_over(skb, g, &to) ? from_customer(skb, g, 1, to) : TCX_NEXT;
}

/* An inner frame towards the customer, from parsing on: counted, and judged. Returns why it is dropped. */
static __always_inline __u32 judge_to_customer(struct __sk_buff *skb, struct passage *f, const struct view *v,
					       struct parsed *p, int malformed, __u8 outer_tos)
{
	f->weight = weigh(skb, v->size, p->headers);
	f->longest = longest_of(skb, v->size, f->weight.frames, p->headers);
	count_rx(f->counters, f->weight);
	if (f->x->flags & EXT_RAISED)
		return DROP_RAISED;
	if (malformed || (p->ip && ecn_decapsulate(outer_tos, p->tos) == ECN_DROP))
		return DROP_MALFORMED;
	return judge(f, v, p);
}

/* A tunnel packet for us that may be decapsulated: the inner frame's stages. */
static __always_inline int to_customer(struct __sk_buff *skb, const struct gateway *g, struct arrival *a)
{
	struct passage f = { .x = a->x, .dir = TO_CUSTOMER, .from = a->vtep, .now = clock_ns(g) };
	struct parsed p = {};
	__u32 reason, outer;
	struct view v;
	int malformed;

	f.counters = tally_of(f.x, TO_CUSTOMER);
	if (!f.counters)
		return TCX_DROP;
	outer = a->outer == OUTER6 ? OUTER6 : OUTER4;
	v.addresses = a->data + outer;
	v.end = a->end;
	v.type_offset = outer + ETH_ADDRESSES;
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = a->inner;
	malformed = v.type > v.end || parse(skb, f.x->slot, &v, 0, &p);
	reason = judge_to_customer(skb, &f, &v, &p, malformed, a->tos);
	if (reason)
		return drop(&f, reason);
	if (decapsulate(skb, a, &p))
		return drop(&f, DROP_MALFORMED);
	count_tx(f.counters, f.weight);
	return send_to_customer(skb, g, f.x, p.tos);
}

SEC("tc")
int tc_underlay(struct __sk_buff *skb)
{
	struct gateway *g = the_gateway();
	struct arrival a = {};
	const struct uplink *u;
	struct nic_tally *nic;
	struct weight w;

	if (!g)
		return TCX_NEXT;
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
static __always_inline int find_sender(struct __sk_buff *skb, const struct gateway *g, struct passage *f, __u8 *tos)
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
	f->x = segment_at(&key);
	if (!vtep || !f->x || !is_peer(f->x, *vtep))
		return 0;
	f->from = *vtep;
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
	struct passage f = { .dir = TO_CUSTOMER };
	struct view v = { .type_offset = ETH_ADDRESSES };
	struct parsed p = {};
	struct nic_tally *nic;
	int malformed, allowed;
	__u32 reason;
	__u8 tos = 0;

	if (!g || !g->nonce)
		return TCX_DROP;
	nic = nic_tally_of(g->uplink[0].nic_slot);
	if (!nic)
		return TCX_DROP;
	pull_headers(skb, HEADERS_BYTES);
	allowed = skb->mark == g->nonce && find_sender(skb, g, &f, &tos);
	v.addresses = data_of(skb);
	v.end = end_of(skb);
	v.type = v.addresses + ETH_ADDRESSES;
	v.size = skb->len;
	malformed = v.type > v.end || parse(skb, allowed ? f.x->slot : 0, &v, skb->gso_size > 0, &p);
	f.weight = weigh(skb, v.size, p.headers);
	if (skb->mark == g->nonce)
		nic->from_tunnel += f.weight.frames;
	else
		count_nic_rx(nic, f.weight); /* it came by no NIC that counted it */
	if (!allowed) {
		count_nic_drop(nic, DROP_UNKNOWN_VTEP, f.weight.frames);
		return TCX_DROP;
	}
	f.counters = tally_of(f.x, TO_CUSTOMER);
	if (!f.counters)
		return TCX_DROP;
	malformed |= count_hidden_tag(skb, f.x->slot, &p);
	f.now = clock_ns(g);
	reason = judge_to_customer(skb, &f, &v, &p, malformed, tos);
	if (reason)
		return drop(&f, reason);
	count_tx(f.counters, f.weight);
	return send_to_customer(skb, g, f.x, p.tos);
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
