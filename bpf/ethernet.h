/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Ethernet: addresses, EtherTypes, and where the pipeline finds a frame. */
#ifndef DRAWBRIDGE_ETHERNET_H
#define DRAWBRIDGE_ETHERNET_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define ETH_HEADER 14
#define ETH_ADDRESSES 12
#define ETH_MINIMUM 60	  /* bytes without FCS (IEEE 802.3 section 4.2.3.3) */
#define LENGTH_LIMIT 1500 /* up to here the field is a length (IEEE 802.3 section 3.2.6) */
#define TYPE_MINIMUM 0x0600

#define TYPE_IPV4 0x0800
#define TYPE_ARP 0x0806
#define TYPE_IPV6 0x86dd
#define TYPE_PAUSE 0x8808
#define TYPE_SLOW 0x8809
#define TYPE_LLDP 0x88cc
#define TYPE_CFM 0x8902

/*
 * Where a frame is in its context. Direct loads from the packet may be unaligned: every architecture
 * with a BPF JIT that we support has efficient unaligned loads.
 */
struct view {
	void *addresses;   /* destination and source MAC, 12 bytes, checked */
	void *type;	   /* what follows the circuit's own tags: EtherType or length; not checked */
	void *end;	   /* end of the bytes that can be read directly */
	__u32 type_offset; /* of type in the context */
	__u32 size;	   /* bytes of the frame, circuit's tags and FCS not counted */
};

static __always_inline __u16 load16(const void *at)
{
	return bpf_ntohs(*(const __be16 *)at);
}

static __always_inline int is_tag(__u16 type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200 || type == 0x9300;
}

/* The I/G bit of the first octet on the wire: a group, or a broadcast. */
static __always_inline int is_group(const void *mac)
{
	return *(const __u8 *)mac & 1;
}

/* A MAC as a number that compares equal with mac_own: wire order, upper two bytes 0. */
static __always_inline __u64 mac_word(const void *mac)
{
	return *(const __u32 *)mac | (__u64) * (const __u16 *)(mac + 4) << 32;
}

#endif
