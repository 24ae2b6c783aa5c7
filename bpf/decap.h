/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Is this packet from the underlay a tunnel packet for us, and may it be decapsulated? Only the whole
 * allowed tuple is: NIC, destination, protocol, port, flags, VTEP and VNI. Nothing is written before.
 */
#ifndef DRAWBRIDGE_DECAP_H
#define DRAWBRIDGE_DECAP_H

#include "abi.h"
#include "count.h"
#include "hop.h"
#include "ipv6_chain.h"
#include "outer.h"

enum tunnel { TUNNEL_NOT_OURS = 0, TUNNEL_DROP = 1, TUNNEL_ACCEPT = 2 };

enum fragment { FRAGMENT_NONE = 0, FRAGMENT_FIRST = 1, FRAGMENT_LATER = 2 };

/* A packet from the underlay, as far as it was read. */
struct arrival {
	void *data;
	void *end;
	__u32 size;  /* bytes of the whole packet */
	__u32 super; /* it stands for several on the wire */
	__u32 outer; /* bytes before the inner frame */
	__u32 inner; /* bytes of the inner frame; of a super-frame all that follows */
	__u32 vni;
	__u16 vtep; /* index of the sender */
	__u8 tos;   /* the outer one */
	__u8 wrong; /* a header is not as it must be */
	enum fragment fragment;
	__u32 reason; /* when it is TUNNEL_DROP */
	struct address src;
	struct extension *x; /* when it is TUNNEL_ACCEPT */
};

static __always_inline enum tunnel refuse(struct arrival *a, __u32 reason)
{
	a->reason = reason;
	return TUNNEL_DROP;
}

/* To our NIC, or to a group: a frame flooded past its owner is not for us. */
static __always_inline int is_for_uplink(const void *mac, const struct uplink *u)
{
	return is_group(mac) || mac_word(mac) == *(const __u64 *)u->mac;
}

/* From UDP on: finds out whether the port is ours, and what is wrong. payload: bytes behind the IP header. */
static __always_inline int read_tunnel(struct arrival *a, const struct gateway *g, const struct uplink *u,
				       struct udp *udp, __u32 payload)
{
	struct vxlan *vxlan = (void *)(udp + 1);
	__u32 flags, vni;
	__u16 size;

	if (a->fragment == FRAGMENT_LATER)
		return 1; /* whose it is the sender tells */
	if ((void *)(udp + 1) > a->end || udp->dst != bpf_htons(g->port))
		return 0;
	if ((void *)(vxlan + 1) > a->end) {
		a->wrong = 1;
		return 1;
	}
	size = bpf_ntohs(udp->size);
	flags = bpf_ntohl(vxlan->flags);
	vni = bpf_ntohl(vxlan->vni);
	a->vni = vni >> 8;
	a->inner = payload - UDP_HEADER - VXLAN_HEADER;
	a->wrong |= !is_for_uplink(a->data, u);
	a->wrong |= size != payload && !(a->super && size == 0);
	a->wrong |= payload < UDP_HEADER + VXLAN_HEADER;
	a->wrong |= !(flags & VXLAN_FLAG_I);
	if (!(g->flags & GW_IGNORE_RESERVED))
		a->wrong |= flags != VXLAN_FLAG_I || vni & 0xff;
	if (g->flags & GW_IPV6 && !(g->flags & GW_ZERO_CHECKSUM6))
		a->wrong |= !udp->checksum; /* RFC 8200 section 8.1 */
	return 1;
}

static __always_inline int read_ipv4(struct arrival *a, const struct gateway *g, const struct uplink *u)
{
	struct ipv4 *ip = a->data + ETH_HEADER;
	struct udp *udp = (void *)(ip + 1);
	__u32 total, header;

	if ((void *)(ip + 1) > a->end || ip->version_header >> 4 != 4)
		return 0;
	if (ip->dst != g->vtep.word[3] || ip->protocol != 17)
		return 0;
	a->src.word[2] = bpf_htonl(0xffff);
	a->src.word[3] = ip->src;
	header = (ip->version_header & 15) * 4;
	if (header > IPV4_HEADER)
		udp = (void *)ip + header;
	if (ip->fragment & bpf_htons(0x3fff))
		a->fragment = ip->fragment & bpf_htons(0x1fff) ? FRAGMENT_LATER : FRAGMENT_FIRST;
	total = bpf_ntohs(ip->total);
	if (a->super && !total)
		total = a->size - ETH_HEADER;
	/* Options: no VTEP sends them, and what we do not read we do not accept. */
	a->wrong = header != IPV4_HEADER || total < IPV4_HEADER + UDP_HEADER || total > a->size - ETH_HEADER ||
		   fold((__u64)ipv4_checksum(ip));
	a->tos = ip->tos;
	a->outer = OUTER4;
	return read_tunnel(a, g, u, udp, total - IPV4_HEADER);
}

static __always_inline int read_ipv6(struct arrival *a, const struct gateway *g, const struct uplink *u)
{
	struct ipv6 *ip = a->data + ETH_HEADER;
	struct udp *udp = (void *)(ip + 1);
	__u32 payload;
	__u8 next;

	if ((void *)(ip + 1) > a->end || bpf_ntohl(ip->version_class_flow) >> 28 != 6)
		return 0;
	if (ip->dst.word[0] != g->vtep.word[0] || ip->dst.word[1] != g->vtep.word[1] ||
	    ip->dst.word[2] != g->vtep.word[2] || ip->dst.word[3] != g->vtep.word[3])
		return 0;
	next = ip->next;
	if (next == NEXT_FRAGMENT) { /* next header, 0, offset and M, ID */
		__u8 *f = (void *)udp;

		if ((void *)(f + 8) > a->end)
			return 0;
		next = f[0];
		a->fragment = f[2] || f[3] & 0xf8 ? FRAGMENT_LATER : FRAGMENT_FIRST;
		udp = (void *)(f + 8);
	}
	if (next != NEXT_UDP)
		return 0;
	payload = bpf_ntohs(ip->payload);
	if (a->super && !payload)
		payload = a->size - ETH_HEADER - IPV6_HEADER;
	a->src = ip->src;
	a->wrong = payload < UDP_HEADER || payload > a->size - ETH_HEADER - IPV6_HEADER;
	a->tos = bpf_ntohl(ip->version_class_flow) >> 20;
	a->outer = OUTER6;
	return read_tunnel(a, g, u, udp, payload);
}

/*
 * Reads the outer headers, without any lookup. a->data, end, size and super are given. Returns 0 when it
 * is no tunnel packet for us.
 */
static __always_inline int read_arrival(struct arrival *a, const struct gateway *g, const struct uplink *u)
{
	__u16 type;

	if (a->data + ETH_HEADER > a->end || !(g->flags & GW_READY))
		return 0;
	type = load16(a->data + ETH_ADDRESSES);
	if (g->flags & GW_IPV6)
		return type == TYPE_IPV6 && read_ipv6(a, g, u);
	return type == TYPE_IPV4 && read_ipv4(a, g, u);
}

static __always_inline struct extension *segment_at(const struct vni_key *key)
{
	__u32 *record = bpf_map_lookup_elem(&segments, key);
	struct extension *x;

	if (!record)
		return NULL;
	x = bpf_map_lookup_elem(&extensions, record);
	return x && x->vni == key->vni ? x : NULL;
}

/* May it be decapsulated? In the order of the reasons: VTEP, headers, VNI, and the two together. */
static __always_inline enum tunnel admit(struct arrival *a)
{
	__u32 *vtep = bpf_map_lookup_elem(&vtep_ids, &a->src);
	struct vni_key key = { .vni = a->vni };

	/* A later fragment from a VTEP is part of a tunnel packet; from others it is the host's. */
	if (!vtep)
		return a->fragment == FRAGMENT_LATER ? TUNNEL_NOT_OURS : refuse(a, DROP_UNKNOWN_VTEP);
	a->vtep = *vtep;
	if (a->wrong || a->fragment)
		return refuse(a, DROP_TUNNEL_HEADER);
	a->x = segment_at(&key);
	if (!a->x)
		return refuse(a, DROP_UNKNOWN_VNI);
	if (!is_peer(a->x, a->vtep))
		return refuse(a, DROP_UNKNOWN_VTEP);
	return TUNNEL_ACCEPT;
}

static __always_inline const struct uplink *uplink_of(const struct gateway *g, __u32 ifindex)
{
	int i;

#pragma unroll
	for (i = 0; i < MAX_UPLINKS; i++)
		if (i < g->uplink_count && g->uplink[i].ifindex == ifindex)
			return &g->uplink[i];
	return NULL;
}

#endif
