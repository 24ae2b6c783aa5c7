/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A frame on its way through the stages: what is known of it, and what was decided. Numbers only, no pointers, so
 * that it can be handed to global functions, which the verifier looks at once.
 */
#ifndef DRAWBRIDGE_PASSAGE_H
#define DRAWBRIDGE_PASSAGE_H

#include "abi.h"
#include "count.h"
#include "ethernet.h"
#include "parse.h"
#include "vlan.h"

/* What tells a known unicast flow from all others. */
struct flow_key {
	__u32 addresses[3];    /* both MACs, wire order */
	__u32 from;	       /* NIC's number, or VNI */
	struct tags tags;      /* to cloud */
	struct address sender; /* VTEP, to customer */
};

/* What both generations were before a frame was judged: a change in between ends the flow that it makes. */
struct generations {
	__u32 gateway;
	__u32 extension;
};

struct passage {
	__u64 now;
	__u64 until; /* when the destination's entry has aged */
	__u64 fresh; /* until when the source's entry needs no new stamp */
	__u64 began; /* ns: when this frame's work began, when it is timed */
	__u8 destination[6];
	__u8 source[6];
	__u32 frames; /* that it stands for */
	__u32 bytes;
	__u32 longest;	   /* bytes of the longest of them */
	__u32 size;	   /* bytes of the frame, without the circuit's tags */
	__u32 type_offset; /* in the context: of what follows the circuit's tags */
	__u32 from;	   /* place: PLACE_CUSTOMER or the VTEP's index */
	__u32 to;	   /* place, or PLACE_UNKNOWN: everywhere on the other side */
	__u32 would;	   /* what a guard in mode observe had against it first */
	__u8 dir;	   /* enum direction */
	__u8 floods;	   /* it goes everywhere */
	__u8 tunnelled;	   /* a control frame that the operator lets through */
	__u8 depth;	   /* tags of the frame that are its circuit's */
	struct generations before;
	struct flow_key key;
	struct parsed p;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct passage);
} passages SEC(".maps");

/*
 * A new one, all zero. It is in a map, since the stack is short where functions are nested; no two frames are on
 * their way on a CPU at once.
 */
static __always_inline struct passage *new_passage(void)
{
	__u32 zero = 0;
	struct passage *f = bpf_map_lookup_elem(&passages, &zero);

	if (f)
		__builtin_memset(f, 0, sizeof(*f));
	return f;
}

static __always_inline struct weight weight_of(const struct passage *f)
{
	struct weight w = { .frames = f->frames, .bytes = f->bytes };

	return w;
}

static __always_inline void weigh_passage(struct passage *f, struct weight w)
{
	f->frames = w.frames;
	f->bytes = w.bytes;
}

/* Where the frame is in its context. */
static __always_inline void describe(struct passage *f, const struct view *v)
{
	__builtin_memcpy(f->destination, v->addresses, ETH_ADDRESSES);
	f->size = v->size;
	f->type_offset = v->type_offset;
}

#endif
