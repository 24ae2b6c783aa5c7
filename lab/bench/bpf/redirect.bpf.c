// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The floor: a gateway that does nothing but hand every frame to its other NIC. */
#include "frame.h"

enum port { UNDERLAY, CUSTOMER, PORTS };

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

SEC("xdp")
int to_cloud(struct xdp_md *ctx)
{
	return bpf_redirect_map(&ports, UNDERLAY, 0);
}

SEC("xdp")
int to_customer(struct xdp_md *ctx)
{
	return bpf_redirect_map(&ports, CUSTOMER, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
