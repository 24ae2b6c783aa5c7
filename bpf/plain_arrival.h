/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What most tunnel packets over IPv4 are: whole, without options, to our own MAC, with nothing in the headers that RFC 7348
 * does not ask for. It says of few packets what decap.h says of all, and of those the same, in a third of the instructions.
 */
#ifndef DRAWBRIDGE_PLAIN_ARRIVAL_H
#define DRAWBRIDGE_PLAIN_ARRIVAL_H

#include "decap.h"
#include "outer.h"

/* Four bytes of a header as they are loaded, from their values in wire order. */
#define WIRE32(a, b, c, d) bpf_htonl((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* Is the sum of an IPv4 header's bytes what it must be (RFC 1071)? type_and_start: EtherType and two bytes; rest: the other 18. */
static __always_inline int has_right_sum(__u32 type_and_start, const __u8 *rest)
{
	__u64 a = *(const __u64 *)rest, b = *(const __u64 *)(rest + 8), sum;

	sum = (type_and_start & WIRE32(0, 0, 0xff, 0xff)) + (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) +
	      (b >> 32) + *(const __u16 *)(rest + 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

/* Is it plain? Then a is what read_arrival makes of it. a->data, end and size are given. */
static __always_inline int is_plain_arrival(struct arrival *a, const struct gateway *g, const struct uplink *u)
{
	const __u8 *h = a->data;
	__u32 start, total, vni;

	if (a->data + OUTER4 + ETH_ADDRESSES > a->end || (g->flags & (GW_READY | GW_IPV6)) != GW_READY)
		return 0;
	start = *(const __u32 *)(h + 12); /* EtherType, version and length, TOS */
	if ((start & WIRE32(0xff, 0xff, 0xff, 0)) != WIRE32(0x08, 0x00, 0x45, 0))
		return 0;
	if ((*(const __u64 *)h ^ *(const __u64 *)u->mac) << 16)
		return 0;
	/* Fragment offset and M, protocol; DF and TTL may be anything. */
	if ((*(const __u32 *)(h + 20) & WIRE32(0x3f, 0xff, 0, 0xff)) != WIRE32(0, 0, 0, 17))
		return 0;
	if (*(const __be32 *)(h + 30) != g->vtep.word[3] || *(const __be16 *)(h + 36) != bpf_htons(g->port))
		return 0;
	total = load16(h + 16);
	if (total + ETH_HEADER > a->size || load16(h + 38) + IPV4_HEADER != total)
		return 0;
	vni = bpf_ntohl(*(const __be32 *)(h + 46));
	if (*(const __be32 *)(h + 42) != bpf_htonl(VXLAN_FLAG_I) || vni & 0xff || !has_right_sum(start, h + 16))
		return 0;
	a->src.word[2] = bpf_htonl(0xffff);
	a->src.word[3] = *(const __be32 *)(h + 26);
	a->vni = vni >> 8;
	a->tos = start >> 24;
	a->outer = OUTER4;
	a->inner = total - (OUTER4 - ETH_HEADER); /* huge when it has not even the headers */
	return 1;
}

#endif
