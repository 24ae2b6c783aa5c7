/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stage 11: whether the sender of a frame that is too long is told so (RFC 1191, RFC 8201), in the name of the
 * host that it wanted to reach.
 */
#ifndef DRAWBRIDGE_TOO_BIG_H
#define DRAWBRIDGE_TOO_BIG_H

#include "abi.h"
#include "ethernet.h"
#include "fdb.h"
#include "packet.h"
#include "parse.h"
#include "rate.h"

#define ANSWER_COST (100 * 1000000ULL << SCHEDULE_BITS) /* ten a second */
#define ANSWER_BURST ANSWER_COST

/* Does an address that begins so belong to one host (RFC 1122 section 3.2.1.3)? */
static __always_inline int is_host4(__u8 first)
{
	return first && first != 127 && first < 224;
}

/* Of ::/32 are the unspecified address, loopback's, and those that embed IPv4's (RFC 4291 section 2.5). */
static __always_inline int is_host6(const __u8 *addr)
{
	return addr[0] != 0xff && (addr[0] || addr[1] || addr[2] || addr[3]);
}

#define ICMP6_REDIRECT 137

/*
 * May an ICMP error be sent about it, and in its destination's name (RFC 1122 section 3.2.2, RFC 4443 section 2.4)? Of
 * what is no error echo is worth an answer over IPv4, and everything over IPv6, where later fragments are of something
 * longer than errors are. Global, for the verifier.
 */
__noinline int is_answerable(ctx_t *ctx, __u32 ip, __u32 network, __u32 transport, __u32 upper)
{
	__u8 h[40], type;

	if (!ctx)
		return 0;
	if (ip == 4) {
		if (!transport || ctx_load(ctx, network, h, 20) || !(h[6] & 0x40)) /* a later fragment; DF */
			return 0;
		if (!is_host4(h[12]) || !is_host4(h[16]))
			return 0;
		if (h[9] != PROTOCOL_ICMP)
			return 1;
		return transport < packet_end(ctx, ip, network) && !ctx_load(ctx, transport, &type, 1) &&
		       (type == 0 || type == 8);
	}
	if (ctx_load(ctx, network, h, 40) || !is_host6(h + 8) || !is_host6(h + 24))
		return 0;
	if (!transport || upper != NEXT_ICMPV6)
		return 1;
	return !ctx_load(ctx, transport, &type, 1) && type >= 128 && type != ICMP6_REDIRECT;
}

/* Is this frame's sender told? At most ten are in a second, by extension and direction. */
static __always_inline int is_answered(ctx_t *ctx, const struct extension *x, const struct view *v,
				       const struct parsed *p, enum direction dir)
{
	struct gateway *g = the_gateway();
	struct budget *b;

	if (!g || !p->ip || is_group(v->addresses))
		return 0;
	if (!is_answerable(ctx, p->ip, p->network_offset, p->transport, p->upper))
		return 0;
	b = budget_of(x->slot, dir);
	return b && take(&b->answers, ANSWER_COST, ANSWER_BURST, exact_ns(g));
}

#endif
