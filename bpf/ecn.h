/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Congestion marks at decapsulation (RFC 6040 section 4.2, figure 4). */
#ifndef DRAWBRIDGE_ECN_H
#define DRAWBRIDGE_ECN_H

#include <linux/types.h>

#define ECN_NOT_ECT 0
#define ECN_ECT1 1
#define ECN_ECT0 2
#define ECN_CE 3
#define ECN_DROP 4

/* What the inner ECN field becomes, or ECN_DROP: congestion was met and the sender cannot be told. */
static __always_inline __u8 ecn_decapsulate(__u8 outer, __u8 inner)
{
	outer &= 3;
	inner &= 3;
	if (inner == ECN_NOT_ECT)
		return outer == ECN_CE ? ECN_DROP : ECN_NOT_ECT;
	if (inner == ECN_CE || outer == ECN_CE)
		return ECN_CE;
	return outer == ECN_ECT1 ? ECN_ECT1 : inner;
}

/* The IPv4 header checksum after its TOS changed (RFC 1624 equation 3), all in wire order. */
static __always_inline __u16 checksum_after(__u16 checksum, __u16 before, __u16 after)
{
	__u32 sum = (__u16)~checksum + (__u16)~before + after;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

#endif
