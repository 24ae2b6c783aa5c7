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

/*
 * Finds the circuit: the pair of tags first, then the single tag, then untagged, which also takes one
 * priority tag (VID 0). *depth is how many tags are the circuit's own.
 */
static __always_inline struct extension *find_circuit(__u32 ifindex, const struct tags *t, __u32 *depth)
{
	struct circuit_key key = { .ifindex = ifindex };
	struct extension *x;

	if (t->tpid[1] == 0x8100 && t->vid[1]) {
		key.tpid = t->tpid[0];
		key.outer = t->vid[0];
		key.inner = t->vid[1];
		x = bpf_map_lookup_elem(&circuits, &key);
		if (x) {
			*depth = 2;
			return x;
		}
		key.inner = 0;
	}
	if (t->tpid[0] && t->vid[0]) {
		key.tpid = t->tpid[0];
		key.outer = t->vid[0];
		*depth = 1;
		return bpf_map_lookup_elem(&circuits, &key);
	}
	key.tpid = 0;
	key.outer = 0;
	*depth = t->tpid[0] ? 1 : 0;
	return bpf_map_lookup_elem(&circuits, &key);
}

/* Priority of the tag towards the customer. tos: the inner IP header's, 0 for all other frames. */
static __always_inline __u16 tag_priority(const struct extension *x, __u8 tos)
{
	return (x->pcp == PCP_FROM_DSCP ? tos >> 5 : x->pcp) << 13;
}

#endif
