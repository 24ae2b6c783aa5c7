/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stage 12: frames that flood, by class and fair by source. Half of a class is kept for known sources, each up
 * to a tenth of the class; the other half is whoever's comes first. So a source that floods takes its
 * tenth and the open half, and all others still have theirs. Of what is kept, who floods least comes first.
 */
#ifndef DRAWBRIDGE_STORM_H
#define DRAWBRIDGE_STORM_H

#include "abi.h"
#include "ethernet.h"
#include "fdb.h"
#include "passage.h"
#include "rate.h"
#include "service.h"

#define SHARE 10

static __always_inline __u32 storm_class_of(const struct passage *f)
{
	if (f->tunnelled)
		return STORM_MULTICAST;
	if (f->p.type == TYPE_ARP || f->p.about & ABOUT_ND)
		return STORM_ARP_ND;
	if (f->p.about & ABOUT_DHCP)
		return STORM_DHCP;
	if (mac_word(f->destination) == 0xffffffffffffULL)
		return STORM_BROADCAST;
	return is_group(f->destination) ? STORM_MULTICAST : STORM_UNKNOWN_UNICAST;
}

/* Is the destination's flood wanted? The list is short, and mostly empty. */
static __always_inline int is_flood_wanted(const struct limits *g, __u64 destination)
{
	__u32 i, count = g->flood_count;

#pragma clang loop unroll(disable)
	for (i = 0; i < FLOOD_PREFIXES && i < count; i++) {
		const struct flood_prefix *p = &g->flooded[i & (FLOOD_PREFIXES - 1)];

		if ((destination & p->mask) == p->value)
			return 1;
	}
	return 0;
}

static __always_inline int is_known(const struct fdb_entry *e, __u64 now)
{
	return e && (is_placed(e) || now - e->born >= SETTLED);
}

/* A part of a class has room for one frame at least. */
static __always_inline __u64 at_least(__u64 burst, __u64 least)
{
	return burst < least ? least : burst;
}

#define PRESSED_FOR (250 * MILLISECOND)

/*
 * How much of the half that is kept for known sources one may use. When that half has been in use for a quarter of a second without a pause: three
 * quarters, and of the last one as much as its own share has been free (of 1,024 parts of 2^20 ns). So sources that flood together
 * leave room for those that do not, and who floods least comes first. Until then: all of it.
 */
static __always_inline __u64 room_of(const struct rate *r, __u64 share, struct budget *b, __u32 class, __u64 now)
{
	__u64 quarter = r->burst >> 2, parts, scheduled = now << SCHEDULE_BITS;

	if (b->reserved[class] <= scheduled)
		b->pressed[class] = now;
	if ((__s64)(now - b->pressed[class]) < (__s64)PRESSED_FOR) /* another CPU's clock may be ahead */
		return r->burst;
	parts = scheduled > share ? (scheduled - share) >> (20 + SCHEDULE_BITS) : 0;
	return 3 * quarter + (quarter * (parts < 1024 ? parts : 1024) >> 10);
}

/*
 * A known source's frame, out of its own share and the half that is kept for such: out of both or neither.
 * Returns DROP_STORM_SOURCE when its share is used up.
 */
static __always_inline __u32 take_reserved(const struct rate *r, struct fdb_entry *e, struct budget *b, __u32 class,
					   __u64 cost, __u64 now)
{
	__u64 own = cost * SHARE, burst = at_least(r->burst, cost_of(r, 1) * SHARE);
	__u64 most = at_least(r->burst, cost_of(r, 1) * 2);
	__u64 room = at_least(room_of(r, e->share[class], b, class, now), cost_of(r, 1) * 2);

	if (!conforms(&e->share[class], own, burst, now))
		return DROP_STORM_SOURCE;
	if (!take_within(&b->reserved[class], cost * 2, room, most, now))
		return DROP_STORM_ARP_ND + class;
	return take(&e->share[class], own, burst, now) ? DROP_NONE : DROP_STORM_SOURCE;
}

/* A flood that the operator wants. */
static __always_inline __u32 wanted_flood(const struct limits *g, struct budget *b, const struct passage *f, __u64 now)
{
	if (take(&b->flood, cost_of(&g->flood, f->frames), g->flood.burst, now))
		return DROP_NONE;
	return is_group(f->destination) ? DROP_STORM_MULTICAST : DROP_STORM_UNKNOWN_UNICAST;
}

/* Out of the half that is kept for known sources, or out of the other. */
static __always_inline __u32 take_class(const struct rate *r, struct fdb_entry *e, struct budget *b, __u32 class,
					const struct passage *f, __u64 now)
{
	__u64 cost = cost_of(r, f->frames);
	__u32 reason = DROP_STORM_ARP_ND + class;

	if (is_known(e, f->now)) {
		reason = take_reserved(r, e, b, class, cost, now);
		if (!reason)
			return DROP_NONE;
	}
	return take(&b->open[class], cost * 2, at_least(r->burst, cost_of(r, 1) * 2), now) ? DROP_NONE : reason;
}

/* Global, for the verifier. Returns why the frame is too much, or DROP_NONE. */
__noinline int storm(const struct extension *x, struct passage *f)
{
	struct gateway *gw = the_gateway();
	__u32 class, reason;
	struct fdb_key key;
	struct budget *b;
	struct limits *g;
	__u64 cost, now;

	if (!x || !f || !gw)
		return DROP_NONE;
	g = guards_of(x);
	b = budget_of(x->slot, f->dir);
	if (!g || !b)
		return DROP_NONE;
	now = exact_ns(gw);
	if (is_flood_wanted(g, mac_word(f->destination)))
		return wanted_flood(g, b, f, now);
	class = storm_class_of(f);
	barrier_var(class);
	if (class >= STORM_CLASSES)
		return DROP_NONE;
	cost = cost_of(&g->storm_bytes[class], f->bytes);
	if (cost && !conforms(&b->bytes[class], cost, g->storm_bytes[class].burst, now))
		return DROP_STORM_ARP_ND + class;
	key = fdb_key_of(x, f->source);
	reason = take_class(&g->storm[class], bpf_map_lookup_elem(&fdb, &key), b, class, f, now);
	if (!reason && cost)
		take(&b->bytes[class], cost, g->storm_bytes[class].burst, now);
	return reason;
}

#define SUPER_FRAME 65536 /* bytes, at most */

/*
 * Stage 13: the extension's bandwidth. A super-frame that is heavier than the burst passes when nothing was used of
 * it, and the rest waits for all that it cost.
 */
__noinline int meter(const struct extension *x, __u32 dir, __u32 bytes)
{
	struct gateway *gw = the_gateway();
	__u64 cost, burst, most;
	struct budget *b;
	struct limits *g;

	if (!x || !gw)
		return DROP_NONE;
	g = guards_of(x);
	b = budget_of(x->slot, dir);
	if (!g || !b)
		return DROP_NONE;
	dir &= 1;
	cost = cost_of(&g->bandwidth[dir], bytes);
	burst = at_least(g->bandwidth[dir].burst, cost);
	most = g->bandwidth[dir].burst + cost_of(&g->bandwidth[dir], 2 * SUPER_FRAME);
	return take_within(&b->bandwidth, cost, burst, most, exact_ns(gw)) ? DROP_NONE : DROP_BANDWIDTH;
}

#define CPU_SAMPLES 8 /* one frame of as many is timed */

/* Stage 14: has the extension used up its share of a core? */
__noinline int is_over_cpu(const struct extension *x)
{
	struct gateway *gw = the_gateway();
	struct budget *b;
	struct limits *g;

	if (!x || !gw)
		return 0;
	g = guards_of(x);
	b = budget_of(x->slot, 0); /* one for both directions */
	return g && b && !take_within(&b->cpu, 0, g->cpu.burst, 2 * g->cpu.burst, exact_ns(gw));
}

/* Charges what the frame at hand took, for itself and for those that were not timed. */
__noinline int charge_cpu(const struct extension *x, __u64 began)
{
	struct gateway *gw = the_gateway();
	struct budget *b;
	struct limits *g;
	__u64 now;

	if (!x || !gw)
		return 0;
	g = guards_of(x);
	b = budget_of(x->slot, 0);
	if (!g || !b)
		return 0;
	now = exact_ns(gw);
	charge(&b->cpu, cost_of(&g->cpu, (now - began) * CPU_SAMPLES), 2 * g->cpu.burst, now);
	return 0;
}

#endif
