/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The circuit's own tags (IEEE 802.1Q, 802.1ad): which circuit a customer's frame belongs to. */
#ifndef DRAWBRIDGE_VLAN_H
#define DRAWBRIDGE_VLAN_H

#include "abi.h"
#include "ethernet.h"
#include "maps.h"

#define VID_BITS 0x0fff /* lower bits of the TCI; above it are PCP and DEI */

/* The two outermost tags. tpid 0: no such tag. */
struct tags {
	__u16 tpid[2];
	__u16 vid[2];
};

static __always_inline struct extension *circuit_at(const struct circuit_key *key)
{
	__u32 *record = bpf_map_lookup_elem(&circuits, key);
	struct extension *x;

	if (!record)
		return NULL;
	x = bpf_map_lookup_elem(&extensions, record);
	if (!x || x->nic_ifindex != key->ifindex || x->tpid != key->tpid || x->outer != key->outer ||
	    x->inner != key->inner)
		return NULL;
	return x;
}

/* A tag that only says a priority (IEEE 802.1Q section 6.9.1), of the kinds that the kernel takes off. */
static __always_inline int is_priority_tag(__u16 tpid, __u16 vid)
{
	return !vid && (tpid == 0x8100 || tpid == 0x88a8);
}

/*
 * Finds the circuit: the pair of tags first, then the single tag, then untagged, which also takes one
 * priority tag.
 */
static __always_inline struct extension *find_circuit(__u32 ifindex, const struct tags *t)
{
	struct circuit_key key = { .ifindex = ifindex, .tpid = t->tpid[0], .outer = t->vid[0] };
	struct extension *x;

	if (t->tpid[1] == 0x8100 && t->vid[1] && t->vid[0]) {
		key.inner = t->vid[1];
		x = circuit_at(&key);
		if (x)
			return x;
		key.inner = 0;
	}
	if (is_priority_tag(t->tpid[0], t->vid[0]))
		key.tpid = 0;
	return circuit_at(&key);
}

/*
 * How many tags of the frame are the circuit's own. It is read from the record, so that the verifier
 * follows one path for all depths.
 */
static __always_inline __u32 own_tags(const struct extension *x, const struct tags *t)
{
	return x->depth ? x->depth : t->tpid[0] != 0;
}

/*
 * Are a frame's outer tags just those that the extension's circuit has? Others may be of the circuit too: a priority tag. One
 * more tag may follow: that the caller looks for.
 */
static __always_inline int has_own_tags(const struct extension *x, __u32 ifindex, const struct tags *t)
{
	if (x->nic_ifindex != ifindex || x->tpid != t->tpid[0] || x->outer != t->vid[0])
		return 0;
	return x->depth < 2 || (t->tpid[1] == 0x8100 && x->inner == t->vid[1]);
}

/* What to put on a frame towards the customer. */
struct leaving {
	__be16 tag[4]; /* TPID and TCI without priority, outer and inner */
	__u32 depth;
	__u32 ifindex;
	__u16 priority; /* host order */
};

/* Priority of the tag towards the customer. tos: the inner IP header's, 0 for all other frames. */
static __always_inline __u16 tag_priority(const struct extension *x, __u8 tos)
{
	return (x->pcp == PCP_FROM_DSCP ? tos >> 5 : x->pcp) << 13;
}

static __always_inline struct leaving leaving_of(const struct extension *x, __u8 tos)
{
	struct leaving l = { .depth = x->depth, .ifindex = x->nic_ifindex, .priority = tag_priority(x, tos) };

	l.tag[0] = bpf_htons(x->tpid);
	l.tag[1] = bpf_htons(x->outer);
	l.tag[2] = bpf_htons(0x8100);
	l.tag[3] = bpf_htons(x->inner);
	return l;
}

#endif
