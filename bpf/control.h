/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Stage 5: control frames, which belong to one wire and never cross. */
#ifndef DRAWBRIDGE_CONTROL_H
#define DRAWBRIDGE_CONTROL_H

#include "abi.h"
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

/* Which of the protocols that share Cisco's address it is, by the SNAP protocol. */
static __always_inline __u32 cisco_protocol(ctx_t *ctx, __u32 type_offset)
{
	__u8 h[8]; /* LLC, OUI, protocol */

	if (ctx_load(ctx, type_offset + 2, h, sizeof(h)) || h[0] != 0xaa || h[3] || h[4] || h[5] != 0x0c)
		return CONTROL_NONE;
	switch (h[6] << 8 | h[7]) {
	case 0x0104:
		return CONTROL_PAGP;
	case 0x0111:
		return CONTROL_UDLD;
	case 0x2000:
		return CONTROL_CDP;
	case 0x2003:
		return CONTROL_VTP;
	case 0x2004:
		return CONTROL_DTP;
	}
	return CONTROL_NONE;
}

/* Of the slow protocols (IEEE 802.3 annex 57A) LACP and its marker; not OAM, which may loop a link back. */
static __always_inline __u32 slow_protocol(ctx_t *ctx, __u32 type_offset)
{
	__u8 subtype;

	if (ctx_load(ctx, type_offset + 2, &subtype, 1))
		return CONTROL_NONE;
	return subtype == 1 || subtype == 2 ? CONTROL_LACP : CONTROL_NONE;
}

/* The protocol of a control frame, as a bit of enum control. The EtherType says more than the address. */
__noinline int control_protocol(ctx_t *ctx, __u32 type, __u32 type_offset, __u32 upper, __u32 lower)
{
	if (!ctx)
		return CONTROL_NONE;
	switch (type) {
	case TYPE_PAUSE:
		return CONTROL_NONE;
	case TYPE_SLOW:
		return slow_protocol(ctx, type_offset);
	case TYPE_LLDP:
		return CONTROL_LLDP;
	case TYPE_CFM:
		return CONTROL_CFM;
	}
	if (upper == 0x01000ccc)
		return lower == 0xcccd ? CONTROL_PVST : cisco_protocol(ctx, type_offset);
	if (upper != 0x0180c200)
		return CONTROL_NONE;
	switch (lower) {
	case 0x00:
		return CONTROL_STP;
	case 0x03:
		return CONTROL_EAP;
	case 0x20:
		return CONTROL_MRP;
	case 0x21:
		return CONTROL_GVRP | CONTROL_MRP; /* GVRP and MVRP share it */
	}
	return (lower & 0xf0) == 0x30 ? CONTROL_CFM : CONTROL_NONE;
}

#endif
