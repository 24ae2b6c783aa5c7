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

#define EXT_RAISED 1	   /* drawn up by the operator: nothing flows */
#define EXT_DOWN 2	   /* circuit or underlay is not there */
#define EXT_PROTECTS 4	   /* has protected addresses */
#define EXT_METERED 8	   /* has a bandwidth to the cloud; one bit up: to the customer */
#define EXT_CPU 32	   /* has a share of a core */
#define EXT_FINGERPRINT 64 /* looks for loops by fingerprints */
#define EXT_TRIP 128	   /* a loop half-raises the bridge; else it is only reported */

/* What a frame does that only servers do: bits, since it may be several servers' at once, in the order of the reasons. */
enum service { SERVICE_DHCP = 1, SERVICE_ROUTER = 2, SERVICE_FHRP = 4, SERVICE_QUERIER = 8 };
#define SERVICES 4

/* Control protocols that an extension may tunnel: bits of extension.tunnelled. */
enum control {
	CONTROL_NONE = 0, /* never tunnelled */
	CONTROL_CDP = 1 << 0,
	CONTROL_DTP = 1 << 1,
	CONTROL_PAGP = 1 << 2,
	CONTROL_UDLD = 1 << 3,
	CONTROL_VTP = 1 << 4,
	CONTROL_PVST = 1 << 5,
	CONTROL_CFM = 1 << 6,
	CONTROL_EAP = 1 << 7,
	CONTROL_GVRP = 1 << 8,
	CONTROL_LACP = 1 << 9,
	CONTROL_LLDP = 1 << 10,
	CONTROL_MRP = 1 << 11,
	CONTROL_STP = 1 << 12,
};

/*
 * One extension. Circuit and VNI lead to the same record by its index, twice the slot and the bank: a
 * change is written to the other bank, then both are led there. A record is not written again before an RCU
 * grace period is over, so that a frame sees one record or the other, never a mixture. The record holds
 * what led to it, for the frame to compare: an element of a hash that was replaced is reused at once.
 * It is one cache line, all that a frame of a recent flow needs; what only the stages ask is in limits.
 */
struct extension {
	__u32 slot;  /* index of its counters and state; part of FDB keys */
	__u32 flags; /* EXT_* */
	__u32 vni;
	__u32 nic_ifindex;  /* the circuit's NIC */
	__u32 nic_slot;	    /* of the NIC's counters */
	__u32 max_to_cloud; /* longest frame in bytes, Ethernet header counted, tags and FCS not */
	__u32 max_to_customer;
	__u16 tpid; /* tags towards the customer; 0: none */
	__u16 outer;
	__u16 inner;
	__u8 pcp;	 /* 0-7 or PCP_FROM_DSCP */
	__u8 mode;	 /* enum guard_mode */
	__u8 inner_vlan; /* enum inner_vlan */
	__u8 depth;	 /* how many of these tags there are */
	__u16 peer_count;
	__u32 mac_limit; /* learnt MACs a side */
	__u32 record;	 /* its own index; also into guards */
	__u8 refused;	 /* enum service by direction: SERVICES up for what goes to the customer */
	__u8 zero;
	__u16 tunnelled;  /* enum control */
	__u16 mss[2];	  /* largest segment that TCP may agree on, over IPv4 and IPv6; 0: not touched */
	__u32 generation; /* by programs: grows when an entry moved, which ends the extension's recent flows */
	__u32 mac_age;	  /* ms */
};
_Static_assert(sizeof(struct extension) == 64, "one cache line");

/* Storm classes, in the order of the reasons. */
enum storm_class {
	STORM_ARP_ND = 0,
	STORM_DHCP = 1,
	STORM_BROADCAST = 2,
	STORM_MULTICAST = 3,
	STORM_UNKNOWN_UNICAST = 4,
};
#define STORM_CLASSES 5

/*
 * A rate, as virtual scheduling counts it (ITU-T I.371, GCRA): what a unit costs in 1/65536 ns, and how far
 * the schedule may be ahead of the clock in 1/64 ns. Cost 0: no limit.
 */
struct rate {
	__u64 cost;
	__u64 burst;
};

#define FLOOD_PREFIXES 32

/* A set of destinations: (MAC & mask) == value, as mac_word gives them. */
struct flood_prefix {
	__u64 value;
	__u64 mask;
};

/*
 * What an extension's guards allow, with the index of the record: read by frames that the stages judge. Rates and budgets
 * by those that flood, and where a flag of the extension says so.
 */
struct limits {
	struct rate storm[STORM_CLASSES];
	struct rate storm_bytes[STORM_CLASSES];
	struct rate flood;
	struct rate bandwidth[2]; /* by direction, in bytes */
	struct rate learn;
	struct rate cpu;      /* in ns of a core */
	__u64 move_window[2]; /* ns: slow and fast tier */
	__u32 move_limit[2];
	__u32 flood_count;
	__u32 zero;
	struct flood_prefix flooded[FLOOD_PREFIXES];
	__u8 mac_own[MAX_UPLINKS + 1][8]; /* the gateway's own addresses; the last two bytes are 0 */
	__u16 peer[MAX_PEERS];		  /* indices into vteps: allow-list and flood list */
};
_Static_assert(sizeof(struct limits) == 1080, "no hidden padding");

/* How far each rate has been used: when its schedule is next due, 1/64 ns. By direction. */
struct budget {
	__u64 reserved[STORM_CLASSES]; /* of known sources */
	__u64 open[STORM_CLASSES];
	__u64 bytes[STORM_CLASSES];
	__u64 pressed[STORM_CLASSES]; /* ns of the rates' clock: since when reserved has been in use without a pause */
	__u64 flood;
	__u64 bandwidth;
	__u64 cpu;
	__u64 learn;
	__u64 answers; /* ICMP errors */
};
_Static_assert(sizeof(struct budget) == 200, "no hidden padding");

struct spending {
	struct budget way[2];
};

/* An IP address that a customer may not claim. */
struct protected_key {
	__u32 slot;
	struct address addr;
};
_Static_assert(sizeof(struct protected_key) == 20, "no hidden padding");

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

#define FDB_STATIC 1  /* given by the operator: neither ages nor moves */
#define FDB_PINNED 2  /* lives in the cloud, at whatever VTEP it is heard from */
#define FDB_UNTIMED 4 /* the kernel had no memory for its timer just then: it waits in the map untimed */

/* An entry that waits for a timer: its slot, and its MAC as it is in memory. */
#define UNTIMED_MAC_BITS 48

/* What is known of a MAC. Times are ns of the programs' clock (clock_ns). */
struct fdb_entry {
	struct bpf_timer timer; /* removes the entry when its age is over */
	__u64 seen;		/* last refresh, at most stamp_interval behind the last frame */
	__u64 since;		/* learnt, or last moved */
	__u64 frozen_until;
	__u32 moves;
	__u16 place;	  /* enum place, or a VTEP's index */
	__u16 flags;	  /* FDB_* */
	__u64 born;	  /* learnt */
	__u64 window[2];  /* when the windows of moves began: slow and fast tier */
	__u16 counted[2]; /* moves between the sides in them */
	__u16 home;	  /* where it last stayed for a while */
	__u16 freezes;
	__u64 share[STORM_CLASSES]; /* used of its own share of each class, as in struct budget */
};
_Static_assert(sizeof(struct fdb_entry) == 120, "no hidden padding");

/* Looks after entries without a timer while nobody else does. */
struct reaper {
	struct bpf_timer timer; /* the daemon puts it off whenever it reaps itself */
	__u32 head;		/* of the ring in the map untimed: what waits longest */
	__u32 tail;		/* where the next one goes */
};

/* What changes with traffic and is one per extension. */
struct extension_state {
	__u32 learnt[2]; /* learnt entries by side: customer, cloud */
	__u64 half_raised_until;
	__u32 level;	      /* how often in a row it was half-raised */
	__u32 mac_storm_ways; /* bits by enum direction: the storm's */
	__u64 mac_storm_since;
	__u64 mac_storm_until;
	__u64 record_until; /* somebody listens */
	__u64 told;	    /* when the last sign of a loop was told of */
	__u64 zero2;
};
_Static_assert(sizeof(struct extension_state) == 64, "one cache line");

#define PRINTS 64 /* fingerprints of an extension that are kept */

/* A frame that floods, recognised when it comes again. */
struct print {
	__u64 print;
	__u64 first; /* ns: when its window began */
	__u8 side;   /* enum direction: how it came last */
	__u8 crossings;
	__u8 returns; /* how often it came from the customer */
	__u8 zero[5];
	__u64 zero2;
};
_Static_assert(sizeof(struct print) == 32, "two in a cache line");

/* Drops of one kind do not keep those of another from being told of. */
enum news { NEWS_MACS = 0, NEWS_STORM = 1, NEWS_SERVICES = 2, NEWS_OTHER = 3, NEWS_KINDS = 4 };

#define HAIRPINS 3 /* as many sources that come back make a loop */

/* What is known of one extension beside counting: what speaks for a loop, and what was told. */
struct suspicion {
	__u64 crossing; /* the last fingerprint that crossed */
	__u64 crossed;	/* when */
	__u64 source[HAIRPINS];
	__u64 returned[HAIRPINS];
	__u64 told;	/* when a suspicion was last told of */
	__u32 recorded; /* frames that the flight recorder took */
	__u32 zero;
	__u64 moves;		      /* schedule of moves that are told of, as in struct budget */
	__u32 sampled[2][NEWS_KINDS]; /* ticks of the last drops that were told of, by direction */
};
_Static_assert(sizeof(struct suspicion) == 120, "no hidden padding");

/* A probe that was sent, by its nonce. */
struct probe {
	__u64 sent;
	__u32 slot;
	__u32 zero;
};

#define RECORDS 32	  /* of an extension, in the flight recorder */
#define RECORD_BYTES 104  /* of a frame */
#define CAPTURE_BYTES 512 /* of a frame, live */

/* A frame and its verdict. The circuit's tags are not in it. */
struct record {
	__u64 time; /* ns of the programs' clock */
	__u32 size; /* bytes of the frame */
	__u8 dir;
	__u8 reason; /* DROP_NONE: forwarded */
	__u8 would;  /* what a guard in mode observe had against it */
	__u8 zero;
	__u32 slot;
	__u32 captured; /* bytes that are there */
	__u8 bytes[RECORD_BYTES];
};
_Static_assert(sizeof(struct record) == 128, "two cache lines");

struct capture {
	__u64 time;
	__u32 size;
	__u8 dir;
	__u8 reason;
	__u8 would;
	__u8 zero;
	__u32 slot;
	__u32 captured;
	__u8 bytes[CAPTURE_BYTES];
};
_Static_assert(sizeof(struct capture) == 24 + CAPTURE_BYTES, "no hidden padding");

struct adjacency {
	__u8 dst[6]; /* wire order */
	__u8 src[6];
	__u32 ifindex;
};

enum hop_state {
	HOP_UNKNOWN = 0,
	HOP_RESOLVED = 1,
	HOP_NO_NEIGHBOUR = 2,
	HOP_NO_ROUTE = 3,
	HOP_BORROWED = 4, /* its neighbour is missing: by another uplink meanwhile */
};

/*
 * A way to a VTEP, for a share of the flows. Readers take adj[active]; a writer fills the other and
 * flips.
 */
struct hop {
	__u64 checked; /* ns: when the route was last looked up */
	__u64 found;   /* ns: when adj[active] was last found by a lookup */
	__u64 missed;  /* ns: since when a neighbour is missing, 0: it is not */
	__u64 asked;   /* ns: when a frame last made the kernel ask for it */
	__u32 port; /* added to the first of the source ports: leads by the share's own uplink, when one was found that does */
	__u32 tried; /* ports that were looked up in vain since */
	__u32 state; /* enum hop_state */
	__u32 active;
	struct adjacency adj[2];
};
_Static_assert(sizeof(struct hop) == 80, "no hidden padding");

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

/*
 * A known unicast flow that was judged. Its next frame is forwarded as the extension's record says, which has the circuit and
 * the VNI that it must have come by. Valid in the era of its set, while the record's generation is what it was, and until the
 * deadline.
 */
struct flow {
	__u32 addresses[3]; /* the inner frame's MACs, wire order */
	__u16 record;	    /* the extension's, and FLOW_TO_CUSTOMER */
	__u16 vtep;	    /* index: where it goes, or who sent it */
	__u32 life; /* above FLOW_END the record's generation, in it the deadline: the first FLOW_UNIT that it has not */
};
_Static_assert(sizeof(struct flow) == 20, "three in a cache line");

#define FLOW_TO_CUSTOMER 0x8000
_Static_assert(2 * MAX_EXTENSIONS <= FLOW_TO_CUSTOMER, "a record's index leaves a bit");

/*
 * Deadlines are in units of 2^27 ns (134 ms), and an era has 2^34 ns (17 s): 128 of them. A flow lives for 5 s at most, so that the end
 * of an era costs little, and 24 bits are left for the generation: it comes again after 16 million moves in one extension.
 */
#define FLOW_UNIT 27
#define FLOW_ERA 34
#define FLOW_UNITS (1u << (FLOW_ERA - FLOW_UNIT))
#define FLOW_END 0xffu
#define FLOW_END_BITS 8
_Static_assert(FLOW_UNITS <= FLOW_END, "the end of an era is a deadline too");

/* Flows of one hash, in a cache line. */
struct flow_set {
	__u32 era; /* the gateway's generation and the time in eras, added: each grows, so no sum comes twice */
	struct flow flow[3];
};
_Static_assert(sizeof(struct flow_set) == 64, "one cache line");

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
	__u32 flow_mask;  /* one less than the sets of flows that each CPU keeps, a power of two */
	__u32 flow_sets;  /* how many there is room for; CPUs' parts are so far apart */
	__u32 zero;
	__u64 stopped; /* what the clock shows while tick is 0, ns */
	struct uplink uplink[MAX_UPLINKS];
};
_Static_assert(sizeof(struct gateway) == 128, "no hidden padding");

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

/*
 * Frames of recent flows, each received and sent: beside the tally, since a tally is as long as there are reasons, and
 * thousands of extensions' hits share a cache.
 */
struct hits {
	__u64 frames;
	__u64 bytes;
};

struct nic_tally {
	__u64 rx_frames;
	__u64 rx_bytes;
	__u64 passed;
	__u64 to_tunnel;   /* checked and handed to the tunnel device for decapsulation */
	__u64 from_tunnel; /* came out of it */
	__u64 drops[8];	   /* DROP_NONE to DROP_UNKNOWN_VNI */
};

enum handover_kind { HANDOVER_FLOOD = 1, HANDOVER_TUNNEL = 2, HANDOVER_TOO_BIG = 3 };

/* XDP to tc, in the frame's metadata: decided and counted, only sending is left. */
struct handover {
	__u32 nonce;
	__u16 kind; /* enum handover_kind */
	__u16 vtep;
	__u32 record; /* HANDOVER_TOO_BIG: the extension's */
	__u32 zero;
};

enum signal_kind { SIGNAL_MOVED = 1, SIGNAL_FROZEN = 2, SIGNAL_DROPPED = 3, SIGNAL_LOOP = 4 };

/* What a sign of a loop is. */
enum evidence { EVIDENCE_NONE = 0, EVIDENCE_PROBE = 1, EVIDENCE_CROSSING = 2, EVIDENCE_HAIRPIN = 3 };

/* Data path to daemon, through the ring buffer. */
struct signal {
	__u64 time; /* ns of the programs' clock */
	enum signal_kind kind;
	__u32 slot;
	__u8 mac[6]; /* source */
	__u16 from;  /* places */
	__u8 destination[6];
	__u16 to;
	__u64 until;	   /* SIGNAL_FROZEN, SIGNAL_LOOP: the deadline; 0 when nothing is held */
	struct address ip; /* of the source, when it is seen */
	__u16 vid;	   /* inner tag, when there is one */
	__u8 reason;	   /* SIGNAL_DROPPED */
	__u8 dir;
	__u8 evidence; /* SIGNAL_LOOP */
	__u8 tripped;  /* SIGNAL_LOOP: more than a suspicion */
	__u8 zero[2];
};
_Static_assert(sizeof(struct signal) == 64, "one cache line");

enum admin_act {
	ADMIN_PUT = 1,	    /* a static entry, in place of whatever was there */
	ADMIN_DELETE = 2,   /* one entry */
	ADMIN_SWEEP = 3,    /* all that lead nowhere: no extension, no peer, too old */
	ADMIN_RESET = 4,    /* the state of a slot that is free */
	ADMIN_CLOCK = 5,    /* only tells the time */
	ADMIN_HOLD = 6,	    /* a deadline: of a storm of MACs, or of a recording */
	ADMIN_LET_DOWN = 7, /* ends what guards hold */
	ADMIN_CARRY = 8,    /* a learnt entry of an older table */
	ADMIN_REARM = 9,    /* timers that programs of before set come to these */
	ADMIN_REAP = 10,    /* what waits for a timer gets one, or leaves when it is too old */
};

enum hold { HOLD_MAC_STORM = 1, HOLD_RECORDING = 2, HOLD_HALF_RAISED = 3 };

/* What the daemon asks of fdb_admin. */
struct admin {
	enum admin_act act;
	__u32 slot;
	__u64 now;	 /* ns of the programs' clock; ADMIN_CLOCK answers in ticks */
	__u64 monotonic; /* answer of ADMIN_CLOCK: CLOCK_MONOTONIC at the same moment, ns */
	struct fdb_key key;
	__u16 place;
	__u16 flags; /* of an entry; HOLD_MAC_STORM: bits by enum direction */
	__u32 done;  /* answer: entries removed; ADMIN_REAP: of those that wait, how many were looked at */
	enum hold hold;
	__u64 since; /* ADMIN_HOLD; HOLD_HALF_RAISED: the level */
	__u64 until;
	struct fdb_entry entry; /* ADMIN_CARRY */
};
_Static_assert(sizeof(struct admin) == 64 + sizeof(struct fdb_entry), "no hidden padding");

/*
 * What is said beside maps: programs to each other, and to the daemon. It is never written. That a map has it as its
 * value keeps its layout in the kernel, where another version finds it.
 */
struct formats {
	struct handover handover;
	struct signal signal;
	struct capture capture;
	enum drop_reason reason;
	__u32 zero;
};

#endif
