/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The one place where frames are counted. */
#ifndef DRAWBRIDGE_COUNT_H
#define DRAWBRIDGE_COUNT_H

#include "abi.h"
#include "maps.h"

/* What a frame weighs: a super-frame counts as the segments it stands for. */
struct weight {
	__u32 frames;
	__u32 bytes; /* of the customer's Ethernet frames, tags and FCS not counted */
};

static __always_inline struct tally *tally_of(const struct extension *x, enum direction dir)
{
	__u32 key = x->slot * 2 + dir;

	return bpf_map_lookup_elem(&counters, &key);
}

static __always_inline struct nic_tally *nic_tally_of(__u32 slot)
{
	return bpf_map_lookup_elem(&nic_counters, &slot);
}

static __always_inline void count_rx(struct tally *c, struct weight w)
{
	c->rx_frames += w.frames;
	c->rx_bytes += w.bytes;
}

static __always_inline void count_tx(struct tally *c, struct weight w)
{
	c->tx_frames += w.frames;
	c->tx_bytes += w.bytes;
}

/* Dropped, or would be in another mode. Not inlined: drops are the cold end of a walk. */
__noinline int count_reason(struct tally *c, __u32 reason, __u32 frames, __u32 would)
{
	barrier_var(reason); /* the check below shall be of the register that indexes */
	if (!c || reason >= MAX_REASONS)
		return 0;
	if (would)
		c->would_drop[reason] += frames;
	else
		c->drops[reason] += frames;
	return 0;
}

static __always_inline void count_drop(struct tally *c, __u32 reason, struct weight w)
{
	count_reason(c, reason, w.frames, 0);
}

static __always_inline void count_would_drop(struct tally *c, __u32 reason, struct weight w)
{
	count_reason(c, reason, w.frames, 1);
}

/* slot: of an extension, known before its record was loaded. */
static __always_inline struct hits *hits_of(__u32 slot, enum direction dir)
{
	__u32 key = (bpf_get_smp_processor_id() * MAX_EXTENSIONS + slot) * 2 + dir;

	return bpf_map_lookup_elem(&hits, &key);
}

/* A frame of a recent flow: received and sent. */
static __always_inline void count_hit(struct hits *h, struct weight w)
{
	h->frames += w.frames;
	h->bytes += w.bytes;
}

/* A frame of a recent flow that could not be rewritten. Not inlined: it does not happen. */
__noinline int count_spoilt(__u32 slot, __u32 dir, __u32 reason, __u32 frames, __u32 bytes)
{
	struct weight w = { .frames = frames, .bytes = bytes };
	__u32 key = slot * 2 + dir;
	struct tally *c = bpf_map_lookup_elem(&counters, &key);

	if (!c)
		return 0;
	count_rx(c, w);
	return count_reason(c, reason, frames, 0);
}

static __always_inline void count_nic_rx(struct nic_tally *c, struct weight w)
{
	c->rx_frames += w.frames;
	c->rx_bytes += w.bytes;
}

/* Not inlined: this keeps the enumeration in the object's type information, where Go takes it from. */
static __noinline int count_nic_drop(struct nic_tally *c, enum drop_reason reason, __u32 frames)
{
	if (c && reason < 8)
		c->drops[reason] += frames;
	return 0;
}

#endif
