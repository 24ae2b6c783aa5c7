/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Super-frames of a tunnel inside the customer's network: a virtual machine's own VXLAN, GRE and the like. Each frame that one
 * stands for has the tunnel's headers and the inner packet's, and where these end only the kernel's own buffer says.
 */
#ifndef DRAWBRIDGE_NESTED_H
#define DRAWBRIDGE_NESTED_H

#include "ctx_tc.h"
#include "packet.h"

/* What is read of the kernel's struct sk_buff; the offsets are those of the running kernel (CO-RE). */
struct sk_buff {
	unsigned char *head;
	unsigned char *data;
	__u16 inner_network_header;
	__u16 inner_transport_header;
	__u8 encapsulation : 1;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *) __ksym;

/* How a bit field is relocated: the kinds of bpf_core_field_info. */
#define FIELD_OFFSET 0
#define FIELD_LSHIFT 4
#define FIELD_RSHIFT 5

static __always_inline int is_nested(struct __sk_buff *skb)
{
	struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
	__u64 word = *((__u8 *)k + __builtin_preserve_field_info(k->encapsulation, FIELD_OFFSET));

	word <<= __builtin_preserve_field_info(k->encapsulation, FIELD_LSHIFT);
	return word >> __builtin_preserve_field_info(k->encapsulation, FIELD_RSHIFT) ? 1 : 0;
}

/*
 * Bytes of a frame up to the innermost transport's payload. size: of the frame, without the circuit's tags. headers: bytes up to the
 * outer transport's payload, which is the answer when nothing is nested. Global, for its caller's stack.
 */
__noinline __u32 innermost_headers(struct __sk_buff *skb, __u32 size, __u32 headers)
{
	__u32 tags, start, network, transport;
	struct sk_buff *k;
	__u8 ip[10], doff;

	if (!skb || !is_nested(skb))
		return headers;
	k = bpf_cast_to_kern_ctx(skb);
	tags = skb->len - size;
	start = k->data - k->head;
	network = k->inner_network_header - start;
	transport = k->inner_transport_header - start;
	if (network < headers || transport <= network || bpf_skb_load_bytes(skb, network, ip, sizeof(ip)))
		return headers;
	if ((ip[0] >> 4 == 4 ? ip[9] : ip[6]) == 17)
		return transport + 8 - tags;
	if (bpf_skb_load_bytes(skb, transport + 12, &doff, 1))
		return headers;
	return transport + (doff >> 4) * 4 - tags;
}

#endif
