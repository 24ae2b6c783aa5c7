/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stage 2: what may cross at all. Whatever cannot be classified is malformed; an EtherType that we know
 * nothing about is opaque and crosses.
 */
#ifndef DRAWBRIDGE_PARSE_H
#define DRAWBRIDGE_PARSE_H

#include "abi.h"
#include "ethernet.h"
#include "ipv6_chain.h"
#include "maps.h"
#include "service.h"

#define INNER_TAGS_LIMIT 4
#define SNAP_SAP 0xaa
#define TCP_SYN 2

struct parsed {
	__u16 type;	    /* innermost EtherType, also behind SNAP; 0 for other LLC */
	__u8 inner_tags;    /* behind the circuit's own */
	__u8 inner_refused; /* a VID that the extension's list lacks */
	__u16 hidden_tpid;  /* of an inner tag, the first, that is in the socket buffer; else 0 */
	__u16 hidden_tci;
	__u8 ip;    /* 4, 6, or 0 */
	__u8 tos;   /* TOS or traffic class */
	__u8 llc;   /* the field behind the addresses is a length */
	__u8 syn;   /* TCP that agrees on a segment size, or perhaps does */
	__u8 upper; /* header at transport: of IPv6 behind its chain */
	__u8 zero[3];
	__u32 about;	      /* service.h */
	__u32 hash;	      /* of the flow */
	__u32 network_offset; /* of what follows the EtherType, in the context, when IP or ARP */
	__u32 transport;      /* offset of the transport's header; 0: a later fragment, or none that is known */
	__u32 headers;	      /* bytes up to the transport's payload, when ip; for counting segments */
};

/* Mixes addresses and ports so that flows spread over source ports and uplinks. */
static __always_inline __u32 flow_hash(const void *addresses, __u64 ip, __u32 ports)
{
	__u64 h = *(const __u64 *)addresses ^ ip;

	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ULL;
	h ^= (__u64) * (const __u32 *)(addresses + 8) << 32 | ports;
	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ULL;
	return h >> 32;
}

/* SNAP with an OUI that means an EtherType follows (RFC 1042; IEEE 802.1H for 00-00-f8). */
static __always_inline int llc_malformed(void *at, const struct view *v, __u32 size, struct parsed *p)
{
	__u8 *llc = at;
	__u16 type;

	if (size < 3 || (void *)(llc + 3) > v->end)
		return 1;
	if ((llc[0] & 0xfe) != SNAP_SAP || (llc[1] & 0xfe) != SNAP_SAP)
		return 0;
	if (size < 8 || (void *)(llc + 8) > v->end || p->inner_tags > 1)
		return 1;
	if (llc[3] || llc[4] || (llc[5] && llc[5] != 0xf8))
		return 0;
	type = load16(llc + 6);
	p->type = type; /* a control frame is one here too */
	return type < TYPE_MINIMUM || type == TYPE_IPV4 || type == TYPE_ARP || type == TYPE_IPV6 || is_tag(type);
}

static __always_inline int ipv4_malformed(ctx_t *ctx, void *at, const struct view *v, __u32 offset, __u32 available,
					  int super, struct parsed *p)
{
	__u8 *h = at;
	__u32 header, total, ports = 0;
	__u16 fragment;

	if (available < 1 || (void *)(h + 1) > v->end)
		return 1;
	if (h[0] >> 4 != 4)
		return 0; /* no host takes it for IPv4: opaque */
	if (available < 20 || (void *)(h + 20) > v->end)
		return 1;
	header = (h[0] & 15) * 4;
	total = load16(h + 2);
	if (super && total == 0) /* longer than 64 KiB */
		total = available;
	if (header < 20 || total < header || total > available)
		return 1;
	p->ip = 4;
	p->tos = h[1];
	p->headers += header;
	fragment = load16(h + 6);
	if (!(fragment & 0x1fff)) { /* the first fragment, or the only one */
		__u8 *l4 = at + header;

		p->transport = offset + header;
		if (h[9] == 17) {
			if (total < header + 8)
				return 1;
			p->headers += 8;
		}
		if ((h[9] == 17 || h[9] == 6) && (void *)(l4 + 14) <= v->end) {
			if (!(fragment & 0x2000))
				ports = *(__u32 *)l4;
			if (h[9] == 6) {
				p->headers += (l4[12] >> 4) * 4;
				p->syn = l4[13] & TCP_SYN;
			}
		} else if (h[9] == 17 && (void *)(l4 + 8) <= v->end && !(fragment & 0x2000)) {
			ports = *(__u32 *)l4;
		} else if (h[9] == 6) {
			p->syn = 1;
		}
		if (h[9] == PROTOCOL_VRRP || h[9] == PROTOCOL_ICMP || h[9] == PROTOCOL_IGMP || h[9] == NEXT_AH ||
		    (h[9] == 17 && (is_notable(ports) || fragment & 0x2000 || (void *)(l4 + 8) > v->end)))
			p->about = about(ctx, p->transport, offset + total, h[9] | ABOUT_IPV4,
					 is_group(v->addresses) || (h[16] & 0xf0) == 0xe0);
	}
	p->hash = flow_hash(v->addresses, *(__u64 *)(h + 12), ports);
	return 0;
}

static __always_inline int ipv6_malformed(ctx_t *ctx, void *at, const struct view *v, __u32 offset, __u32 available,
					  int super, struct parsed *p)
{
	__u8 *h = at;
	__u32 payload, ports = 0, next;
	__u64 *address;

	if (available < 1 || (void *)(h + 1) > v->end)
		return 1;
	if (h[0] >> 4 != 6)
		return 0;
	if (available < 40 || (void *)(h + 40) > v->end)
		return 1;
	payload = load16(h + 4);
	if (super && payload == 0)
		payload = available - 40;
	if (payload > available - 40)
		return 1;
	p->ip = 6;
	p->tos = load16(h) >> 4;
	p->headers += 40;
	address = (__u64 *)(h + 8);
	next = h[6];
	p->transport = offset + 40;
	if (next == 6 || next == 17) {
		__u8 *l4 = h + 40;

		if (payload < upper_header(next))
			return 1;
		if (next == 17)
			p->headers += 8;
		if ((void *)(l4 + 14) <= v->end) {
			ports = *(__u32 *)l4;
			if (next == 6) {
				p->headers += (l4[12] >> 4) * 4;
				p->syn = l4[13] & TCP_SYN;
			}
		} else if ((void *)(l4 + 8) <= v->end) {
			ports = *(__u32 *)l4;
			p->syn = next == 6;
		} else {
			p->syn = next == 6;
			ports = next == 17 ? ~0U : 0;
		}
		if (next == 17 && (is_notable(ports) || ports == ~0U))
			p->about = about(ctx, p->transport, offset + 40 + payload, 17,
					 is_group(v->addresses) || h[24] == 0xff);
	} else {
		int chain = ipv6_chain(ctx, offset + 40, next, offset + 40 + payload);

		if (chain < 0)
			return 1;
		next = chain & 0xff;
		p->transport = next == NEXT_NONE ? 0 : chain >> 8;
		p->syn = next == 6;
		if (p->transport && (next == 17 || next == NEXT_ICMPV6 || next == PROTOCOL_VRRP))
			p->about = about(ctx, p->transport, offset + 40 + payload, next,
					 is_group(v->addresses) || h[24] == 0xff);
	}
	p->upper = next;
	p->hash = flow_hash(v->addresses, address[0] ^ address[1] ^ address[2] ^ address[3], ports);
	return 0;
}

static __always_inline int inner_listed(__u32 slot, __u16 vid)
{
	struct inner_key key = { .slot = slot, .vid = vid };

	return bpf_map_lookup_elem(&inner_vlans, &key) != NULL;
}

#define INNER_REFUSED 0x100

/*
 * Counts the tags from offset (of an EtherType) on, at most INNER_TAGS_LIMIT; INNER_REFUSED is added when
 * one of them is not on the extension's list. Negative: too many, or cut short. Global, for the verifier.
 */
__noinline int inner_tags(ctx_t *ctx, __u32 offset, __u32 slot)
{
	int i, refused = 0;
	__be16 tag[2];

	if (!ctx)
		return -1;
	for (i = 0; i <= INNER_TAGS_LIMIT; i++) {
		if (ctx_load(ctx, offset, tag, 2))
			return -1;
		if (!is_tag(bpf_ntohs(tag[0])))
			return i | refused;
		if (ctx_load(ctx, offset, tag, 4))
			return -1;
		if (!inner_listed(slot, bpf_ntohs(tag[1]) & 0x0fff))
			refused = INNER_REFUSED;
		offset += 4;
	}
	return -1;
}

/* Fills p. Returns 1 when the frame is malformed. super: the frame stands for several on the wire. */
static __always_inline int parse(ctx_t *ctx, __u32 slot, const struct view *v, int super, struct parsed *p)
{
	void *at = v->type;
	__u32 offset = v->type_offset;
	__u32 size = v->size; /* as if the tags passed so far were not there */
	__u16 type;

	if (size < ETH_HEADER || at + 2 > v->end)
		return 1;
	type = load16(at);
	if (is_tag(type)) {
		int found = inner_tags(ctx, offset, slot);
		__u32 count = found & 0xff;

		if (found < 0 || count > INNER_TAGS_LIMIT || size < ETH_HEADER + 4 * count)
			return 1;
		p->inner_tags = count;
		p->inner_refused = found & INNER_REFUSED ? 1 : 0;
		at += 4 * count;
		offset += 4 * count;
		size -= 4 * count;
		if (at + 2 > v->end)
			return 1;
		type = load16(at);
	}
	at += 2;
	offset += 2;
	size -= ETH_HEADER; /* what follows the EtherType */
	p->headers = v->size - size;
	if (type <= LENGTH_LIMIT) {
		p->hash = flow_hash(v->addresses, 0, 0);
		if (type > size || (type < size && v->size - 4 * p->inner_tags > ETH_MINIMUM))
			return 1;
		p->llc = 1;
		return llc_malformed(at, v, type, p);
	}
	if (type < TYPE_MINIMUM)
		return 1;
	p->type = type;
	if (type != TYPE_IPV4 && type != TYPE_IPV6 && type != TYPE_ARP) {
		p->hash = flow_hash(v->addresses, 0, 0);
		return 0;
	}
	if (p->inner_tags > 1)
		return 1;
	p->network_offset = offset;
	if (type == TYPE_IPV4)
		return ipv4_malformed(ctx, at, v, offset, size, super, p);
	if (type == TYPE_IPV6)
		return ipv6_malformed(ctx, at, v, offset, size, super, p);
	p->hash = flow_hash(v->addresses, 0, 0);
	return size < 28; /* RFC 826 with 6- and 4-byte addresses */
}

#endif
