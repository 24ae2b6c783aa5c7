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
#include "parse.h"
#include "rate.h"

#define ANSWER_COST (100 * 1000000ULL << SCHEDULE_BITS) /* ten a second */
#define ANSWER_BURST ANSWER_COST

/* May an ICMP error be sent about it (RFC 1122 section 3.2.2, RFC 4443 section 2.4)? Global, for the verifier. */
__noinline int is_answerable(ctx_t *ctx, __u32 ip, __u32 network, __u32 transport, __u32 upper)
{
	__u8 h[40], type;

	if (!ctx || !transport) /* a later fragment, or a transport that is not known */
		return 0;
	if (ip == 4) {
		if (ctx_load(ctx, network, h, 20) || !(h[6] & 0x40)) /* DF */
			return 0;
		if (!h[12] || h[12] >= 224 || h[12] == 127 || h[16] >= 224)
			return 0;
		if (h[9] != 1)
			return 1;
		return !ctx_load(ctx, transport, &type, 1) && (type == 0 || type == 8);
	}
	if (ctx_load(ctx, network, h, 40) || h[8] == 0xff || h[24] == 0xff)
		return 0;
	if (!h[8] && !h[9] && !h[10] && !h[11]) /* unspecified, loopback, or no source of a host */
		return 0;
	if (upper != NEXT_ICMPV6)
		return 1;
	return !ctx_load(ctx, transport, &type, 1) && type >= 128;
}

/* Is this frame's sender told? At most ten are in a second, by extension and direction. */
static __always_inline int is_answered(ctx_t *ctx, const struct extension *x, const struct view *v,
				       const struct parsed *p, enum direction dir)
{
	struct gateway *g = the_gateway();
	struct budget *b;

	if (!g || !p->ip || p->inner_tags || is_group(v->addresses))
		return 0;
	if (!is_answerable(ctx, p->ip, p->network_offset, p->transport, p->upper))
		return 0;
	b = budget_of(x->slot, dir);
	return b && take(&b->answers, ANSWER_COST, ANSWER_BURST, exact_ns(g));
}

#endif
