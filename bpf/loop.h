/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Loops. Our own probes that come back, and fingerprints of frames that flood: a frame that entered from one
 * side enters from the other, or comes again and again from the customer. One of these alone is a suspicion,
 * of which the daemon is told, so that it probes; what cannot be chance half-raises the bridge here.
 */
#ifndef DRAWBRIDGE_LOOP_H
#define DRAWBRIDGE_LOOP_H

#include "abi.h"
#include "ethernet.h"
#include "fdb.h"
#include "maps.h"
#include "witness.h"

#define TYPE_PROBE 0x88b5 /* IEEE 802 local experimental EtherType 1 */
#define PROBE_LIFE SECOND
#define MILLISECOND 1000000ULL
#define LOOP_WINDOW (100 * MILLISECOND)
#define LOOP_SUSPICION_PAUSE (10 * MILLISECOND)
#define LOOP_HOLD (2 * SECOND)
#define LOOP_HOLD_LONGEST (300 * SECOND)
#define LOOP_CALM (300 * SECOND)
#define LOOP_CROSSINGS 4
#define LOOP_RETURNS 4
#define LOOP_RETURNS_ANNOUNCED 8 /* more than hosts repeat a gratuitous ARP, many of them at once after a fail-over */
#define PRINT_BYTES 128		 /* of a frame */
#define TRIPS 0x100

static __always_inline __u64 loop_hold(__u32 level)
{
	__u64 hold = LOOP_HOLD << (level < 8 ? level : 8);

	return hold < LOOP_HOLD_LONGEST ? hold : LOOP_HOLD_LONGEST;
}

/* Half-raises the bridge, or keeps it so for longer. The next time soon after takes twice as long. */
static __always_inline __u64 half_raise(struct extension_state *s, __u64 now)
{
	__u64 until = s->half_raised_until;

	if (now < until) {
		until = now + loop_hold(s->level ? s->level - 1 : 0);
		if (until > s->half_raised_until)
			s->half_raised_until = until;
		return s->half_raised_until;
	}
	if (!until || now - until > LOOP_CALM)
		s->level = 0;
	until = now + loop_hold(s->level);
	s->level++;
	s->half_raised_until = until;
	return until;
}

/* A sign of a loop: acted upon when it is more than a suspicion, and told. */
__noinline int loop_sign(ctx_t *ctx, const struct extension *x, struct passage *f, __u32 evidence, __u32 trips)
{
	struct extension_state *state;
	struct suspicion *l;
	struct signal *s;
	__u64 until = 0;
	__u32 slot;

	if (!ctx || !x || !f)
		return 0;
	slot = x->slot;
	state = bpf_map_lookup_elem(&states, &slot);
	l = bpf_map_lookup_elem(&suspicions, &slot);
	if (!state || !l)
		return 0;
	if (trips && x->flags & EXT_TRIP)
		until = half_raise(state, f->now);
	if (trips && state->told && f->now - state->told < LOOP_WINDOW)
		return 0;
	if (!trips && f->now - l->told < LOOP_SUSPICION_PAUSE && l->told)
		return 0;
	if (trips)
		state->told = f->now;
	else
		l->told = f->now;
	s = new_signal(SIGNAL_LOOP, slot, f->now);
	if (!s)
		return 0;
	s->dir = f->dir;
	s->evidence = evidence;
	s->tripped = trips;
	s->until = x->mode == MODE_ENFORCE ? until : 0;
	__builtin_memcpy(s->mac, f->source, 6);
	__builtin_memcpy(s->destination, f->destination, 6);
	s->vid = read_inner_vid(ctx, f);
	read_source(ctx, f, &s->ip);
	bpf_ringbuf_submit(s, 0);
	return 0;
}

/*
 * Another extension's probe: outside, somebody joins the two. That alone is no loop. It is one through both when the other has seen a
 * sign of its own just now, and the other is cut: who has its probes has all that it floods.
 */
static __always_inline int strayed_probe(ctx_t *ctx, struct passage *f, __u32 slot)
{
	struct suspicion *l = bpf_map_lookup_elem(&suspicions, &slot);
	struct extension *owner = extension_of(slot);

	if (!l || !owner || owner->mode == MODE_OFF || !l->told || f->now - l->told > LOOP_WINDOW)
		return 0;
	return loop_sign(ctx, owner, f, EVIDENCE_PROBE, 1);
}

/*
 * A frame that looks like a probe of ours: it is one when its nonce was sent within the last second. Forged, replayed and
 * other gateways' probes trip nothing.
 */
__noinline int returned_probe(ctx_t *ctx, const struct extension *x, struct passage *f)
{
	struct probe *p;
	__u64 nonce;

	if (!ctx || !x || !f || x->mode == MODE_OFF)
		return 0;
	if (ctx_load(ctx, f->type_offset + 2, &nonce, sizeof(nonce)))
		return 0;
	p = bpf_map_lookup_elem(&probes, &nonce);
	if (!p || f->now - p->sent > PROBE_LIFE)
		return 0;
	if (p->slot != x->slot)
		return strayed_probe(ctx, f, p->slot);
	return loop_sign(ctx, x, f, EVIDENCE_PROBE, 1);
}

static __always_inline __u64 mix(__u64 h, __u64 word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

/*
 * The frame's fingerprint: its addresses, its length and its first bytes. Padding that a link adds to short
 * frames makes no difference. 0: it could not be read.
 */
__noinline __u64 fingerprint(ctx_t *ctx, struct passage *f)
{
	__u32 zero = 0, rest, i;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	__u64 h, *word;

	if (!ctx || !f || !s)
		return 0;
	__builtin_memset(s->bytes, 0, PRINT_BYTES);
	rest = rest_of(f, PRINT_BYTES);
	if (rest < 1 || rest > PRINT_BYTES || ctx_load(ctx, f->type_offset, s->bytes, rest))
		return 0;
	h = mix(mac_word(f->destination), mac_word(f->source));
	h = mix(h, f->size < ETH_MINIMUM ? ETH_MINIMUM : f->size);
	word = (__u64 *)s->bytes;
	for (i = 0; i < PRINT_BYTES / 8; i++)
		h = mix(h, word[i]);
	return h ? h : 1;
}

/* Two different frames that crossed within the window are no chance. */
static __always_inline int is_second_crossing(struct suspicion *l, __u64 print, __u64 now)
{
	int second = l->crossing && l->crossing != print && now - l->crossed <= LOOP_WINDOW;

	l->crossing = print;
	l->crossed = now;
	return second;
}

/* Notes that a source's frame came again and again. Returns whether as many sources did within the window. */
static __always_inline int is_last_hairpin(struct suspicion *l, __u64 source, __u64 now)
{
	int i, recent = 0, oldest = 0, known = 0;
	__u64 least = l->returned[0];

#pragma unroll
	for (i = 0; i < HAIRPINS; i++) {
		if (l->source[i] == source) {
			l->returned[i] = now;
			known = 1;
		}
		if (l->returned[i] < least) {
			least = l->returned[i];
			oldest = i;
		}
	}
#pragma unroll
	for (i = 0; i < HAIRPINS; i++) {
		if (!known && i == oldest) {
			l->source[i] = source;
			l->returned[i] = now;
		}
		recent += l->returned[i] && now - l->returned[i] <= LOOP_WINDOW;
	}
	return recent == HAIRPINS;
}

static __always_inline struct print *print_at(__u32 slot, __u64 print)
{
	__u32 key = slot * PRINTS + (print >> 58);

	return bpf_map_lookup_elem(&prints, &key);
}
_Static_assert(PRINTS == 64, "print_at takes 6 bits");

#define TYPE_RARP 0x8035

/* Does a station say where it is? Hosts repeat that: gratuitous ARP, RARP, neighbour advertisements. */
static __always_inline int is_announcement(ctx_t *ctx, const struct passage *f)
{
	__u8 a[14]; /* ARP (RFC 826): the sender's protocol address, the target's addresses */

	if (f->p.type == TYPE_RARP || f->p.about & ABOUT_CLAIM)
		return 1;
	if (f->p.type != TYPE_ARP || ctx_load(ctx, f->p.network_offset + 14, a, sizeof(a)))
		return 0;
	return !__builtin_memcmp(a, a + 10, 4);
}

/*
 * Compares a frame that floods with those of the last 100 ms. Virtual routers repeat themselves, and
 * speak from both sides, during a fail-over: they are no sign. Returns what it found, and TRIPS when it is more than a suspicion.
 */
__noinline int watch_loop(ctx_t *ctx, __u32 slot, struct passage *f)
{
	__u64 print, source, now;
	struct suspicion *l;
	struct print *e;
	__u32 dir;

	if (!ctx || !f || is_virtual_router(f->source))
		return 0;
	print = fingerprint(ctx, f);
	if (!print)
		return 0;
	dir = f->dir;
	now = f->now;
	e = print_at(slot, print);
	l = bpf_map_lookup_elem(&suspicions, &slot);
	if (!e || !l)
		return 0;
	if (e->print != print || now - e->first > LOOP_WINDOW) {
		e->print = print;
		e->first = now;
		e->side = dir;
		e->crossings = 0;
		e->returns = dir == TO_CLOUD;
		return 0;
	}
	if (e->side != dir) {
		e->side = dir;
		if (e->crossings < 255)
			e->crossings++;
		if (e->crossings == 1)
			return is_second_crossing(l, print, now) ? EVIDENCE_CROSSING | TRIPS : EVIDENCE_CROSSING;
		return e->crossings >= LOOP_CROSSINGS ? EVIDENCE_CROSSING | TRIPS : EVIDENCE_CROSSING;
	}
	if (dir != TO_CLOUD || e->returns == 255)
		return 0;
	e->returns++;
	if (e->returns != LOOP_RETURNS && e->returns != LOOP_RETURNS_ANNOUNCED)
		return 0;
	if (e->returns == LOOP_RETURNS && is_announcement(ctx, f))
		return EVIDENCE_HAIRPIN;
	source = mac_word(f->source);
	return is_last_hairpin(l, source, now) ? EVIDENCE_HAIRPIN | TRIPS : EVIDENCE_HAIRPIN;
}

#endif
