/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * TCP's maximum segment size (RFC 9293 section 3.7.1), clamped so that segments fit the tunnel. ctx_rewrite16
 * changes two bytes of TCP and its checksum, also one that is not finished yet.
 */
#ifndef DRAWBRIDGE_MSS_H
#define DRAWBRIDGE_MSS_H

#include <linux/types.h>

#include "packet.h"

#define TCP_HEADER 20
#define TCP_OPTIONS 40
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2

/*
 * at: offset of the TCP header; network: of the IP header. Does nothing when there is no such option, or it is small
 * enough.
 */
__noinline int clamp_mss(ctx_t *ctx, __u32 at, __u32 limit, __u32 ip, __u32 network)
{
	__u32 i, offset = at + TCP_HEADER, end, last;
	__u8 h[TCP_HEADER], option[4];
	__u16 mss;

	if (!ctx || ctx_load(ctx, at, h, sizeof(h)) || !(h[13] & 2))
		return 0;
	end = at + (h[12] >> 4) * 4;
	last = packet_end(ctx, ip, network);
	if (end > last)
		end = last;
	for (i = 0; i < TCP_OPTIONS; i++) {
		if (offset + 4 > end || ctx_load(ctx, offset, option, 4))
			return 0;
		if (option[0] == OPTION_END)
			return 0;
		if (option[0] == OPTION_NOP) {
			offset++;
			continue;
		}
		if (option[0] == OPTION_MSS && option[1] == 4) {
			mss = option[2] << 8 | option[3];
			if (mss <= limit)
				return 0;
			return ctx_rewrite16(ctx, at + 16, offset + 2, bpf_htons(mss), bpf_htons(limit),
					     (offset - at) & 1);
		}
		if (option[1] < 2)
			return 0;
		offset += option[1];
	}
	return 0;
}

#endif
