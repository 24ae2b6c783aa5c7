/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a packet is about, as far as storm classes (stage 12) and service guards (stage 9) ask. */
#ifndef DRAWBRIDGE_SERVICE_H
#define DRAWBRIDGE_SERVICE_H

#include "abi.h"
#include "ethernet.h"
#include "ipv6_chain.h"

#define PROTOCOL_ICMP 1
#define PROTOCOL_IGMP 2
#define PROTOCOL_VRRP 112 /* and CARP */

#define PORT_DHCP_SERVER 67
#define PORT_DHCP_CLIENT 68
#define PORT_DHCP6_CLIENT 546
#define PORT_DHCP6_SERVER 547
#define PORT_HSRP 1985
#define PORT_HSRP6 2029
#define PORT_GLBP 3222

/* About: enum service in the lower bits, and what storm classes distinguish. */
#define ABOUT_SERVICE 15
#define ABOUT_ND 16
#define ABOUT_DHCP 32
#define ABOUT_CLAIM 64 /* ND that names a target: an advertisement or a redirect */

/*
 * A server's message (RFC 2131 section 2: op BOOTREPLY; RFC 8415 section 7.3). Clients listen on 68 and
 * 546 only to servers. An op that the packet does not show, since a later fragment has it, is a server's.
 */
static __always_inline __u32 about_dhcp(ctx_t *ctx, __u32 payload, __u32 end, __u16 src, __u16 dst)
{
	__u8 op;

	if (src == PORT_DHCP_CLIENT || dst == PORT_DHCP_CLIENT || src == PORT_DHCP_SERVER || dst == PORT_DHCP_SERVER) {
		if (dst == PORT_DHCP_CLIENT)
			return ABOUT_DHCP | SERVICE_DHCP;
		if (src != PORT_DHCP_SERVER && dst != PORT_DHCP_SERVER)
			return ABOUT_DHCP;
		if (payload >= end || ctx_load(ctx, payload, &op, 1) || op == 2)
			return ABOUT_DHCP | SERVICE_DHCP;
		return ABOUT_DHCP;
	}
	return 0;
}

static __always_inline __u32 about_dhcp6(ctx_t *ctx, __u32 payload, __u32 end, __u16 src, __u16 dst)
{
	__u8 type;

	if (dst == PORT_DHCP6_CLIENT)
		return ABOUT_DHCP | SERVICE_DHCP;
	if (src == PORT_DHCP6_SERVER || dst == PORT_DHCP6_SERVER) {
		/* ADVERTISE, REPLY, RECONFIGURE, RELAY-REPL */
		if (payload >= end || ctx_load(ctx, payload, &type, 1) || type == 2 || type == 7 || type == 10 ||
		    type == 13)
			return ABOUT_DHCP | SERVICE_DHCP;
		return ABOUT_DHCP;
	}
	return src == PORT_DHCP6_CLIENT ? ABOUT_DHCP : 0;
}

static __always_inline __u32 about_icmp6(__u8 type)
{
	switch (type) {
	case 130: /* MLD query (RFC 2710, RFC 3810) */
		return SERVICE_QUERIER;
	case 133:
	case 135:
		return ABOUT_ND;
	case 134: /* RA */
		return ABOUT_ND | SERVICE_ROUTER;
	case 136: /* NA */
		return ABOUT_ND | ABOUT_CLAIM;
	case 137: /* Redirect */
		return ABOUT_ND | ABOUT_CLAIM | SERVICE_ROUTER;
	}
	return 0;
}

/* Is one of these ports worth a look? ports: as in the header, source first. */
static __always_inline int is_notable(__u32 ports)
{
	__u16 src = bpf_ntohs(ports & 0xffff), dst = bpf_ntohs(ports >> 16);

	return (src >= PORT_DHCP_SERVER && src <= PORT_DHCP_CLIENT) ||
	       (dst >= PORT_DHCP_SERVER && dst <= PORT_DHCP_CLIENT) ||
	       (src >= PORT_DHCP6_CLIENT && src <= PORT_DHCP6_SERVER) ||
	       (dst >= PORT_DHCP6_CLIENT && dst <= PORT_DHCP6_SERVER) || dst == PORT_HSRP || dst == PORT_HSRP6 ||
	       dst == PORT_GLBP;
}

#define ABOUT_IPV4 0x100

/* VRRP version 2 could be authenticated (RFC 2338 section 10.4): it hides behind AH, over IPv4 where nobody walks a chain. */
static __always_inline __u32 about_ah(ctx_t *ctx, __u32 offset, __u32 end)
{
	__u8 h[8];

	if (offset + 8 > end || ctx_load(ctx, offset, h, sizeof(h)))
		return 0;
	return h[0] == PROTOCOL_VRRP && offset + (h[1] + 2) * 4 <= end ? SERVICE_FHRP : 0;
}

/*
 * What the packet whose transport header is at offset, and which ends at end, is about. what: the protocol, and
 * ABOUT_IPV4. group: it goes to a group, by MAC or by IP. Global, so that the verifier looks at it once.
 */
__noinline int about(ctx_t *ctx, __u32 offset, __u32 end, __u32 what, __u32 group)
{
	__u32 protocol = what & 0xff, four = what & ABOUT_IPV4, found;
	__be16 port[2];
	__u16 src, dst;
	__u8 type;

	if (!ctx)
		return 0;
	if (protocol == PROTOCOL_VRRP)
		return SERVICE_FHRP;
	if (protocol == NEXT_AH)
		return about_ah(ctx, offset, end);
	if (protocol == NEXT_UDP) {
		if (ctx_load(ctx, offset, port, 4))
			return 0;
		src = bpf_ntohs(port[0]);
		dst = bpf_ntohs(port[1]);
		found = group && (dst == PORT_HSRP || dst == PORT_HSRP6 || dst == PORT_GLBP) ? SERVICE_FHRP : 0;
		found |= four ? about_dhcp(ctx, offset + 8, end, src, dst) :
				about_dhcp6(ctx, offset + 8, end, src, dst);
		return found;
	}
	if (offset >= end || ctx_load(ctx, offset, &type, 1)) /* behind the end is padding */
		return 0;
	if (protocol == NEXT_ICMPV6 && !four)
		return about_icmp6(type);
	if (protocol == PROTOCOL_IGMP && four)
		return type == 0x11 ? SERVICE_QUERIER : 0;
	if (protocol == PROTOCOL_ICMP && four) /* Redirect (RFC 792), router advertisement (RFC 1256) */
		return type == 5 || type == 9 ? SERVICE_ROUTER : 0;
	return 0;
}

#endif
