/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The outer headers: Ethernet, IP, UDP, VXLAN (RFC 7348 section 5). */
#ifndef DRAWBRIDGE_OUTER_H
#define DRAWBRIDGE_OUTER_H

#include "abi.h"
#include "ethernet.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define UDP_HEADER 8
#define ICMP_HEADER 8
#define VXLAN_HEADER 8
#define OUTER4 (ETH_HEADER + IPV4_HEADER + UDP_HEADER + VXLAN_HEADER)
#define OUTER6 (ETH_HEADER + IPV6_HEADER + UDP_HEADER + VXLAN_HEADER)

#define VXLAN_FLAG_I 0x08000000 /* the VNI is valid; the other 7 flags and 32 bits are reserved */
#define OUTER_TTL 64
#define SOURCE_PORT_FIRST 49152 /* RFC 7348 section 5: the dynamic range */
#define SOURCE_PORT_LAST 65535
#define SOURCE_PORT_BITS 0x3fff

struct ipv4 {
	__u8 version_header;
	__u8 tos;
	__be16 total;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 src;
	__be32 dst;
};

struct ipv6 {
	__be32 version_class_flow;
	__be16 payload;
	__u8 next;
	__u8 hop_limit;
	struct address src;
	struct address dst;
};

struct udp {
	__be16 src;
	__be16 dst;
	__be16 size;
	__be16 checksum;
};

struct vxlan {
	__be32 flags;
	__be32 vni; /* upper 24 bits; the lower 8 are reserved */
};

/* One outer packet to be. */
struct envelope {
	const struct gateway *g;
	const struct address *to;
	__u32 vni;
	__u32 hash; /* of the inner flow */
	__u32 size; /* bytes of the inner frame */
	__u8 tos;   /* DSCP and ECN of the inner packet, copied: RFC 2983 uniform model, RFC 6040 normal mode */
};

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __u16 ipv4_checksum(const struct ipv4 *ip)
{
	const __u32 *word = (const __u32 *)ip;

	return ~fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]);
}

static __always_inline void write_tunnel(struct udp *udp, struct vxlan *vxlan, const struct envelope *e)
{
	__be32 *word = (__be32 *)udp;

	word[0] = bpf_htonl((SOURCE_PORT_FIRST + (e->hash & SOURCE_PORT_BITS)) << 16 | e->g->port);
	word[1] = bpf_htonl((UDP_HEADER + VXLAN_HEADER + e->size) << 16); /* no checksum */
	vxlan->flags = bpf_htonl(VXLAN_FLAG_I);
	vxlan->vni = bpf_htonl(e->vni << 8);
}

/*
 * The datagram is atomic (RFC 6864 section 4.1): DF set, ID 0. The checksum is of words at hand: reading back what was
 * written in smaller pieces would wait until they have left the store buffer.
 */
static __always_inline void write_ipv4(struct ipv4 *ip, const struct envelope *e)
{
	__u32 size = IPV4_HEADER + UDP_HEADER + VXLAN_HEADER + e->size;
	__be32 *word = (__be32 *)ip, src = e->g->vtep.word[3], dst = e->to->word[3];
	__be32 first = bpf_htonl(0x45000000 | (__u32)e->tos << 16 | size);
	__be32 second = bpf_htonl(0x4000), third = bpf_htonl(OUTER_TTL << 24 | 17 << 16);

	word[0] = first;
	word[1] = second;
	word[2] = third;
	word[3] = src;
	word[4] = dst;
	ip->checksum = ~fold((__u64)first + second + third + src + dst);
}

/* The flow label is the flow's hash, so that routers spread flows without the ports (RFC 6438). */
static __always_inline void write_ipv6(struct ipv6 *ip, const struct envelope *e)
{
	ip->version_class_flow = bpf_htonl(6u << 28 | (__u32)e->tos << 20 | (e->hash >> 12 & 0xfffff));
	ip->payload = bpf_htons(UDP_HEADER + VXLAN_HEADER + e->size);
	ip->next = 17;
	ip->hop_limit = OUTER_TTL;
	ip->src = e->g->vtep;
	ip->dst = *e->to;
}

#endif
