/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A frame whose extension is known: the stages in the order of docs/reference/drop-reasons.md. */
#ifndef DRAWBRIDGE_PIPELINE_H
#define DRAWBRIDGE_PIPELINE_H

#include "abi.h"
#include "control.h"
#include "count.h"
#include "fdb.h"
#include "hop.h"
#include "parse.h"

/* A frame on its way through the stages. */
struct passage {
	const struct extension *x;
	struct tally *counters;
	struct weight weight;
	enum direction dir;
	__u16 from;    /* place: PLACE_CUSTOMER or the VTEP's index */
	__u32 to;      /* place, or PLACE_UNKNOWN: everywhere on the other side */
	__u32 longest; /* bytes of the longest frame it stands for */
	__u64 now;
	__u64 until;  /* when the destination's entry has aged */
	int observed; /* a guard in mode observe would have dropped it */
};

/* A guard that the extension's mode governs. Returns the reason when the frame is to be dropped. */
static __always_inline __u32 guard(struct passage *f, __u32 reason)
{
	if (f->x->mode == MODE_ENFORCE)
		return reason;
	if (f->x->mode == MODE_OBSERVE && !f->observed) { /* the first match counts */
		count_would_drop(f->counters, reason, f->weight);
		f->observed = 1;
	}
	return DROP_NONE;
}

static __always_inline int is_inner_vlan_refused(const struct extension *x, const struct parsed *p)
{
	if (!p->inner_tags || x->inner_vlan == INNER_ALLOW)
		return 0;
	return x->inner_vlan == INNER_DROP || p->inner_refused;
}

/* Nobody speaks with no address, with a group's, or with ours (IEEE 802-2014 section 8.2). */
static __always_inline int is_bad_source(const struct extension *x, const void *source)
{
	__u64 word = mac_word(source);
	int i;

	if (!word || is_group(source))
		return 1;
#pragma unroll
	for (i = 0; i < MAX_UPLINKS + 1; i++)
		if (word == *(const __u64 *)x->mac_own[i])
			return 1;
	return 0;
}

/* Stages 10, 11 and 15: where to, how long, and is there a way at all. */
static __always_inline __u32 forwarding(struct passage *f, const struct view *v)
{
	const struct extension *x = f->x;
	__u32 limit = f->dir == TO_CLOUD ? x->max_to_cloud : x->max_to_customer;

	f->to = is_group(v->addresses) ? PLACE_UNKNOWN : place_of(x, v->addresses, f->now, &f->until);
	if (f->dir == TO_CLOUD && f->to == PLACE_CUSTOMER)
		return DROP_SAME_SIDE;
	/* An entry may outlive its VTEP's place among the peers by an instant: it leads nowhere then. */
	if (f->dir == TO_CLOUD && f->to < PLACE_CLOUD && !is_peer(x, f->to))
		f->to = PLACE_UNKNOWN;
	if (f->dir == TO_CUSTOMER && f->to != PLACE_CUSTOMER && f->to != PLACE_UNKNOWN)
		return DROP_SPLIT_HORIZON;
	if (f->longest > limit)
		return DROP_TOO_BIG;
	if (x->flags & EXT_DOWN)
		return DROP_NO_NEXT_HOP;
	return DROP_NONE;
}

/* All stages after parsing. Returns why the frame is dropped, or DROP_NONE with f->to set. */
static __always_inline __u32 judge(struct passage *f, const struct view *v, const struct parsed *p)
{
	const struct extension *x = f->x;
	const void *source = v->addresses + 6;
	__u32 reason;

	if (p->inner_tags && is_inner_vlan_refused(x, p)) {
		reason = guard(f, DROP_INNER_VLAN);
		if (reason)
			return reason;
	}
	if (is_bad_source(x, source))
		return DROP_BAD_SOURCE;
	if (is_control_type(p->type) || is_control_address(v->addresses)) {
		reason = guard(f, DROP_CONTROL_FRAME);
		if (reason)
			return reason;
	}
	learn(x, source, f->from, f->now);
	return forwarding(f, v);
}

#endif
