/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Structures and enumerations that the data plane shares with Go. Everything in host byte order unless
 * a field's type is __be16/__be32 or its comment says wire order. Padding is written out: Go compares
 * values byte by byte.
 */
#ifndef DRAWBRIDGE_ABI_H
#define DRAWBRIDGE_ABI_H

#include <linux/bpf.h>
#include <linux/types.h>

#define MAX_EXTENSIONS 4096
#define MAX_PEERS 128  /* VTEPs of one extension */
#define MAX_VTEPS 4096 /* VTEPs of one gateway; index 0 is never used */
#define MAX_UPLINKS 4
#define MAX_NICS 512 /* slots of per-NIC counters, uplinks included */
#define MAX_FDB (1 << 20)
#define MAX_REASONS 40 /* room to grow without a new layout */

/* Why a frame was dropped. The order is that of the stages: docs/reference/drop-reasons.md. */
enum drop_reason {
	DROP_NONE = 0,
	/* Before an extension is known: counted per NIC. */
	DROP_NO_CIRCUIT,
	DROP_UNKNOWN_VTEP,
	DROP_TUNNEL_HEADER,
	DROP_UNKNOWN_VNI,
	/* Per extension and direction. */
	DROP_RAISED,
	DROP_MALFORMED,
	DROP_INNER_VLAN,
	DROP_BAD_SOURCE,
	DROP_CONTROL_FRAME,
	DROP_MAC_PINNED,
	DROP_ADDRESS_PROTECTED,
	DROP_MAC_MOVE,
	DROP_MAC_LIMIT,
	DROP_MAC_RATE,
	DROP_HALF_RAISED,
	DROP_SERVICE_DHCP,
	DROP_SERVICE_ROUTER,
	DROP_SERVICE_FHRP,
	DROP_SERVICE_QUERIER,
	DROP_SAME_SIDE,
	DROP_SPLIT_HORIZON,
	DROP_TOO_BIG,
	DROP_STORM_SOURCE,
	DROP_STORM_ARP_ND,
	DROP_STORM_DHCP,
	DROP_STORM_BROADCAST,
	DROP_STORM_MULTICAST,
	DROP_STORM_UNKNOWN_UNICAST,
	DROP_BANDWIDTH,
	DROP_CPU_BUDGET,
	DROP_NO_NEXT_HOP,
	DROP_REASONS,
};
_Static_assert(DROP_REASONS <= MAX_REASONS, "counters have room for every reason");

enum direction { TO_CLOUD = 0, TO_CUSTOMER = 1 };

enum guard_mode { MODE_ENFORCE = 0, MODE_OBSERVE = 1, MODE_OFF = 2 };

enum inner_vlan { INNER_DROP = 0, INNER_ALLOW = 1, INNER_LIST = 2 };

/* Where a station is: PLACE_CUSTOMER, a VTEP's index, or in the cloud at a VTEP not known yet. */
enum place { PLACE_CUSTOMER = 0, PLACE_CLOUD = 0xffff };

#define PCP_FROM_DSCP 8

/* Which record of a slot is in force. */
enum bank { BANK_NONE = 0, BANK_FIRST = 1, BANK_SECOND = 2 };

/* An IP address in wire order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
struct address {
	__be32 word[4];
};

/* The circuit that a customer's frame came by. tpid and vid are host order, 0 when there is no tag. */
struct circuit_key {
	__u32 ifindex;
	__u16 tpid;
	__u16 outer;
	__u16 inner;
	__u16 zero;
};
_Static_assert(sizeof(struct circuit_key) == 12, "no hidden padding");

#define EXT_RAISED 1 /* drawn up by the operator: nothing flows */
#define EXT_DOWN 2   /* circuit or underlay is not there */

/*
 * One extension. Circuit and VNI lead to the same record by its index, twice the slot and the bank: a
 * change is written to the other bank, then both are led there. A record is not written again before an RCU
 * grace period is over, so that a frame sees one record or the other, never a mixture. The record holds
 * what led to it, for the frame to compare: an element of a hash that was replaced is reused at once.
 */
struct extension {
	__u32 slot;  /* index of its counters and state; part of FDB keys */
	__u32 flags; /* EXT_* */
	__u32 vni;
	__u32 nic_ifindex;  /* the circuit's NIC */
	__u32 nic_slot;	    /* of the NIC's counters */
	__u32 max_to_cloud; /* longest frame in bytes, Ethernet header counted, tags and FCS not */
	__u32 max_to_customer;
	__u32 mac_limit;		  /* learnt MACs a side */
	__u64 mac_age;			  /* ns */
	__u8 mac_own[MAX_UPLINKS + 1][8]; /* the gateway's own addresses; the last two bytes are 0 */
	__u16 tpid;			  /* tags towards the customer; 0: none */
	__u16 outer;
	__u16 inner;
	__u8 pcp;	 /* 0-7 or PCP_FROM_DSCP */
	__u8 mode;	 /* enum guard_mode */
	__u8 inner_vlan; /* enum inner_vlan */
	__u8 depth;	 /* how many of these tags there are */
	__u16 peer_count;
	__u32 zero;
	__u16 peer[MAX_PEERS]; /* indices into vteps: allow-list and flood list */
};
_Static_assert(sizeof(struct extension) == 352, "no hidden padding");

struct vni_key {
	__u32 vni;
};

struct inner_key {
	__u32 slot;
	__u32 vid;
};

struct fdb_key {
	__u32 slot;
	__u8 mac[6];
	__u16 zero;
};
_Static_assert(sizeof(struct fdb_key) == 12, "no hidden padding");

#define FDB_STATIC 1 /* given by the operator: neither ages nor moves */
#define FDB_PINNED 2 /* lives in the cloud, at whatever VTEP it is heard from */

/* What is known of a MAC. Times are ns of the programs' clock (clock_ns). */
struct fdb_entry {
	struct bpf_timer timer; /* removes the entry when its age is over */
	__u64 seen;		/* last refresh, at most a second behind the last frame */
	__u64 since;		/* learnt, or last moved */
	__u64 frozen_until;
	__u32 moves;
	__u16 place; /* enum place, or a VTEP's index */
	__u16 flags; /* FDB_* */
};
_Static_assert(sizeof(struct fdb_entry) == 48, "no hidden padding");

/* What changes with traffic and is one per extension. */
struct extension_state {
	__u32 learnt[2]; /* learnt entries by side: customer, cloud */
	__u64 half_raised_until;
	__u32 generation; /* grows when an entry moved: cached flows of the extension end */
	__u32 zero1;
	__u64 zero[5];
};
_Static_assert(sizeof(struct extension_state) == 64, "one cache line");

struct adjacency {
	__u8 dst[6]; /* wire order */
	__u8 src[6];
	__u32 ifindex;
};

enum hop_state { HOP_UNKNOWN = 0, HOP_RESOLVED = 1, HOP_NO_NEIGHBOUR = 2, HOP_NO_ROUTE = 3 };

/*
 * A way to a VTEP, for a share of the flows. Readers take adj[active]; a writer fills the other and
 * flips.
 */
struct hop {
	__u64 checked; /* ns: when the route was last looked up */
	__u32 state;   /* enum hop_state */
	__u32 active;
	struct adjacency adj[2];
};
_Static_assert(sizeof(struct hop) == 48, "no hidden padding");

struct vtep {
	struct address addr;
	struct hop hop[MAX_UPLINKS];
};

struct uplink {
	__u32 ifindex;
	__u32 nic_slot;
	__u8 mac[8];
};

#define GW_IPV6 1	     /* the underlay's family */
#define GW_IGNORE_RESERVED 2 /* RFC 7348 section 5: reserved bits are ignored on receipt */
#define GW_ZERO_CHECKSUM6 4  /* RFC 6935 */
#define GW_READY 8	     /* local VTEP address is present */

#define FLOWS 256 /* cached flows of each CPU */

/*
 * A known unicast flow that engine xdp has judged: what is needed to forward its next frame. It is valid
 * while both generations are what they were, and until its deadline.
 */
struct flow {
	__u64 addresses8; /* the inner frame's MACs, wire order */
	__u32 addresses4;
	__u32 ifindex; /* arrival */
	__u64 way[3];  /* to cloud: tags; to customer: outer source and VNI */
	__u64 expires;
	__u32 gateway_generation;
	__u32 generation;
	__u32 slot;
	__u32 nic_slot;
	__u32 limit;	      /* longest frame */
	__u32 vni;	      /* to cloud */
	struct address to;    /* to cloud */
	struct adjacency adj; /* to cloud; to customer only its ifindex */
	__u16 tag[4];	      /* to customer: TPID and TCI without priority, outer and inner; wire order */
	__u8 depth;
	__u8 pcp;
	__u8 zero[14];
};
_Static_assert(sizeof(struct flow) == 128, "two cache lines");

/* The gateway as a whole. */
struct gateway {
	struct address vtep;
	__u32 flags; /* GW_* */
	__u32 nonce; /* marks what our programs checked: skb->mark and XDP metadata */
	__u32 tunnel_ifindex;
	__u16 port;
	__u16 uplink_count;
	__u64 tick;	  /* ns of a jiffy */
	__u32 generation; /* grows with each change by the daemon: all cached flows end */
	__u32 zero;
	struct uplink uplink[MAX_UPLINKS];
};
_Static_assert(sizeof(struct gateway) == 112, "no hidden padding");

#define NIC_PASSTHROUGH 1

/* A customer's NIC, looked up only for frames that fit no circuit. */
struct nic {
	__u32 slot;
	__u32 flags; /* NIC_* */
};

struct tally {
	__u64 rx_frames;
	__u64 rx_bytes;
	__u64 tx_frames;
	__u64 tx_bytes;
	__u64 copies;
	__u64 generated;
	__u64 drops[MAX_REASONS];
	__u64 would_drop[MAX_REASONS];
};

struct nic_tally {
	__u64 rx_frames;
	__u64 rx_bytes;
	__u64 passed;
	__u64 to_tunnel;   /* checked and handed to the tunnel device for decapsulation */
	__u64 from_tunnel; /* came out of it */
	__u64 drops[8];	   /* DROP_NONE to DROP_UNKNOWN_VNI */
};

enum handover_kind { HANDOVER_FLOOD = 1, HANDOVER_TUNNEL = 2 };

/* XDP to tc, in the frame's metadata: decided and counted, only sending is left. */
struct handover {
	__u32 nonce;
	__u16 kind; /* enum handover_kind */
	__u16 vtep;
	__u32 hash;
	__u32 zero;
};

enum signal_kind { SIGNAL_MOVED = 1 };

/* Data path to daemon, through the ring buffer. */
struct signal {
	__u64 time; /* ns of the programs' clock */
	enum signal_kind kind;
	__u32 slot;
	__u8 mac[6];
	__u16 from; /* places */
	__u16 to;
	__u16 zero[3];
};
_Static_assert(sizeof(struct signal) == 32, "no hidden padding");

enum admin_act {
	ADMIN_PUT = 1,	  /* a static entry, in place of whatever was there */
	ADMIN_DELETE = 2, /* one entry */
	ADMIN_SWEEP = 3,  /* all that lead nowhere: no extension, no peer, too old */
	ADMIN_RESET = 4,  /* the state of a slot that is free */
	ADMIN_CLOCK = 5,  /* only tells the time */
};

/* What the daemon asks of fdb_admin. */
struct admin {
	enum admin_act act;
	__u32 slot;
	__u64 now;	 /* ns of the programs' clock; ADMIN_CLOCK answers in ticks */
	__u64 monotonic; /* answer of ADMIN_CLOCK: CLOCK_MONOTONIC at the same moment, ns */
	struct fdb_key key;
	__u16 place;
	__u16 flags;
	__u32 done; /* answer: entries removed */
	__u32 zero;
};
_Static_assert(sizeof(struct admin) == 48, "no hidden padding");

#endif
