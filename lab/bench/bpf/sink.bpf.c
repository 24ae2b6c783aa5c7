// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The sink: counts the benchmark's frames and drops them. ARP goes to the host, which answers for the VTEP. */
#include "frame.h"

enum count { EXPECTED, OTHER, COUNTS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

/*
 * Where the mark stands in a frame that arrives as it should. A tag may have been left to the device (then veth
 * hands it over beside the frame), which is why there is a second place.
 */
volatile const __u32 mark_offset = MARK;
volatile const __u32 other_offset = MARK;

static __always_inline int has_mark(void *data, void *end, __u32 offset)
{
	__be32 *magic = data + offset;

	return (void *)(magic + 1) <= end && *magic == bpf_htonl(BENCH_MAGIC);
}

static __always_inline int is_arp(void *data, void *end)
{
	struct ethhdr *ethernet = data;

	return (void *)(ethernet + 1) <= end && ethernet->h_proto == bpf_htons(ETH_P_ARP);
}

static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &what);

	if (n)
		(*n)++;
}

static __always_inline int expected(void *data, void *end)
{
	return has_mark(data, end, mark_offset) || (other_offset != mark_offset && has_mark(data, end, other_offset));
}

SEC("xdp")
int sink_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (expected(data, end)) {
		count(EXPECTED);
		return XDP_DROP;
	}
	if (is_arp(data, end))
		return XDP_PASS;
	count(OTHER);
	return XDP_DROP;
}

SEC("tcx/ingress")
int sink_tc(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (expected(data, end)) {
		count(EXPECTED);
		return TC_ACT_SHOT;
	}
	if (is_arp(data, end))
		return TC_ACT_UNSPEC;
	count(OTHER);
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
