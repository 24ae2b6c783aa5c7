/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Stage 5: control frames, which belong to one wire and never cross. */
#ifndef DRAWBRIDGE_CONTROL_H
#define DRAWBRIDGE_CONTROL_H

#include "ethernet.h"

/* IEEE 802.1Q tables 8-1 to 8-3 (00-0f), MRP (20-2f), CFM (30-3f); Cisco's and Extreme's own. */
static __always_inline int is_control_address(const void *mac)
{
	const __u8 *m = mac;
	__u32 upper = bpf_ntohl(*(const __u32 *)mac);
	__u8 block = m[5] & 0xf0;

	if (upper == 0x0180c200)
		return m[4] == 0 && (block == 0x00 || block == 0x20 || block == 0x30);
	if (upper == 0x01000ccc)
		return m[4] == 0xcc && (m[5] == 0xcc || m[5] == 0xcd);
	if (upper == 0x01000c00)
		return m[4] == 0 && m[5] == 0;
	return upper == 0x00e02b00 && m[4] == 0 && block == 0;
}

/* By EtherType, whatever the address: PAUSE and PFC, slow protocols, LLDP, CFM. */
static __always_inline int is_control_type(__u16 type)
{
	return type == TYPE_PAUSE || type == TYPE_SLOW || type == TYPE_LLDP || type == TYPE_CFM;
}

#endif
