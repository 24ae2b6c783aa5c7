/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The IP packet in a frame. What a frame has behind its packet's end is padding, and says nothing. */
#ifndef DRAWBRIDGE_PACKET_H
#define DRAWBRIDGE_PACKET_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

/* Where the packet whose header is at network ends, in the context. */
static __always_inline __u32 packet_end(ctx_t *ctx, __u32 ip, __u32 network)
{
	__be16 length;

	if (ctx_load(ctx, network + (ip == 6 ? 4 : 2), &length, sizeof(length)))
		return 0;
	if (!length)
		return ~0U; /* a super-frame of more than 64 KiB: nothing pads it */
	return network + bpf_ntohs(length) + (ip == 6 ? 40 : 0);
}

#endif
