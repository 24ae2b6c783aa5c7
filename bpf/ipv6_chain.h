/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* IPv6 extension headers (RFC 8200 section 4), as strict as RFC 7113 and RFC 6980 ask of an RA guard. */
#ifndef DRAWBRIDGE_IPV6_CHAIN_H
#define DRAWBRIDGE_IPV6_CHAIN_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define CHAIN_LIMIT 8

#define NEXT_HOP_BY_HOP 0
#define NEXT_TCP 6
#define NEXT_UDP 17
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AH 51
#define NEXT_ICMPV6 58
#define NEXT_NONE 59
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140

static __always_inline int is_extension_header(__u32 next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT || next == NEXT_AH ||
	       next == NEXT_DESTINATION || next == NEXT_MOBILITY || next == NEXT_HIP || next == NEXT_SHIM6;
}

/* Bytes of an extension header, whose first two are next header and length (RFC 8200 section 4, RFC 4302 section 2.2). */
static __always_inline __u32 extension_size(__u32 next, const __u8 *h)
{
	if (next == NEXT_FRAGMENT)
		return 8;
	return next == NEXT_AH ? (h[1] + 2) * 4 : (h[1] + 1) * 8;
}

/* Neighbour discovery (RFC 4861), and its certification paths (RFC 3971), which RFC 6980 includes. */
static __always_inline int is_neighbour_discovery(__u8 icmp_type)
{
	return (icmp_type >= 133 && icmp_type <= 137) || icmp_type == 148 || icmp_type == 149;
}

/* Bytes of an upper header that must be there for the frame to be classified. */
static __always_inline __u32 upper_header(__u32 next)
{
	switch (next) {
	case NEXT_TCP:
		return 20;
	case NEXT_UDP:
		return 8;
	case NEXT_ICMPV6:
		return 4;
	case NEXT_NONE:
		return 0;
	}
	return 1;
}

/*
 * Walks the chain from offset (of the first header behind the fixed one) to end (of the IPv6 packet),
 * both counted in the context. ESP and unknown upper headers end it. Returns the upper header in the lower
 * 8 bits and its offset above them, NEXT_NONE for a later fragment. Negative when it is malformed: more than
 * CHAIN_LIMIT headers, cut short, a first fragment without the whole chain, fragmented ND. Global, so that
 * the verifier looks at it once and not for every caller's state.
 */
__noinline int ipv6_chain(ctx_t *ctx, __u32 offset, __u32 next, __u32 end)
{
	int fragmented = 0;
	__u8 h[8], type;
	int i;

	if (!ctx)
		return -1;
	for (i = 0; i < CHAIN_LIMIT + 1; i++) {
		if (!is_extension_header(next))
			break;
		if (i == CHAIN_LIMIT || offset + 8 > end || ctx_load(ctx, offset, h, 8))
			return -1;
		if (next == NEXT_FRAGMENT) {
			if (h[2] || h[3] & 0xf8)
				return NEXT_NONE; /* a later fragment: its first one was judged */
			fragmented = 1;
		}
		offset += extension_size(next, h);
		next = h[0];
	}
	if (offset + upper_header(next) > end)
		return -1;
	if (fragmented && next == NEXT_ICMPV6 && (ctx_load(ctx, offset, &type, 1) || is_neighbour_discovery(type)))
		return -1;
	return (next & 0xff) | offset << 8;
}

#endif
