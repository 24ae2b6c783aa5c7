/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Engine tc: headers on and off, with segmentation offload and unfinished checksums kept intact.
 *
 * Three ways to put the outer headers on, fastest first:
 *   bpf_skb_adjust_room   IP frames over an IPv4 underlay; tells the kernel of the tunnel, so that
 *                         super-frames are segmented inside it
 *   bpf_skb_change_head   all other frames over IPv4 that are no super-frames
 *   the tunnel device     IPv6 underlay (it finishes the outer checksum), inner tags, missing neighbours
 */
#ifndef DRAWBRIDGE_SEND_TC_H
#define DRAWBRIDGE_SEND_TC_H

#include "abi.h"
#include "decap.h"
#include "ecn.h"
#include "flow_cache.h"
#include "hop.h"
#include "outer.h"
#include "parse.h"
#include "vlan.h"

/* Newer than the headers we build with; in the kernel since 6.3. */
#define ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)

#define ENCAP_FLAGS                                                                              \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | \
	 BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HEADER) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

/* The outer headers and the inner Ethernet header. The first two bytes are not sent: they align the rest. */
struct outer4 {
	__u8 unsent[2];
	struct {
		__u8 dst[6];
		__u8 src[6];
	} mac;
	__be16 type;
	struct ipv4 ip;
	struct udp udp;
	struct vxlan vxlan;
	__u8 inner[ETH_HEADER];
	__u8 unused[2];
};
#define OUTER4_BYTES (OUTER4 + ETH_HEADER)
_Static_assert(__builtin_offsetof(struct outer4, unused) == OUTER4_BYTES + 2, "headers are packed");

/* What XDP judged and left to us. */
struct handed {
	__u32 kind; /* enum handover_kind, 0: nothing */
	__u32 to;
	__u32 vtep;
	__u32 record;
};

/* A judged frame on its way to the cloud, its circuit's tags taken off. */
struct sending {
	struct __sk_buff *skb;
	const struct extension *x; /* for floods */
	const struct gateway *g;
	__u64 now;
	__u32 vni;
	__u32 hash;
	__u32 tos;
	__u32 sent;		      /* copies that left */
	__u32 by_tunnel;	      /* all copies must leave by the tunnel device */
	__u32 asks;		      /* XDP chose it to make the kernel ask for a neighbour */
	__u64 direct[MAX_PEERS / 64]; /* whose copies are left for the second round: a bit per peer */
};

/* Returns 1 when a tag could not be taken off. */
static __always_inline int take_tags_off(struct __sk_buff *skb, __u32 depth)
{
	return (depth > 0 && bpf_skb_vlan_pop(skb)) || (depth > 1 && bpf_skb_vlan_pop(skb));
}

static __always_inline int is_ip_skb(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(TYPE_IPV4) || skb->protocol == bpf_htons(TYPE_IPV6);
}

/* An inner tag that the socket buffer holds would end up in front of the outer headers. */
static __always_inline int needs_tunnel(const struct sending *s)
{
	const struct __sk_buff *skb = s->skb;

	return s->g->flags & GW_IPV6 || skb->vlan_present || (skb->gso_size && !is_ip_skb(skb));
}

static __always_inline void fill_outer4(struct outer4 *o, const struct sending *s, const struct address *to,
					const struct adjacency *a, __u32 inner_size)
{
	struct envelope e = { .g = s->g, .to = to, .vni = s->vni, .hash = s->hash, .size = inner_size, .tos = s->tos };

	__builtin_memcpy(&o->mac, a->dst, 12);
	o->type = bpf_htons(TYPE_IPV4);
	write_ipv4(&o->ip, &e);
	write_tunnel(&o->udp, &o->vxlan, &e);
}

/* Puts the outer headers on. The frame is unchanged when it fails. */
static __always_inline int wrap(struct sending *s, const struct address *to, const struct adjacency *a)
{
	struct __sk_buff *skb = s->skb;
	__u32 size = skb->len;
	struct outer4 o;

	if (bpf_skb_load_bytes(skb, 0, o.inner, ETH_HEADER))
		return -1;
	if (is_ip_skb(skb)) {
		if (bpf_skb_adjust_room(skb, OUTER4, BPF_ADJ_ROOM_MAC, ENCAP_FLAGS))
			return -1;
	} else if (bpf_skb_change_head(skb, OUTER4, 0)) {
		return -1;
	}
	fill_outer4(&o, s, to, a, size);
	return bpf_skb_store_bytes(skb, 0, &o.mac, OUTER4_BYTES, BPF_F_INVALIDATE_HASH) ? -2 : 0;
}

/* Tells the tunnel device where a frame goes. */
static __always_inline int set_tunnel(struct __sk_buff *skb, const struct gateway *g, __u32 vni, __u32 hash, __u32 tos,
				      const struct address *to)
{
	struct bpf_tunnel_key key = { .tunnel_id = vni, .tunnel_tos = tos, .tunnel_ttl = OUTER_TTL };
	__u64 flags = BPF_F_DONT_FRAGMENT;

	if (g->flags & GW_IPV6) {
		flags |= BPF_F_TUNINFO_IPV6;
		if (g->flags & GW_ZERO_CHECKSUM6)
			flags |= BPF_F_ZERO_CSUM_TX;
		__builtin_memcpy(key.remote_ipv6, to, 16);
		__builtin_memcpy(key.local_ipv6, &g->vtep, 16);
		key.tunnel_label = hash >> 12 & 0xfffff;
	} else {
		flags |= BPF_F_ZERO_CSUM_TX;
		key.remote_ipv4 = bpf_ntohl(to->word[3]);
		key.local_ipv4 = bpf_ntohl(g->vtep.word[3]);
	}
	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags);
}

/*
 * A frame that makes the kernel ask for a neighbour. With several uplinks the kernel goes by the frame's flow, and would never
 * ask on the uplink that lacks the neighbour if that is not the flow's: so the frame is of a flow of its own.
 */
static __always_inline void leave_flow(const struct sending *s)
{
	if (s->g->uplink_count > 1)
		bpf_set_hash(s->skb, bpf_get_prandom_u32());
}

/*
 * The hash from which the kernel makes a source port of the tunnel device's (udp_flow_src_port): it folds the hash, and scales it to
 * the range.
 */
static __always_inline __u32 hash_of_port(__u32 port)
{
	__u32 folded = (((__u64)port << 32) + (1U << 31)) / (SOURCE_PORT_LAST - SOURCE_PORT_FIRST),
	      low = folded & 0xffff;

	return ((folded >> 16) ^ low) << 16 | low;
}

/* Leads a frame of the tunnel device round an uplink whose neighbour is missing, for the moment. */
static __always_inline void steer(const struct sending *s, const struct vtep *to, __u64 now)
{
	int port;

	if (s->g->uplink_count < 2)
		return;
	port = detour(s->g, to, now);
	if (port >= 0)
		bpf_set_hash(s->skb, hash_of_port(port));
}

static __always_inline int send_by_tunnel(struct sending *s, const struct address *to)
{
	if (set_tunnel(s->skb, s->g, s->vni, s->hash, s->tos, to))
		return -1;
	return bpf_redirect(s->g->tunnel_ifindex, 0);
}

/* By a next hop that is known. Returns the program's verdict, or -1 when there is no way. */
static __always_inline int send_direct(struct sending *s, const struct address *to, const struct adjacency *a)
{
	if (needs_tunnel(s))
		return send_by_tunnel(s, to);
	switch (wrap(s, to, a)) {
	case 0:
		return bpf_redirect(a->ifindex, 0);
	case -1:
		return send_by_tunnel(s, to);
	}
	return -1;
}

static __always_inline __u64 *direct_word(struct sending *s, __u32 i)
{
	return i < 64 ? &s->direct[0] : &s->direct[1];
}

static __always_inline void send_copy_by_tunnel(struct sending *s, const struct vtep *to)
{
	if (!set_tunnel(s->skb, s->g, s->vni, s->hash, s->tos, &to->addr) &&
	    !bpf_clone_redirect(s->skb, s->g->tunnel_ifindex, 0))
		s->sent++;
}

/* First round of a flood: the copies that need the tunnel device; notes those that do not. */
static long flood_by_tunnel(__u32 i, struct sending *s)
{
	struct vtep *to;
	enum way way;
	__u32 index;

	if (i >= MAX_PEERS || i >= s->x->peer_count)
		return 1;
	index = peer_of(s->x, i);
	to = vtep_at(index);
	if (!to)
		return 0;
	way = s->asks ? WAY_TUNNEL : look_way(s->skb, s->g, to, index, share_of(s->g, s->hash), s->now);
	if (way == WAY_DIRECT && !s->by_tunnel)
		*direct_word(s, i) |= 1ULL << (i & 63);
	else if (way != WAY_NONE) {
		if (way == WAY_TUNNEL)
			leave_flow(s);
		else
			steer(s, to, s->now);
		send_copy_by_tunnel(s, to);
	}
	return 0;
}

/* Second round: the headers are on, only addresses differ. */
static long flood_direct(__u32 i, struct sending *s)
{
	struct adjacency a;
	struct vtep *to;
	struct outer4 o;
	__u32 share;

	if (i >= MAX_PEERS || i >= s->x->peer_count)
		return 1;
	if (!(*direct_word(s, i) >> (i & 63) & 1))
		return 0;
	to = vtep_at(peer_of(s->x, i));
	share = share_of(s->g, s->hash);
	if (!to || share >= MAX_UPLINKS)
		return 0;
	a = to->hop[share].adj[to->hop[share].active & 1]; /* the first round found it to be right */
	if (bpf_skb_load_bytes(s->skb, OUTER4, o.inner, ETH_HEADER))
		return 0;
	fill_outer4(&o, s, &to->addr, &a, s->skb->len - OUTER4);
	if (bpf_skb_store_bytes(s->skb, 0, &o.mac, OUTER4_BYTES, 0))
		return 0;
	if (!bpf_clone_redirect(s->skb, a.ifindex, 0))
		s->sent++;
	return 0;
}

/* The second round of a frame that the kernel would not wrap: a tunnel of the customer's own, or SCTP. */
static long flood_rest(__u32 i, struct sending *s)
{
	struct vtep *to;

	if (i >= MAX_PEERS || i >= s->x->peer_count)
		return 1;
	if (!(*direct_word(s, i) >> (i & 63) & 1))
		return 0;
	to = vtep_at(peer_of(s->x, i));
	if (to)
		send_copy_by_tunnel(s, to);
	return 0;
}

/* Replicates to every VTEP of the extension, each once. Returns how many copies left. */
static __always_inline __u32 flood(struct sending *s)
{
	struct vtep *first = vtep_at(peer_of(s->x, 0));

	if (!first)
		return 0;
	s->by_tunnel = needs_tunnel(s);
	bpf_loop(MAX_PEERS, flood_by_tunnel, s, 0);
	if (!s->direct[0] && !s->direct[1])
		return s->sent;
	switch (wrap(s, &first->addr, &first->hop[0].adj[0])) { /* addresses follow for each copy */
	case 0:
		bpf_loop(MAX_PEERS, flood_direct, s, 0);
		break;
	case -1:
		bpf_loop(MAX_PEERS, flood_rest, s, 0);
		break;
	}
	return s->sent;
}

/* The tunnel device drops what has reserved bits set; here it was decided that they may be. */
static __always_inline void clear_reserved(struct __sk_buff *skb, __u32 outer)
{
	__u32 checksum_at = outer - VXLAN_HEADER - 2;
	__be16 checksum = 0;
	struct vxlan v;

	if (bpf_skb_load_bytes(skb, outer - VXLAN_HEADER, &v, sizeof(v)))
		return;
	if (v.flags == bpf_htonl(VXLAN_FLAG_I) && !(v.vni & bpf_htonl(0xff)))
		return;
	bpf_skb_load_bytes(skb, checksum_at, &checksum, sizeof(checksum));
	if (checksum) {
		bpf_l4_csum_replace(skb, checksum_at, v.flags, bpf_htonl(VXLAN_FLAG_I), BPF_F_MARK_MANGLED_0 | 4);
		bpf_l4_csum_replace(skb, checksum_at, v.vni, v.vni & bpf_htonl(0xffffff00), BPF_F_MARK_MANGLED_0 | 4);
	}
	v.flags = bpf_htonl(VXLAN_FLAG_I);
	v.vni &= bpf_htonl(0xffffff00);
	bpf_skb_store_bytes(skb, outer - VXLAN_HEADER, &v, sizeof(v), 0);
}

/* Writes the inner packet's congestion mark, before the outer headers go. */
static __always_inline void mark_inner(struct __sk_buff *skb, const struct parsed *p, __u8 outer_tos, __u32 network)
{
	__u8 mark = ecn_decapsulate(outer_tos, p->tos);
	__u8 h[12];

	if (mark == (p->tos & 3) || bpf_skb_load_bytes(skb, network, h, sizeof(h)))
		return;
	if (p->ip == 6) {
		h[1] = (h[1] & 0xcf) | mark << 4;
	} else {
		__u16 before = h[0] | h[1] << 8, after, sum = h[10] | h[11] << 8;

		h[1] = (h[1] & 0xfc) | mark;
		after = h[0] | h[1] << 8;
		sum = checksum_after(sum, before, after);
		h[10] = sum & 0xff;
		h[11] = sum >> 8;
	}
	bpf_skb_store_bytes(skb, network, h, sizeof(h), BPF_F_RECOMPUTE_CSUM);
}

/*
 * Takes the outer headers off a frame that is no super-frame. bpf_skb_adjust_room keeps the first 14
 * bytes and takes out what follows them, so the inner Ethernet header is written over the outer one.
 */
static __always_inline int decapsulate(struct __sk_buff *skb, const struct arrival *a, const struct parsed *p)
{
	__u32 outer = a->outer == OUTER6 ? OUTER6 : OUTER4;
	__u32 size = outer + a->inner;
	__u8 ethernet[ETH_HEADER];
	__u64 flags = 0;

	if (p->ip)
		mark_inner(skb, p, a->tos, outer + ETH_HEADER + 4 * p->inner_tags);
	if (bpf_skb_load_bytes(skb, outer, ethernet, ETH_HEADER))
		return -1;
	if (skb->len > size && bpf_skb_change_tail(skb, size, 0)) /* what is behind the packet is not the customer's */
		return -1;
	/* Shorter than an IPv4 header behind its Ethernet header: as on a wire, padded with zeros (IEEE 802.3). */
	if (a->inner < ETH_HEADER + IPV4_HEADER && bpf_skb_change_tail(skb, outer + ETH_MINIMUM, 0))
		return -1;
	if (p->ip == 6 && !p->inner_tags)
		flags = outer == OUTER4 ? ADJ_ROOM_DECAP_L3_IPV6 : 0;
	else if (outer == OUTER6)
		flags = ADJ_ROOM_DECAP_L3_IPV4;
	if (bpf_skb_adjust_room(skb, -(__s32)outer, BPF_ADJ_ROOM_MAC, flags))
		return -1;
	return bpf_skb_store_bytes(skb, 0, ethernet, ETH_HEADER, BPF_F_INVALIDATE_HASH);
}

/* Puts the circuit's tags on. Returns 1 when one could not be. */
static __always_inline int put_tags_on(struct __sk_buff *skb, const struct leaving *l)
{
	if (l->depth > 1 && bpf_skb_vlan_push(skb, l->tag[2], bpf_ntohs(l->tag[3]) | l->priority))
		return 1;
	return l->depth && bpf_skb_vlan_push(skb, l->tag[0], bpf_ntohs(l->tag[1]) | l->priority);
}

/* Leaves by the circuit's NIC, marked so that its egress guard lets it go. */
static __always_inline int send_to_customer(struct __sk_buff *skb, const struct gateway *g, const struct leaving *l)
{
	if (put_tags_on(skb, l))
		return 2; /* TCX_DROP */
	skb->mark = g->nonce;
	return bpf_redirect(l->ifindex, 0);
}

/* A copy of a probe for the customer's side. The frame keeps the tags: it is the last that is sent. */
static __always_inline __u32 probe_customer(struct __sk_buff *skb, const struct gateway *g, const struct extension *x)
{
	struct leaving l = leaving_of(x, 0);

	if (put_tags_on(skb, &l))
		return 0;
	skb->mark = g->nonce;
	return !bpf_clone_redirect(skb, l.ifindex, 0);
}

/* Copies of a probe for all VTEPs: by the tunnel device, which leaves the frame as it is. */
static __always_inline __u32 probe_cloud(struct __sk_buff *skb, const struct gateway *g, const struct extension *x)
{
	struct sending s = { .skb = skb, .x = x, .g = g, .vni = x->vni, .now = clock_ns(g), .by_tunnel = 1 };

	bpf_loop(MAX_PEERS, flood_by_tunnel, &s, 0);
	return s.sent;
}

#endif
