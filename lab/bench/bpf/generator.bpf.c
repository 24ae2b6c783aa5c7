// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The generator: run by BPF_PROG_RUN with live frames, it writes a frame and sends it out of the device that it
 * pretends to have received it from. A page comes back with whatever the system under test left in it, so
 * that every header byte is written anew for every frame: first a template, made in Go, then what differs. It must be
 * cheap, for it runs on the gateway's CPU.
 */
#include "frame.h"

enum encoding { PLAIN, TAGGED, TUNNEL };

/* The headers are copied eight bytes at a time; the rest of the smallest frame has room for the last word. */
#define PLAIN_WORDS 7
#define TAGGED_WORDS 8
#define TUNNEL_WORDS 13

/* Headers of one frame size, checksums included. */
struct template
{
	__u64 words[TUNNEL_WORDS];
	__u64 length; /* bytes of the whole frame, without FCS */
};

#define TEMPLATES 4 /* a power of two: the index is masked */
#define PATTERN 16  /* likewise; the first pattern_length are used */

volatile const struct template templates[TEMPLATES] = {};
volatile const __u8 pattern[PATTERN] = {}; /* which template the n-th frame has */
volatile const __u32 pattern_length = 1;
volatile const __u32 extensions = 1;
volatile const __u32 macs = 1; /* per extension and side */
volatile const __u32 encoding = PLAIN;
volatile const __u32 in_order = 0; /* one frame after another instead of at random: to prime tables */
volatile const __u32 first_vlan = 0;
volatile const __u32 first_vni = 0;

/* Frames written so far. One thread generates at a time. */
__u64 sequence = 0;

/*
 * When a call's first frame and its last batch's were written, in ns of CLOCK_MONOTONIC: a call of BPF_PROG_RUN also waits for
 * grace periods, many milliseconds, and that is not the gateway's time. Go zeroes first_time before a call.
 */
__u64 first_time = 0;
__u64 last_time = 0;

/* Which of its station pairs a frame belongs to. */
struct flow {
	__u32 extension;
	__u32 station; /* counts through all extensions */
};

static __always_inline __u64 scramble(__u64 x)
{
	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ (x >> 32);
}

static __always_inline struct flow choose_flow(__u64 n)
{
	struct flow f = {};

	if (in_order) {
		f.station = n;
		f.extension = f.station / macs;
		return f;
	}
	if (extensions == 1 && macs == 1)
		return f;
	n = scramble(n);
	/* A product's upper half is a number below the limit, without a division. */
	f.extension = ((n & 0xffffffff) * extensions) >> 32;
	f.station = f.extension * macs + (((n >> 32) * macs) >> 32);
	return f;
}

static __always_inline void copy_words(void *to, const volatile struct template *t, int words)
{
#pragma unroll
	for (int i = 0; i < words; i++)
		((__u64 *)to)[i] = t->words[i];
}

/* frame is untagged, or what of a frame follows its tag or tunnel header. */
static __always_inline void put_port_and_sequence(void *frame, __u32 station, __u64 n)
{
	/* The port tells flows apart. It is in no checksum, for a UDP checksum of 0 means none. */
	*(__be16 *)(frame + SOURCE_PORT) = bpf_htons(1024 + (station & 0x3fff));
	*(__u64 *)(frame + MARK + 4) = n;
}

static __always_inline void put_stations(void *frame, __u32 station)
{
	*(__be32 *)(frame + DST_STATION) = bpf_htonl(station);
	*(__be32 *)(frame + SRC_STATION) = bpf_htonl(station);
}

static __always_inline int write_plain(void *data, void *end, const volatile struct template *t, __u64 n)
{
	struct flow f = choose_flow(n);

	if (data + 8 * PLAIN_WORDS > end)
		return XDP_ABORTED;
	copy_words(data, t, PLAIN_WORDS);
	put_stations(data, f.station);
	put_port_and_sequence(data, f.station, n);
	return XDP_TX;
}

static __always_inline int write_tagged(void *data, void *end, const volatile struct template *t, __u64 n)
{
	struct flow f = choose_flow(n);

	if (data + 8 * TAGGED_WORDS > end)
		return XDP_ABORTED;
	copy_words(data, t, TAGGED_WORDS);
	put_stations(data, f.station);
	*(__be16 *)(data + ETH_HLEN) = bpf_htons(first_vlan + f.extension);
	put_port_and_sequence(data + TAG_SIZE, f.station, n);
	return XDP_TX;
}

static __always_inline int write_tunnel(void *data, void *end, const volatile struct template *t, __u64 n)
{
	struct flow f = choose_flow(n);

	if (data + 8 * TUNNEL_WORDS > end)
		return XDP_ABORTED;
	copy_words(data, t, TUNNEL_WORDS);
	*(__be16 *)(data + TUNNEL_SOURCE_PORT) = bpf_htons(49152 + (f.station & 0x3fff));
	*(__be32 *)(data + TUNNEL_VNI) = bpf_htonl((first_vni + f.extension) << 8);
	put_stations(data + TUNNEL_SIZE, f.station);
	put_port_and_sequence(data + TUNNEL_SIZE, f.station, n);
	return XDP_TX;
}

static __always_inline int write_frame(struct xdp_md *ctx, const volatile struct template *t, __u64 n)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (encoding == TUNNEL)
		return write_tunnel(data, end, t, n);
	if (encoding == TAGGED)
		return write_tagged(data, end, t, n);
	return write_plain(data, end, t, n);
}

/* Cuts the frame to its template's length. The kernel gives the next frame the full length back. */
static __always_inline int cut(struct xdp_md *ctx, const volatile struct template *t)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	long more = (long)t->length - (end - data);

	return more ? bpf_xdp_adjust_tail(ctx, more) : 0;
}

/* Reads the clock once a batch of 64, since reading it costs as much as the rest of the program. */
static __always_inline void note_time(__u64 n)
{
	if (n & 63)
		return;
	last_time = bpf_ktime_get_ns();
	if (!first_time)
		first_time = last_time;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	const volatile struct template *t = &templates[0];
	__u64 n = sequence++;

	note_time(n);
	if (pattern_length > 1) {
		t = &templates[pattern[(n % pattern_length) & (PATTERN - 1)] & (TEMPLATES - 1)];
		if (cut(ctx, t))
			return XDP_ABORTED;
	}
	return write_frame(ctx, t, n);
}

char _license[] SEC("license") = "Dual BSD/GPL";
