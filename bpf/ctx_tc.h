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

/* Frames may be super-frames that stand for several on the wire. */
#define CTX_GSO 1

#endif
