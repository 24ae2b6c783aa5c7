// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A customer's host with a VLAN, on kernels built without VLAN devices: the tag is put on and taken off in tc. */
#include "frame.h"

volatile const __u32 vlan = 1;

SEC("tcx/egress")
int push_tag(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vlan) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tcx/ingress")
int pop_tag(struct __sk_buff *skb)
{
	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != vlan)
		return TC_ACT_SHOT;
	return bpf_skb_vlan_pop(skb) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
