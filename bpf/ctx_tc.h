/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the pipeline asks of its context, answered by tc. */
#ifndef DRAWBRIDGE_CTX_TC_H
#define DRAWBRIDGE_CTX_TC_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef struct __sk_buff ctx_t;

static __always_inline int ctx_load(ctx_t *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_skb_load_bytes(ctx, offset, to, size);
}

static __always_inline __u32 ctx_size(ctx_t *ctx)
{
	return ctx->len;
}

/*
 * Writes two bytes of a transport's segment and mends its checksum: an unfinished one does not cover them. odd:
 * they do not start at one of the checksum's 16-bit words.
 */
static __always_inline int ctx_rewrite16(ctx_t *ctx, __u32 checksum_at, __u32 at, __be16 from, __be16 to, int odd)
{
	if (bpf_l4_csum_replace(ctx, checksum_at, odd ? __builtin_bswap16(from) : from,
				odd ? __builtin_bswap16(to) : to, 2))
		return -1;
	return bpf_skb_store_bytes(ctx, at, &to, 2, 0);
}

/* Frames may be super-frames that stand for several on the wire. */
#define CTX_GSO 1

#endif
