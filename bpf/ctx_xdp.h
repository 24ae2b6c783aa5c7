/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the pipeline asks of its context, answered by XDP. */
#ifndef DRAWBRIDGE_CTX_XDP_H
#define DRAWBRIDGE_CTX_XDP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef struct xdp_md ctx_t;

static __always_inline int ctx_load(ctx_t *ctx, __u32 offset, void *to, __u32 size)
{
	return bpf_xdp_load_bytes(ctx, offset, to, size);
}

static __always_inline __u32 ctx_size(ctx_t *ctx)
{
	return bpf_xdp_get_buff_len(ctx);
}

/* XDP meets frames before any offload has merged them. */
#define CTX_GSO 0

#endif
