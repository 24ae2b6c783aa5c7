/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is told of frames beside counting them: a sample of the dropped ones as a signal, the last ones in the
 * flight recorder, and all of them while somebody listens.
 */
#ifndef DRAWBRIDGE_WITNESS_H
#define DRAWBRIDGE_WITNESS_H

#include "abi.h"
#include "fdb.h"
#include "flight.h"
#include "maps.h"
#include "passage.h"

#define TELL_SIGNAL 1
#define TELL_RECORD 2
#define TELL_LIVE 4

/* The address that the frame's sender uses, when the frame shows it. */
static __always_inline void read_source(ctx_t *ctx, const struct passage *f, struct address *ip)
{
	__u32 at = 0;

	if (f->p.ip == 6) {
		ctx_load(ctx, f->p.network_offset + 8, ip, sizeof(*ip));
		return;
	}
	if (f->p.ip == 4)
		at = f->p.network_offset + 12;
	else if (f->p.type == TYPE_ARP)
		at = f->p.network_offset + 14;
	if (at && !ctx_load(ctx, at, &ip->word[3], 4))
		ip->word[2] = bpf_htonl(0xffff);
}

static __always_inline __u16 read_inner_vid(ctx_t *ctx, const struct passage *f)
{
	__be16 tci;

	if (!f->p.inner_tags || ctx_load(ctx, f->type_offset + 2, &tci, 2))
		return 0;
	return bpf_ntohs(tci) & 0x0fff;
}

/* Global, for the verifier. */
__noinline int tell_drop(ctx_t *ctx, struct passage *f, __u32 slot, __u32 reason)
{
	struct signal *s;

	if (!ctx || !f)
		return 0;
	if (bpf_ringbuf_query(&signals, BPF_RB_AVAIL_DATA) > SIGNAL_BYTES / 2) {
		count_lost(); /* the rest is for what is rarer */
		return 0;
	}
	s = new_signal(SIGNAL_DROPPED, slot, f->now);
	if (!s)
		return 0;
	__builtin_memcpy(s->mac, f->source, 6);
	__builtin_memcpy(s->destination, f->destination, 6);
	s->reason = reason ? reason : f->would;
	s->dir = f->dir;
	s->vid = read_inner_vid(ctx, f);
	read_source(ctx, f, &s->ip);
	bpf_ringbuf_submit(s, 0);
	return 0;
}

/* How much of what follows the MACs fits. */
static __always_inline __u32 rest_of(const struct passage *f, __u32 room)
{
	__u32 rest = f->size > ETH_ADDRESSES ? f->size - ETH_ADDRESSES : 0;

	return rest < room ? rest : room;
}

__noinline int tell_record(ctx_t *ctx, struct passage *f, __u32 slot, __u32 reason)
{
	struct suspicion *l;
	struct record *r;
	__u32 rest;

	if (!ctx || !f)
		return 0;
	l = bpf_map_lookup_elem(&suspicions, &slot);
	if (!l)
		return 0;
	r = record_at(slot, __sync_fetch_and_add(&l->recorded, 1));
	if (!r)
		return 0;
	rest = rest_of(f, RECORD_BYTES - ETH_ADDRESSES);
	r->time = f->now;
	r->size = f->size;
	r->dir = f->dir;
	r->reason = reason;
	r->would = f->would;
	r->slot = slot;
	__builtin_memcpy(r->bytes, f->destination, 6);
	__builtin_memcpy(r->bytes + 6, f->source, 6);
	r->captured = ETH_ADDRESSES + rest;
	if (rest < 1 || rest > RECORD_BYTES - ETH_ADDRESSES ||
	    ctx_load(ctx, f->type_offset, r->bytes + ETH_ADDRESSES, rest))
		r->captured = ETH_ADDRESSES;
	return 0;
}

__noinline int tell_live(ctx_t *ctx, struct passage *f, __u32 slot, __u32 reason)
{
	struct capture *c;
	__u32 rest;

	if (!ctx || !f)
		return 0;
	c = bpf_ringbuf_reserve(&captures, sizeof(*c), 0);
	if (!c) {
		count_lost();
		return 0;
	}
	rest = rest_of(f, CAPTURE_BYTES - ETH_ADDRESSES);
	c->time = f->now;
	c->size = f->size;
	c->dir = f->dir;
	c->reason = reason;
	c->would = f->would;
	c->zero = 0;
	c->slot = slot;
	__builtin_memcpy(c->bytes, f->destination, 6);
	__builtin_memcpy(c->bytes + 6, f->source, 6);
	c->captured = ETH_ADDRESSES + rest;
	if (rest < 1 || rest > CAPTURE_BYTES - ETH_ADDRESSES ||
	    ctx_load(ctx, f->type_offset, c->bytes + ETH_ADDRESSES, rest))
		c->captured = ETH_ADDRESSES;
	bpf_ringbuf_submit(c, 0);
	return 0;
}

/* Drops that are no guard's judgement happen all day: nobody is told of each. */
static __always_inline int is_news(__u32 reason)
{
	return reason && reason != DROP_RAISED && reason != DROP_SAME_SIDE && reason != DROP_SPLIT_HORIZON &&
	       reason != DROP_NO_NEXT_HOP;
}

/* Global, for the verifier. */
__noinline int tell(ctx_t *ctx, struct passage *f, __u32 slot, __u32 reason, __u32 what)
{
	if (!ctx || !f)
		return 0;
	if (what & TELL_SIGNAL)
		tell_drop(ctx, f, slot, reason);
	if (what & TELL_RECORD)
		tell_record(ctx, f, slot, reason);
	if (what & TELL_LIVE)
		tell_live(ctx, f, slot, reason);
	return 0;
}

static __always_inline enum news news_of(__u32 reason)
{
	if (reason >= DROP_MAC_PINNED && reason <= DROP_MAC_RATE)
		return NEWS_MACS;
	if (reason >= DROP_STORM_SOURCE && reason <= DROP_STORM_UNKNOWN_UNICAST)
		return NEWS_STORM;
	return reason >= DROP_SERVICE_DHCP && reason <= DROP_SERVICE_QUERIER ? NEWS_SERVICES : NEWS_OTHER;
}

/* One drop of each kind in a tick of 4 ms is told of. Global, for the verifier. */
__noinline int is_told(__u32 slot, struct passage *f, __u32 reason)
{
	struct suspicion *l = bpf_map_lookup_elem(&suspicions, &slot);
	__u32 kind = news_of(reason), tick, *last;

	if (!l || !f)
		return 0;
	tick = f->now >> 22;
	last = &l->sampled[f->dir & 1][kind & (NEWS_KINDS - 1)];
	if (*last == tick)
		return 0;
	*last = tick;
	return 1;
}

/* Tells of a frame, before it is changed, what was decided. In steady state it costs two comparisons. */
static __always_inline void witness(ctx_t *ctx, struct passage *f, struct extension_state *state, __u32 slot,
				    __u32 reason)
{
	__u32 news = reason ? reason : f->would, what = 0;

	if (is_news(news)) {
		if (is_told(slot, f, news))
			what = TELL_SIGNAL | TELL_RECORD;
	} else if (f->floods && !reason) {
		what = TELL_RECORD;
	}
	if (f->now < state->record_until)
		what |= TELL_LIVE;
	if (what)
		tell(ctx, f, slot, reason, what);
}

#endif
