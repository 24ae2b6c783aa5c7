/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the benchmark's programs share. */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The UDP payload starts with this, so that the sink can tell our frames from the network's own. */
#define BENCH_MAGIC 0x64626265

/* Bytes from a frame's start, untagged; a tag or a tunnel header in front moves them. */
enum offset {
	DST_STATION = 2, /* the lower four bytes of each address */
	SRC_STATION = 8,
	SOURCE_PORT = 34,
	MARK = 42, /* the magic number, then eight bytes of sequence */
	MARK_END = 54,
};

enum header_size { TAG_SIZE = 4, TUNNEL_SIZE = 50 };

/* Of the outer header. */
enum tunnel_offset { TUNNEL_SOURCE_PORT = 34, TUNNEL_VNI = 46 };

#endif
