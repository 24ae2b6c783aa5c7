/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A frame whose extension is known: the stages in the order of docs/reference/drop-reasons.md. */
#ifndef DRAWBRIDGE_PIPELINE_H
#define DRAWBRIDGE_PIPELINE_H

#include "abi.h"
#include "claim.h"
#include "control.h"
#include "count.h"
#include "fdb.h"
#include "hop.h"
#include "loop.h"
#include "mss.h"
#include "parse.h"
#include "passage.h"
#include "storm.h"
#include "witness.h"

/* A guard that the extension's mode governs. Returns the reason when the frame is to be dropped. */
static __always_inline __u32 guard(const struct extension *x, struct passage *f, __u32 reason)
{
	if (x->mode == MODE_ENFORCE)
		return reason;
	if (reason && x->mode == MODE_OBSERVE && !f->would) { /* the first match counts */
		count_would_drop(tally_of(x, f->dir), reason, weight_of(f));
		f->would = reason;
	}
	return DROP_NONE;
}

/*
 * Would a frame to the customer be another circuit's on the wire, or no circuit's? Behind a tag of our own an inner tag may make a
 * pair that is a circuit, and without one the inner tag is the circuit's. Global, for its stack.
 */
__noinline int leads_elsewhere(ctx_t *ctx, const struct extension *x, const struct passage *f)
{
	__be16 inner[4] = {}; /* TPID and TCI of two tags */
	struct tags t = {};
	struct extension *y;
	__u32 count, hidden;

	if (!ctx || !x || !f)
		return 1;
	count = f->p.inner_tags;
	hidden = f->p.hidden_tpid ? 1 : 0;
	if (x->depth > 1 || !count || !x->nic_ifindex) /* 0: the NIC is away, and so is its circuit */
		return 0;
	if (hidden) {
		inner[0] = bpf_htons(f->p.hidden_tpid);
		inner[1] = bpf_htons(f->p.hidden_tci);
		if (count > 1 && ctx_load(ctx, f->type_offset, inner + 2, 4))
			return 1;
	} else if (ctx_load(ctx, f->type_offset, inner, 4) ||
		   (count > 1 && ctx_load(ctx, f->type_offset + 4, inner + 2, 4))) {
		return 1;
	}
	t.tpid[0] = bpf_ntohs(inner[0]);
	t.vid[0] = bpf_ntohs(inner[1]) & VID_BITS;
	t.tpid[1] = bpf_ntohs(inner[2]);
	t.vid[1] = bpf_ntohs(inner[3]) & VID_BITS;
	barrier_var(x); /* all are read, whatever the depth */
	if (x->depth) {
		t.tpid[1] = t.tpid[0];
		t.vid[1] = t.vid[0];
		t.tpid[0] = x->tpid;
		t.vid[0] = x->outer;
	}
	y = find_circuit(x->nic_ifindex, &t);
	return !y || y->slot != x->slot;
}

/* Stage 3. What would be another circuit's is dropped in every mode. */
static __always_inline __u32 inner_vlan_stage(ctx_t *ctx, const struct extension *x, struct passage *f)
{
	if (!f->p.inner_tags)
		return DROP_NONE;
	if (f->dir == TO_CUSTOMER && leads_elsewhere(ctx, x, f))
		return DROP_INNER_VLAN;
	if (x->inner_vlan == INNER_ALLOW)
		return DROP_NONE;
	return x->inner_vlan == INNER_DROP || f->p.inner_refused ? guard(x, f, DROP_INNER_VLAN) : DROP_NONE;
}

/*
 * Stage 4: nobody speaks with no address, with a group's, or with ours (IEEE 802-2014 section 8.2). Among
 * them are our own probes that come back.
 */
static __always_inline __u32 bad_source_stage(ctx_t *ctx, const struct extension *x, struct passage *f)
{
	const struct limits *l = guards_of(x);
	__u64 word = mac_word(f->source);
	int i, bad = !word || is_group(f->source);

	if (!l)
		return DROP_BAD_SOURCE;
#pragma unroll
	for (i = 0; i < MAX_UPLINKS + 1; i++)
		bad |= word == *(const __u64 *)l->mac_own[i];
	if (!bad)
		return DROP_NONE;
	if (f->p.type == TYPE_PROBE && !f->p.inner_tags)
		returned_probe(ctx, x, f);
	return DROP_BAD_SOURCE;
}

/* Stage 5. */
static __always_inline __u32 control_stage(ctx_t *ctx, const struct extension *x, struct passage *f)
{
	const __u8 *m = f->destination;

	if (!is_control_type(f->p.type) && !is_control_address(m))
		return DROP_NONE;
	if (x->tunnelled) {
		__u32 upper = (__u32)m[0] << 24 | m[1] << 16 | m[2] << 8 | m[3], lower = m[4] << 8 | m[5];
		__u32 type_offset = f->type_offset + 4 * f->p.inner_tags;

		f->tunnelled = (x->tunnelled & control_protocol(ctx, f->p.type, type_offset, upper, lower)) != 0;
		if (f->tunnelled)
			return DROP_NONE;
	}
	return guard(x, f, DROP_CONTROL_FRAME);
}

/* Where to, and whether that is everywhere. It belongs to stage 10, and stages 6 to 8 ask already. */
static __always_inline void find_destination(const struct extension *x, struct passage *f)
{
	f->to = is_group(f->destination) ? PLACE_UNKNOWN : place_of(x, f->destination, f->now, &f->until);
	/* An entry may outlive its VTEP's place among the peers by an instant: it leads nowhere then. */
	if (f->dir == TO_CLOUD && f->to < PLACE_CLOUD && f->to != PLACE_CUSTOMER && !is_peer(x, f->to))
		f->to = PLACE_UNKNOWN;
	/* A pinned MAC that was not heard yet is in the cloud, at every VTEP: that is a flood. */
	f->floods = f->dir == TO_CLOUD ? f->to >= PLACE_CLOUD : f->to == PLACE_UNKNOWN;
}

static __always_inline int claims(ctx_t *ctx, const struct extension *x, const struct passage *f)
{
	if (f->dir != TO_CLOUD || !(x->flags & EXT_PROTECTS) || !f->p.network_offset)
		return 0;
	return claims_protected(ctx, x->slot, f->p.ip ? f->p.ip : f->p.type, f->p.network_offset,
				f->p.about & ABOUT_CLAIM ? f->p.transport : 0);
}

/* In a storm of MACs only those learnt before it may flood, in its direction. */
static __always_inline int is_of_mac_storm(const struct extension_state *s, const struct passage *f,
					   const struct fdb_entry *e)
{
	if (!s->mac_storm_until || f->now >= s->mac_storm_until || !(s->mac_storm_ways & 1U << (f->dir & 1)))
		return 0;
	return !e || (!is_placed(e) && e->born >= s->mac_storm_since);
}

/* The eye for loops, on frames that flood. */
static __always_inline void look_for_loop(ctx_t *ctx, const struct extension *x, struct passage *f)
{
	__u32 found;

	if (!f->floods || !(x->flags & EXT_FINGERPRINT) || x->mode == MODE_OFF)
		return;
	found = watch_loop(ctx, x->slot, f);
	if (found)
		loop_sign(ctx, x, f, found & 0xff, found & TRIPS ? 1 : 0);
}

/* Stages 6 and 7: may this source speak from here? And it is learnt. */
static __always_inline __u32 source_stage(ctx_t *ctx, const struct extension *x, const struct extension_state *s,
					  struct passage *f)
{
	struct fdb_key key = fdb_key_of(x, f->source);
	struct fdb_entry *e = bpf_map_lookup_elem(&fdb, &key);
	__u32 reason = DROP_NONE, claim;

	if (e && is_placed(e) && side_of(e->place) != side_of(f->from))
		reason = guard(x, f, DROP_MAC_PINNED);
	if (!reason && claims(ctx, x, f))
		reason = guard(x, f, DROP_ADDRESS_PROTECTED);
	if (reason)
		return reason;
	find_destination(x, f);
	claim = learn(x, &key, e, f->from, f->now);
	/* One that is not learnt, or is elsewhere, keeps no flow: it would hide where it is heard next. */
	f->fresh = e && e->place == f->from ? e->seen + stamp_interval(x) : 0;
	if (claim == DROP_MAC_MOVE) /* a loop makes its source seem to move, and freezes it soon */
		look_for_loop(ctx, x, f);
	if (claim == DROP_MAC_MOVE || (claim && f->floods))
		reason = guard(x, f, claim);
	if (!reason && f->floods && is_of_mac_storm(s, f, e))
		reason = guard(x, f, DROP_MAC_RATE);
	if (reason)
		return reason;
	if (mac_word(f->destination) == mac_word(f->source)) /* to itself, which is known by now */
		find_destination(x, f);
	if (claim != DROP_MAC_MOVE)
		look_for_loop(ctx, x, f);
	return DROP_NONE;
}

/* Stage 8. */
static __always_inline __u32 half_raised_stage(const struct extension *x, const struct extension_state *s,
					       struct passage *f)
{
	return f->floods && f->now < s->half_raised_until ? guard(x, f, DROP_HALF_RAISED) : DROP_NONE;
}

/* Stage 9. */
static __always_inline __u32 service_stage(const struct extension *x, struct passage *f)
{
	__u32 refused = f->p.about & ABOUT_SERVICE & x->refused >> (f->dir == TO_CLOUD ? 0 : SERVICES);

	if (!refused)
		return DROP_NONE;
	if (refused & SERVICE_DHCP)
		return guard(x, f, DROP_SERVICE_DHCP);
	if (refused & SERVICE_ROUTER)
		return guard(x, f, DROP_SERVICE_ROUTER);
	return guard(x, f, refused & SERVICE_FHRP ? DROP_SERVICE_FHRP : DROP_SERVICE_QUERIER);
}

/* Stages 10 and 11. */
static __always_inline __u32 side_stage(const struct extension *x, const struct passage *f)
{
	__u32 limit = f->dir == TO_CLOUD ? x->max_to_cloud : x->max_to_customer;

	if (f->dir == TO_CLOUD && f->to == PLACE_CUSTOMER)
		return DROP_SAME_SIDE;
	if (f->dir == TO_CUSTOMER && f->to != PLACE_CUSTOMER && f->to != PLACE_UNKNOWN)
		return DROP_SPLIT_HORIZON;
	return f->longest > limit ? DROP_TOO_BIG : DROP_NONE;
}

/* Stages 12 to 14: what frames may spend. */
static __always_inline __u32 rate_stage(const struct extension *x, struct passage *f)
{
	__u32 reason = DROP_NONE;

	if (x->mode == MODE_OFF)
		return DROP_NONE;
	if (f->floods || f->tunnelled) {
		reason = guard(x, f, storm(x, f));
		if (reason)
			return reason;
	}
	if (x->flags & (f->dir ? EXT_METERED << 1 : EXT_METERED)) {
		reason = guard(x, f, meter(x, f->dir, f->bytes));
		if (reason)
			return reason;
	}
	return x->flags & EXT_CPU && is_over_cpu(x) ? guard(x, f, DROP_CPU_BUDGET) : DROP_NONE;
}

/*
 * All stages after parsing. Returns why the frame is dropped, or DROP_NONE with f->to set. Global, so that the
 * verifier does not walk all of it for each way in and each way out.
 */
__noinline int judge(ctx_t *ctx, const struct extension *x, struct passage *f)
{
	struct extension_state *s;
	__u32 reason;

	if (!ctx || !x || !f)
		return DROP_MALFORMED;
	s = state_of(x->slot);
	if (!s)
		return DROP_MALFORMED;
	reason = inner_vlan_stage(ctx, x, f);
	if (!reason)
		reason = bad_source_stage(ctx, x, f);
	if (!reason)
		reason = control_stage(ctx, x, f);
	if (!reason)
		reason = source_stage(ctx, x, s, f);
	if (!reason)
		reason = half_raised_stage(x, s, f);
	if (!reason)
		reason = service_stage(x, f);
	if (!reason)
		reason = side_stage(x, f);
	if (!reason)
		reason = rate_stage(x, f);
	if (!reason && x->flags & EXT_DOWN)
		reason = DROP_NO_NEXT_HOP;
	return reason;
}

/* A frame's passage, and what of its extension is at hand. */
struct walk {
	const struct extension *x;
	struct extension_state *state;
	struct tally *counters;
	struct passage *f;
};

/* Clamps what a forwarded TCP connection may agree on. It may invalidate pointers into the frame. */
static __always_inline void clamp(ctx_t *ctx, const struct extension *x, const struct parsed *p)
{
	__u32 limit = p->ip == 6 ? x->mss[1] : x->mss[0], tags = 4 * p->inner_tags;

	if (p->syn && limit > tags && p->transport)
		clamp_mss(ctx, p->transport, limit - tags, p->ip, p->network_offset);
}

/* Begins to time a frame, when it is one of those that are. */
static __always_inline __u64 time_frame(const struct gateway *g, const struct extension *x)
{
	return x->flags & EXT_CPU && !(bpf_get_prandom_u32() % CPU_SAMPLES) ? exact_ns(g) : 0;
}

/* The end of every frame's walk: counts it once. */
static __always_inline void finish(const struct walk *walk, __u32 reason)
{
	if (reason)
		count_drop(walk->counters, reason, weight_of(walk->f));
	else
		count_tx(walk->counters, weight_of(walk->f));
	if (walk->f->began)
		charge_cpu(walk->x, walk->f->began);
}

/* Stages 1 and 2, and all others; and who must be told is told. Returns why the frame is dropped, or DROP_NONE. */
static __always_inline __u32 decide(ctx_t *ctx, struct walk *walk, const struct view *v, int malformed)
{
	__u32 reason = DROP_RAISED;

	describe(walk->f, v);
	if (!(walk->x->flags & EXT_RAISED))
		reason = malformed ? DROP_MALFORMED : judge(ctx, walk->x, walk->f);
	witness(ctx, walk->f, walk->state, walk->x->slot, reason);
	return reason;
}

#endif
