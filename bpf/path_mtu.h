/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * "Too big" about what goes to one of our VTEPs (RFC 792, RFC 1191; RFC 4443 section 3.2). Anybody can send it, and the
 * kernel would believe it for ten minutes: what its tunnel device sends there would be lost without being counted. What
 * the path carries is said by the operator, or the link.
 */
#ifndef DRAWBRIDGE_PATH_MTU_H
#define DRAWBRIDGE_PATH_MTU_H

#include "abi.h"
#include "ethernet.h"
#include "ipv6_chain.h"
#include "maps.h"
#include "outer.h"
#include "service.h"

#define UNREACHABLE 3
#define FRAGMENTATION_NEEDED 4
#define PACKET_TOO_BIG 2
#define IPV4_LATER_FRAGMENT 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000

static __always_inline int is_vtep(const struct address *a)
{
	return bpf_map_lookup_elem(&vtep_ids, a) != NULL;
}

/* at: of the IPv4 header. The quote of a packet in pieces may be in another piece: nobody sends these. */
static __always_inline int is_too_big4(ctx_t *ctx, __u32 at)
{
	struct address to = { .word[2] = bpf_htonl(0xffff) };
	struct ipv4 ip;
	__u8 icmp[2];

	if (ctx_load(ctx, at, &ip, sizeof(ip)) || ip.protocol != PROTOCOL_ICMP ||
	    ip.fragment & bpf_htons(IPV4_LATER_FRAGMENT))
		return 0;
	at += (ip.version_header & 15) * 4;
	if (ctx_load(ctx, at, icmp, sizeof(icmp)) || icmp[0] != UNREACHABLE || icmp[1] != FRAGMENTATION_NEEDED)
		return 0;
	if (ip.fragment & bpf_htons(IPV4_MORE_FRAGMENTS))
		return 1;
	return ctx_load(ctx, at + ICMP_HEADER + 16, &to.word[3], 4) || is_vtep(&to);
}

/* At most so many tags and headers are walked: a packet with more is taken to hide something. */
#define PATH_TAGS 8
#define PATH_CHAIN 32

/*
 * The upper header, in the lower 8 bits, and its offset above them: as the kernel walks a chain, not as a guard does
 * (ipv6_chain.h), since most of these packets are the host's own. NEXT_NONE where there is no more to see. Global, so
 * that the verifier looks at it once.
 */
__noinline int upper_on_path(ctx_t *ctx, __u32 at, __u32 next)
{
	__u8 h[8];
	int i;

	if (!ctx)
		return NEXT_NONE;
	for (i = 0; i < PATH_CHAIN; i++) {
		if (!is_extension_header(next))
			break;
		if (ctx_load(ctx, at, h, 4))
			return NEXT_NONE;
		if (next == NEXT_FRAGMENT && (h[2] || h[3] & 0xf8))
			return NEXT_NONE; /* a later fragment */
		at += extension_size(next, h);
		next = h[0];
	}
	return (next & 0xff) | at << 8;
}

/* at: of the IPv6 header. */
static __always_inline int is_too_big6(ctx_t *ctx, __u32 at)
{
	struct address to = {};
	__u8 next = 0, type = 0;
	__u32 upper;

	if (ctx_load(ctx, at + 6, &next, 1))
		return 0;
	upper = upper_on_path(ctx, at + IPV6_HEADER, next);
	if (is_extension_header(upper & 0xff))
		return 1;
	at = upper >> 8;
	if ((upper & 0xff) != NEXT_ICMPV6 || ctx_load(ctx, at, &type, 1) || type != PACKET_TOO_BIG)
		return 0;
	return ctx_load(ctx, at + ICMP_HEADER + 24, &to, sizeof(to)) || is_vtep(&to);
}

/*
 * Would the kernel believe that the path to a VTEP is shorter? Tags before it are those that the kernel takes off: VID 0.
 * Global, so that the verifier looks at it once.
 */
__noinline int shortens_path(ctx_t *ctx)
{
	__u32 at = ETH_ADDRESSES;
	__be16 word = 0;
	__u16 type = 0;
	int i;

	if (!ctx)
		return 0;
	for (i = 0; i < PATH_TAGS; i++) {
		if (ctx_load(ctx, at, &word, 2))
			return 0;
		type = bpf_ntohs(word);
		if (!is_tag(type))
			break;
		at += 4;
	}
	if (type == TYPE_IPV4)
		return is_too_big4(ctx, at + 2);
	if (type == TYPE_IPV6)
		return is_too_big6(ctx, at + 2);
	return is_tag(type); /* more of them */
}

#endif
