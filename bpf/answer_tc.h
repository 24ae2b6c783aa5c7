/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ICMP and ICMPv6 errors for frames that are too long (RFC 1191, RFC 8201). The frame itself becomes its
 * answer: 28 or 48 bytes are put in front of it, and its tail is cut off.
 *
 * A frame of a local stack may have a checksum that is not finished: the kernel or a NIC will finish it later,
 * inside the quoted packet, and the sum of ICMP must be what is right then. Such a frame is recognised by its
 * checksum field, which holds the sum of the pseudo header.
 */
#ifndef DRAWBRIDGE_ANSWER_TC_H
#define DRAWBRIDGE_ANSWER_TC_H

#include "abi.h"
#include "ethernet.h"
#include "outer.h"
#include "send_tc.h"

#define ETH_TAGGED (ETH_HEADER + 4)
#define QUOTED 64	/* bytes quoted behind the IP header: a multiple of 4 */
#define IPV4_LONGEST 60 /* header with options */
#define ANSWER_TTL 64

/* The first two bytes are not sent: they align the rest. */
struct answer4 {
	__u8 unsent[2];
	__u8 ethernet[ETH_HEADER];
	struct ipv4 ip;
	struct {
		__u8 type;
		__u8 code;
		__be16 checksum;
		__be16 unused;
		__be16 mtu;
	} icmp;
};

struct answer6 {
	__u8 unsent[2];
	__u8 ethernet[ETH_HEADER];
	struct ipv6 ip;
	struct {
		__u8 type;
		__u8 code;
		__be16 checksum;
		__be32 mtu;
	} icmp;
};

/* The frame as it came, and what is put in front of it. In the scratch map: the stack is short here. */
_Static_assert(sizeof(struct answer4) == 2 + ETH_HEADER + IPV4_HEADER + ICMP_HEADER, "headers are packed");
_Static_assert(sizeof(struct answer6) == 2 + ETH_HEADER + IPV6_HEADER + ICMP_HEADER, "headers are packed");

struct answer {
	__u8 ethernet[ETH_TAGGED]; /* the inner tag is in it, unless the socket buffer holds it */
	__u8 unused[2];
	__u32 quote[(IPV6_HEADER + QUOTED) / 4]; /* the IP header and what is quoted behind it */
	union {
		struct answer4 out4;
		struct answer6 out6;
	};
};
_Static_assert(sizeof(struct answer) <= SCRATCH_BYTES, "it fits");

static __always_inline struct answer *answer_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

/* The same for a super-frame and for a frame: how many bytes follow Ethernet, at most what is quoted. */
static __always_inline __u32 quoted_bytes(const struct __sk_buff *skb, __u32 ethernet, __u32 limit)
{
	__u32 bytes = skb->len > ethernet ? skb->len - ethernet : 0;

	return bytes < limit ? bytes & ~3U : limit;
}

/* Ones' complement sum over words, bytes of them: a multiple of 4. */
static __always_inline __u64 sum_words(__u32 *word, __u32 bytes)
{
	if (bytes > IPV6_HEADER + QUOTED)
		return 0;
	return (__u32)bpf_csum_diff(NULL, 0, word, bytes, 0);
}

/*
 * What the quoted packet adds to ICMP's sum. An unfinished checksum at field makes everything from transport
 * on sum up to the complement of what the field holds now (as the kernel's local checksum offload reckons).
 */
static __always_inline __u64 sum_quote(__u32 *word, __u32 bytes, __u32 transport, int unfinished, __u16 held)
{
	if (!unfinished)
		return sum_words(word, bytes);
	return sum_words(word, transport) + (__u16)~held;
}

/* Does the field hold no more than the pseudo header's sum? */
static __always_inline int is_unfinished(__u64 addresses, __u8 protocol, __u32 length, __u16 held)
{
	return fold(addresses + bpf_htons(protocol) + bpf_htons(length)) == held;
}

static __always_inline __u32 checksum_field(__u8 protocol)
{
	return protocol == 6 ? 16 : 6;
}

/* What the checksum field of the transport's header holds. */
static __always_inline __u16 held_by(struct __sk_buff *skb, __u32 transport, __u8 protocol)
{
	__u16 held = 0;

	bpf_skb_load_bytes(skb, transport + checksum_field(protocol), &held, sizeof(held));
	return held;
}

/* Turns the Ethernet header round, so that it leads back. */
static __always_inline void turn_round(__u8 *to, const __u8 *from, __u16 type)
{
	__builtin_memcpy(to, from + 6, 6);
	__builtin_memcpy(to + 6, from, 6);
	to[12] = type >> 8;
	to[13] = type & 0xff;
}

#define PIECE 4092 /* bpf_skb_adjust_room takes 4095 bytes at once; a multiple of 4 */
#define LAST_PIECE 4

/*
 * Cuts a frame to Ethernet and some bytes. The kernel takes no tail off a frame that a local VTEP encapsulated
 * before it came to us: of such a frame everything behind Ethernet is taken out in front, and what is to be quoted
 * is put back. The last piece goes alone: then the kernel sees that the checksum which it should have finished is
 * gone, and forgets it. Returns 0, 1 when it was cut in front, or an error.
 */
static __always_inline int cut(struct __sk_buff *skb, struct answer *a, __u32 ethernet, __u32 bytes)
{
	__u32 surplus, piece, i;

	if (!bpf_skb_change_tail(skb, ethernet + bytes, 0))
		return 0;
	surplus = skb->len - ethernet - bytes;
	for (i = 0; i < 4 && surplus > LAST_PIECE; i++) {
		piece = surplus - LAST_PIECE < PIECE ? surplus - LAST_PIECE : PIECE;
		if (bpf_skb_adjust_room(skb, -(__s32)piece, BPF_ADJ_ROOM_MAC, 0))
			return -1;
		surplus -= piece;
	}
	if (surplus != LAST_PIECE || bpf_skb_adjust_room(skb, -LAST_PIECE, BPF_ADJ_ROOM_MAC, 0))
		return -1;
	if (bytes < 1 || bytes > sizeof(a->quote))
		return -1;
	if (ethernet > ETH_HEADER && bpf_skb_store_bytes(skb, ETH_HEADER, a->ethernet + ETH_HEADER, 4, 0))
		return -1;
	return bpf_skb_store_bytes(skb, ethernet, a->quote, bytes, 0) ? -1 : 1;
}

/*
 * Puts an answer's headers in front of what is quoted. Ethernet is there and written over; a tag behind its addresses
 * stays. bytes: of the headers, Ethernet's without a tag.
 */
static __always_inline int put_in_front(struct __sk_buff *skb, const struct answer *a, __u32 ethernet,
					const __u8 *headers, __u32 bytes)
{
	if (bpf_skb_change_head(skb, bytes - ETH_HEADER, 0) || bpf_skb_store_bytes(skb, 0, headers, ETH_ADDRESSES, 0))
		return -1;
	if (ethernet > ETH_HEADER && bpf_skb_store_bytes(skb, ETH_ADDRESSES, a->ethernet + ETH_ADDRESSES, 4, 0))
		return -1;
	return bpf_skb_store_bytes(skb, ethernet - 2, headers + ETH_ADDRESSES, bytes - ETH_ADDRESSES,
				   BPF_F_INVALIDATE_HASH);
}

/* Destination unreachable, fragmentation needed. Of a packet with options these are quoted, and not answered with. */
__noinline int answer4(struct __sk_buff *skb, __u32 ethernet, __u32 mtu)
{
	__u32 bytes, total, transport;
	struct answer4 *out;
	struct answer *a = answer_scratch();
	struct ipv4 *ip;
	int unfinished = 0, cut_off;
	__u16 held = 0;
	__u64 sum;

	if (!skb || !a)
		return -1;
	bytes = quoted_bytes(skb, ethernet, IPV4_HEADER + QUOTED);
	if (bytes < IPV4_LONGEST + 8 || bytes > IPV4_HEADER + QUOTED ||
	    bpf_skb_load_bytes(skb, 0, a->ethernet, ETH_TAGGED) || bpf_skb_load_bytes(skb, ethernet, a->quote, bytes))
		return -1;
	ip = (void *)a->quote;
	transport = (ip->version_header & 15) * 4;
	if (ip->version_header >> 4 != 4 || transport < IPV4_HEADER)
		return -1;
	if (ip->protocol == 6 || ip->protocol == 17) {
		held = held_by(skb, ethernet + transport, ip->protocol);
		total = ip->total ? bpf_ntohs(ip->total) : skb->len - ethernet;
		unfinished = is_unfinished((__u64)ip->src + ip->dst, ip->protocol, total - transport, held);
	}
	cut_off = cut(skb, a, ethernet, bytes);
	if (cut_off < 0)
		return -1;
	if (cut_off)
		unfinished = 0;
	out = &a->out4;
	__builtin_memset(out, 0, sizeof(*out));
	turn_round(out->ethernet, a->ethernet, TYPE_IPV4);
	out->ip.version_header = 0x45;
	out->ip.total = bpf_htons(IPV4_HEADER + ICMP_HEADER + bytes);
	out->ip.ttl = ANSWER_TTL;
	out->ip.protocol = 1;
	out->ip.src = ip->dst;
	out->ip.dst = ip->src;
	out->ip.checksum = ipv4_checksum(&out->ip);
	out->icmp.type = 3;
	out->icmp.code = 4;
	out->icmp.mtu = bpf_htons(mtu);
	sum = sum_quote(a->quote, bytes, transport, unfinished, held) + sum_words((__u32 *)&out->icmp, ICMP_HEADER);
	out->icmp.checksum = ~fold(sum);
	return put_in_front(skb, a, ethernet, out->ethernet, sizeof(*out) - sizeof(out->unsent));
}

/* Packet too big. */
__noinline int answer6(struct __sk_buff *skb, __u32 ethernet, __u32 mtu)
{
	__u32 bytes, payload, transport = IPV6_HEADER;
	struct answer6 *out;
	struct answer *a = answer_scratch();
	struct ipv6 *ip;
	int unfinished = 0, cut_off;
	__u16 held = 0;
	__u64 sum;

	if (!skb || !a)
		return -1;
	bytes = quoted_bytes(skb, ethernet, IPV6_HEADER + QUOTED);
	if (bytes < IPV6_HEADER + 8 || bytes > IPV6_HEADER + QUOTED ||
	    bpf_skb_load_bytes(skb, 0, a->ethernet, ETH_TAGGED) || bpf_skb_load_bytes(skb, ethernet, a->quote, bytes))
		return -1;
	ip = (void *)a->quote;
	sum = sum_words(a->quote + 2, 32); /* the addresses */
	if (ip->next == 6 || ip->next == 17) {
		held = held_by(skb, ethernet + transport, ip->next);
		payload = ip->payload ? bpf_ntohs(ip->payload) : skb->len - ethernet - IPV6_HEADER;
		unfinished = is_unfinished(sum, ip->next, payload, held);
	}
	cut_off = cut(skb, a, ethernet, bytes);
	if (cut_off < 0)
		return -1;
	if (cut_off)
		unfinished = 0;
	out = &a->out6;
	__builtin_memset(out, 0, sizeof(*out));
	turn_round(out->ethernet, a->ethernet, TYPE_IPV6);
	out->ip.version_class_flow = bpf_htonl(6u << 28);
	out->ip.payload = bpf_htons(ICMP_HEADER + bytes);
	out->ip.next = 58;
	out->ip.hop_limit = ANSWER_TTL;
	out->ip.src = ip->dst;
	out->ip.dst = ip->src;
	out->icmp.type = 2;
	out->icmp.mtu = bpf_htonl(mtu);
	sum += bpf_htons(58) + bpf_htons(ICMP_HEADER + bytes) + sum_words((__u32 *)&out->icmp, ICMP_HEADER);
	sum += sum_quote(a->quote, bytes, transport, unfinished, held);
	out->icmp.checksum = ~fold(sum);
	return put_in_front(skb, a, ethernet, out->ethernet, sizeof(*out) - sizeof(out->unsent));
}

/*
 * The frame, the circuit's tags and outer headers taken off, becomes its answer. An inner tag is in the frame, or in the
 * socket buffer: there it stays. limit: the longest frame that passes.
 */
static __always_inline int make_answer(struct __sk_buff *skb, __u32 limit)
{
	__u32 ethernet = ETH_HEADER, mtu;
	__be16 type;

	if (bpf_skb_load_bytes(skb, ETH_ADDRESSES, &type, sizeof(type)))
		return -1;
	if (is_tag(bpf_ntohs(type))) {
		ethernet = ETH_TAGGED;
		if (bpf_skb_load_bytes(skb, ETH_TAGGED - 2, &type, sizeof(type)))
			return -1;
	}
	mtu = limit - ethernet - (skb->vlan_present ? 4 : 0);
	if (limit < ETH_MINIMUM)
		return -1;
	if (type == bpf_htons(TYPE_IPV4))
		return answer4(skb, ethernet, mtu);
	return type == bpf_htons(TYPE_IPV6) ? answer6(skb, ethernet, mtu < 1280 ? 1280 : mtu) : -1;
}

static __always_inline void count_generated(const struct extension *x, enum direction dir)
{
	struct tally *c = tally_of(x, dir);

	if (c)
		c->generated++;
}

/* To the customer's host, whose frame was too long for the tunnel. */
static __always_inline int answer_to_customer(struct __sk_buff *skb, const struct gateway *g, const struct extension *x)
{
	struct leaving l = leaving_of(x, 0);

	if (make_answer(skb, x->max_to_cloud))
		return 2; /* TCX_DROP */
	count_generated(x, TO_CUSTOMER);
	return send_to_customer(skb, g, &l);
}

/* To a host behind a VTEP, whose frame was too long for the customer's NIC. */
static __always_inline int answer_to_cloud(struct __sk_buff *skb, const struct gateway *g, const struct extension *x,
					   __u32 vtep)
{
	struct vtep *to = vtep_at(vtep);

	if (!to || make_answer(skb, x->max_to_customer) || set_tunnel(skb, g, x->vni, 0, 0, &to->addr))
		return 2;
	count_generated(x, TO_CLOUD);
	return bpf_redirect(g->tunnel_ifindex, 0);
}

/* What XDP found to be too long: on a customer's NIC with its tags, on an uplink without outer headers. */
__noinline int answer_handed(struct __sk_buff *skb, const struct handed *h)
{
	struct gateway *g = the_gateway();
	struct extension *x;
	__u32 record;

	if (!skb || !h || !g)
		return 2;
	record = h->record;
	x = bpf_map_lookup_elem(&extensions, &record);
	if (!x)
		return 2;
	if (skb->ifindex != x->nic_ifindex || h->vtep)
		return answer_to_cloud(skb, g, x, h->vtep);
	/* A priority tag on an untagged circuit is none of the circuit's, and goes too. */
	return take_tags_off(skb, x->depth ? x->depth : skb->vlan_present) ? 2 : answer_to_customer(skb, g, x);
}

#endif
