/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Stage 6, address-protected: IP addresses that a customer may not claim. */
#ifndef DRAWBRIDGE_CLAIM_H
#define DRAWBRIDGE_CLAIM_H

#include "abi.h"
#include "ethernet.h"
#include "maps.h"
#include "packet.h"
#include "service.h"

static __always_inline int is_protected(struct protected_key *key)
{
	return bpf_map_lookup_elem(&protected, key) != NULL;
}

static __always_inline int reads_protected4(ctx_t *ctx, struct protected_key *key, __u32 at)
{
	key->addr.word[0] = 0;
	key->addr.word[1] = 0;
	key->addr.word[2] = bpf_htonl(0xffff);
	return !ctx_load(ctx, at, &key->addr.word[3], 4) && is_protected(key);
}

static __always_inline int reads_protected6(ctx_t *ctx, struct protected_key *key, __u32 at)
{
	return !ctx_load(ctx, at, &key->addr, sizeof(key->addr)) && is_protected(key);
}

/* ARP (RFC 826): the sender's protocol address, behind a hardware address of whatever length. */
static __always_inline int arp_claims(ctx_t *ctx, struct protected_key *key, __u32 at)
{
	__u8 h[8];

	if (ctx_load(ctx, at, h, sizeof(h)) || h[2] != 8 || h[3] || h[5] != 4)
		return 0;
	return reads_protected4(ctx, key, at + 8 + h[4]);
}

/*
 * Does the packet claim a protected address: as its source, as the sender of ARP, or as the target of a
 * neighbour advertisement or redirect? transport is 0 but for the last two. Global, for the verifier.
 */
__noinline int claims_protected(ctx_t *ctx, __u32 slot, __u32 type, __u32 network, __u32 transport)
{
	struct protected_key key = { .slot = slot };

	if (!ctx)
		return 0;
	if (type == TYPE_ARP)
		return arp_claims(ctx, &key, network);
	if (type == 4)
		return reads_protected4(ctx, &key, network + 12);
	if (type != 6)
		return 0;
	if (reads_protected6(ctx, &key, network + 8))
		return 1;
	return transport && transport + 24 <= packet_end(ctx, 6, network) && reads_protected6(ctx, &key, transport + 8);
}

#endif
