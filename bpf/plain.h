/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What most frames of a known flow are: IPv4, IPv6 or opaque, with nothing in it that a stage looks at. It says of
 * few frames what parse.h says of all, and of those the same: whatever it is not sure of is the stages'.
 */
#ifndef DRAWBRIDGE_PLAIN_H
#define DRAWBRIDGE_PLAIN_H

#include "control.h"
#include "ethernet.h"
#include "parse.h"

#define PROTOCOL_GRE 47
#define PROTOCOL_ESP 50
#define PLAIN_PORTS 14 /* bytes of TCP up to its flags; of UDP they are there too but in the shortest frames */

#define LOWER_BITS(port) (1ULL << ((port)&63))

/* The lower six bits of the ports that is_notable asks for: two shifts spare most packets its fourteen comparisons. */
#define NOTABLE_BITS                                                                                   \
	(LOWER_BITS(PORT_DHCP_SERVER) | LOWER_BITS(PORT_DHCP_CLIENT) | LOWER_BITS(PORT_DHCP6_CLIENT) | \
	 LOWER_BITS(PORT_DHCP6_SERVER) | LOWER_BITS(PORT_HSRP) | LOWER_BITS(PORT_HSRP6) | LOWER_BITS(PORT_GLBP))

static __always_inline int may_be_notable(__u32 ports)
{
	const __u8 *byte = (const __u8 *)&ports;

	return (NOTABLE_BITS >> (byte[1] & 63) | NOTABLE_BITS >> (byte[3] & 63)) & 1;
}

/* Ports of TCP or UDP that nobody else than the two hosts cares for. Returns 0 when somebody may. */
static __always_inline int plain_ports(const __u8 *l4, __u8 protocol, struct parsed *p, __u32 *ports)
{
	*ports = *(const __u32 *)l4;
	if (protocol == 17) {
		p->headers += 8;
		return !may_be_notable(*ports) || !is_notable(*ports);
	}
	p->headers += (l4[12] >> 4) * 4;
	return !(l4[13] & TCP_SYN);
}

static __always_inline int is_plain_ipv4(const struct view *v, struct parsed *p)
{
	const __u8 *h = v->type + 2;
	__u32 ports = 0, total;

	if ((void *)(h + 20 + PLAIN_PORTS) > v->end || h[0] != 0x45 || load16(h + 6) & 0x3fff)
		return 0;
	total = load16(h + 2);
	if (total < 28 || total + ETH_HEADER > v->size)
		return 0;
	p->headers += 20;
	switch (h[9]) {
	case 6:
	case 17:
		if (!plain_ports(h + 20, h[9], p, &ports))
			return 0;
		break;
	case PROTOCOL_GRE:
	case PROTOCOL_ESP:
		break;
	default:
		return 0;
	}
	p->ip = 4;
	p->tos = h[1];
	p->hash = flow_hash(v->addresses, *(const __u64 *)(h + 12), ports);
	return 1;
}

static __always_inline int is_plain_ipv6(const struct view *v, struct parsed *p)
{
	const __u8 *h = v->type + 2;
	const __u64 *address = (const __u64 *)(h + 8);
	__u32 ports, payload;

	if ((void *)(h + 40 + PLAIN_PORTS) > v->end || h[0] >> 4 != 6 || (h[6] != 6 && h[6] != 17))
		return 0;
	payload = load16(h + 4);
	if (payload < upper_header(h[6]) || payload + ETH_HEADER + 40 > v->size)
		return 0;
	p->headers += 40;
	if (!plain_ports(h + 40, h[6], p, &ports))
		return 0;
	p->ip = 6;
	p->tos = load16(h) >> 4;
	p->upper = h[6];
	p->hash = flow_hash(v->addresses, address[0] ^ address[1] ^ address[2] ^ address[3], ports);
	return 1;
}

/* Is it plain? Then p is what parse would make of it, but for the transport's place. */
static __always_inline int is_plain(const struct view *v, struct parsed *p)
{
	if (v->type + 2 > v->end || v->size < ETH_HEADER)
		return 0;
	p->type = load16(v->type);
	p->headers = ETH_HEADER;
	p->network_offset = v->type_offset + 2;
	if (p->type == TYPE_IPV4)
		return is_plain_ipv4(v, p);
	if (p->type == TYPE_IPV6)
		return is_plain_ipv6(v, p);
	p->network_offset = 0;
	p->hash = flow_hash(v->addresses, 0, 0);
	return p->type >= TYPE_MINIMUM && p->type != TYPE_ARP && !is_tag(p->type) && !is_control_type(p->type);
}

#endif
