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
#include "outer.h"

enum tunnel { TUNNEL_NOT_OURS = 0, TUNNEL_DROP = 1, TUNNEL_ACCEPT = 2 };

/* A packet from the underlay, as far as it was read. */
struct arrival {
	void *data;
	void *end;
	__u32 size;	/* bytes of the whole packet */
	__u32 super;	/* it stands for several on the wire */
	__u32 outer;	/* bytes before the inner frame */
	__u32 inner;	/* bytes of the inner frame; of a super-frame all that follows */
	__u16 vtep;	/* index of the sender */
	__u8 tos;	/* the outer one */
	__u8 zero;
	__u32 reason;	/* when it is TUNNEL_DROP */
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

static __always_inline int is_peer(const struct extension *x, __u16 vtep)
{
	__u32 count = x->peer_count;
	int i;

	if (x->peer[0] == vtep)
		return count > 0;
	for (i = 1; i < MAX_PEERS; i++) {
		if (i >= count)
			return 0;
		if (x->peer[i] == vtep)
			return 1;
	}
	return 0;
}

/* From UDP on. header_wrong is what the IP header's checks found. */
static __always_inline enum tunnel open_tunnel(struct arrival *a, const struct gateway *g, const struct uplink *u,
					       const struct address *src, struct udp *udp, __u32 payload,
					       int header_wrong)
{
	struct vxlan *vxlan = (void *)(udp + 1);
	struct vni_key key;
	__u32 *vtep, flags, vni;
	__u16 size;

	vtep = bpf_map_lookup_elem(&vtep_ids, src);
	if (!vtep)
		return refuse(a, DROP_UNKNOWN_VTEP);
	a->vtep = *vtep;
	if (header_wrong || (void *)(vxlan + 1) > a->end || !is_for_uplink(a->data, u))
		return refuse(a, DROP_TUNNEL_HEADER);
	size = bpf_ntohs(udp->size);
	if (size != payload && !(a->super && size == 0))
		return refuse(a, DROP_TUNNEL_HEADER);
	if (payload < UDP_HEADER + VXLAN_HEADER)
		return refuse(a, DROP_TUNNEL_HEADER);
	if (g->flags & GW_IPV6 && !udp->checksum && !(g->flags & GW_ZERO_CHECKSUM6))
		return refuse(a, DROP_TUNNEL_HEADER); /* RFC 8200 section 8.1 */
	flags = bpf_ntohl(vxlan->flags);
	vni = bpf_ntohl(vxlan->vni);
	if (!(flags & VXLAN_FLAG_I))
		return refuse(a, DROP_TUNNEL_HEADER);
	if (!(g->flags & GW_IGNORE_RESERVED) && (flags != VXLAN_FLAG_I || vni & 0xff))
		return refuse(a, DROP_TUNNEL_HEADER);
	key.vni = vni >> 8;
	a->x = bpf_map_lookup_elem(&segments, &key);
	if (!a->x)
		return refuse(a, DROP_UNKNOWN_VNI);
	if (!is_peer(a->x, a->vtep))
		return refuse(a, DROP_UNKNOWN_VTEP);
	a->inner = payload - UDP_HEADER - VXLAN_HEADER;
	return TUNNEL_ACCEPT;
}

/* Any fragment to our VTEP address that is, or is by its sender, part of a tunnel packet. */
static __always_inline enum tunnel open_fragment(struct arrival *a, const struct gateway *g, struct address *src,
						 struct udp *udp, int first)
{
	int known = bpf_map_lookup_elem(&vtep_ids, src) != NULL;

	if (first && ((void *)(udp + 1) > a->end || udp->dst != bpf_htons(g->port)))
		return TUNNEL_NOT_OURS;
	if (!known)
		return first ? refuse(a, DROP_UNKNOWN_VTEP) : TUNNEL_NOT_OURS;
	return refuse(a, DROP_TUNNEL_HEADER);
}

static __always_inline enum tunnel open_ipv4(struct arrival *a, const struct gateway *g, const struct uplink *u)
{
	struct ipv4 *ip = a->data + ETH_HEADER;
	struct udp *udp = (void *)(ip + 1);
	struct address src = {};
	__u32 total, header;
	int wrong;

	if ((void *)(ip + 1) > a->end || ip->version_header >> 4 != 4)
		return TUNNEL_NOT_OURS;
	if (ip->dst != g->vtep.word[3] || ip->protocol != 17)
		return TUNNEL_NOT_OURS;
	src.word[2] = bpf_htonl(0xffff);
	src.word[3] = ip->src;
	header = (ip->version_header & 15) * 4;
	if (header > IPV4_HEADER)
		udp = (void *)ip + header;
	if (ip->fragment & bpf_htons(0x3fff))
		return open_fragment(a, g, &src, udp, !(ip->fragment & bpf_htons(0x1fff)));
	if ((void *)(udp + 1) > a->end || udp->dst != bpf_htons(g->port))
		return TUNNEL_NOT_OURS;
	total = bpf_ntohs(ip->total);
	if (a->super && !total)
		total = a->size - ETH_HEADER;
	/* Options: no VTEP sends them, and what we do not read we do not accept. */
	wrong = header != IPV4_HEADER || total < IPV4_HEADER + UDP_HEADER || total > a->size - ETH_HEADER ||
		fold((__u64)ipv4_checksum(ip));
	a->tos = ip->tos;
	a->outer = OUTER4;
	return open_tunnel(a, g, u, &src, udp, total - IPV4_HEADER, wrong);
}

static __always_inline enum tunnel open_ipv6(struct arrival *a, const struct gateway *g, const struct uplink *u)
{
	struct ipv6 *ip = a->data + ETH_HEADER;
	struct udp *udp = (void *)(ip + 1);
	__u32 payload;
	int wrong;

	if ((void *)(ip + 1) > a->end || bpf_ntohl(ip->version_class_flow) >> 28 != 6)
		return TUNNEL_NOT_OURS;
	if (ip->dst.word[0] != g->vtep.word[0] || ip->dst.word[1] != g->vtep.word[1] ||
	    ip->dst.word[2] != g->vtep.word[2] || ip->dst.word[3] != g->vtep.word[3])
		return TUNNEL_NOT_OURS;
	if (ip->next == 44) { /* fragment header: next, 0, offset and M, ID */
		__u8 *f = (void *)udp;

		if ((void *)(f + 8) > a->end || f[0] != 17)
			return TUNNEL_NOT_OURS;
		return open_fragment(a, g, &ip->src, (void *)(f + 8), !(f[2] || f[3] & 0xf8));
	}
	if (ip->next != 17 || (void *)(udp + 1) > a->end || udp->dst != bpf_htons(g->port))
		return TUNNEL_NOT_OURS;
	payload = bpf_ntohs(ip->payload);
	if (a->super && !payload)
		payload = a->size - ETH_HEADER - IPV6_HEADER;
	wrong = payload < UDP_HEADER || payload > a->size - ETH_HEADER - IPV6_HEADER;
	a->tos = bpf_ntohl(ip->version_class_flow) >> 20;
	a->outer = OUTER6;
	return open_tunnel(a, g, u, &ip->src, udp, payload, wrong);
}

/* a->data, end, size and super are given; all else is the answer. */
static __always_inline enum tunnel open_arrival(struct arrival *a, const struct gateway *g, const struct uplink *u)
{
	__u16 type;

	if (a->data + ETH_HEADER > a->end || !(g->flags & GW_READY))
		return TUNNEL_NOT_OURS;
	type = load16(a->data + ETH_ADDRESSES);
	if (g->flags & GW_IPV6)
		return type == TYPE_IPV6 ? open_ipv6(a, g, u) : TUNNEL_NOT_OURS;
	return type == TYPE_IPV4 ? open_ipv4(a, g, u) : TUNNEL_NOT_OURS;
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
