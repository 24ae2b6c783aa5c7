/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the pipeline asks of its context, answered by XDP. */
#ifndef DRAWBRIDGE_CTX_XDP_H
#define DRAWBRIDGE_CTX_XDP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ecn.h"

typedef struct xdp_md ctx_t;

/* What is read of the kernel's own context; the offset is that of the running kernel (CO-RE). */
struct xdp_buff {
	__u32 flags;
} __attribute__((preserve_access_index));

#define XDP_FLAGS_HAS_FRAGS 1

extern void *bpf_cast_to_kern_ctx(void *) __ksym;

static __always_inline int ctx_load(ctx_t *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_xdp_load_bytes(ctx, offset, to, size);
}

/* The helper is asked only of a frame in several buffers: the call costs a tenth of what a frame of a recent flow takes. */
static __always_inline __u32 ctx_size(ctx_t *ctx)
{
	const struct xdp_buff *k = bpf_cast_to_kern_ctx(ctx);

	return k->flags & XDP_FLAGS_HAS_FRAGS ? bpf_xdp_get_buff_len(ctx) : ctx->data_end - ctx->data;
}

/*
 * Writes two bytes of a transport's segment and mends its checksum. odd: they do not start at one of the
 * checksum's 16-bit words.
 */
static __always_inline int ctx_rewrite16(ctx_t *ctx, __u32 checksum_at, __u32 at, __be16 from, __be16 to, int odd)
{
	__u16 sum;

	if (bpf_xdp_load_bytes(ctx, checksum_at, &sum, 2))
		return -1;
	sum = checksum_after(sum, odd ? __builtin_bswap16(from) : from, odd ? __builtin_bswap16(to) : to);
	if (bpf_xdp_store_bytes(ctx, checksum_at, &sum, 2))
		return -1;
	return bpf_xdp_store_bytes(ctx, at, &to, 2);
}

/* XDP meets frames before any offload has merged them. */
#define CTX_GSO 0

#endif
