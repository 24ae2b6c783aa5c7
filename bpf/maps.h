/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every map. All are pinned and survive a restart of the daemon and an exchange of the programs.
 *
 *  map           key, value                   written by          read by
 *  gateways      0 → gateway                  daemon              all programs
 *  nics          ifindex → nic                daemon              customer programs
 *  circuits      circuit_key → record         daemon              customer programs
 *  segments      VNI → record                 daemon              underlay and tunnel programs
 *  extensions    record → extension           daemon              all programs
 *  banks         slot → bank                  daemon              fdb_admin, timers
 *  inner_vlans   slot, VID → 1                daemon              both, only for a list of VIDs
 *  vtep_ids      address → index              daemon              underlay programs
 *  vteps         index → vtep                 daemon (address), programs (hops)
 *  fdb           slot, MAC → fdb_entry        programs, daemon (static, removal)
 *  untimed       ring: number → slot, MAC     programs            fdb_admin, its timer
 *  reaper        0 → reaper                   programs            daemon
 *  states        slot → extension_state       programs, daemon
 *  counters      slot, direction → counters   programs            daemon
 *  hits          CPU, slot, direction → hits  programs         daemon
 *  nic_counters  NIC slot → nic_counters      programs            daemon
 *  signals       ring buffer of signal        programs            daemon
 *  overflows     0 → signals lost           programs            daemon
 *  guards        record → limits              daemon              all programs
 *  budgets       slot → spending              programs            programs
 *  protected     slot, address → 1            daemon              customer programs
 *  prints        slot, hash → print           programs            programs
 *  suspicions    slot → suspicion             programs            programs
 *  probes        nonce → probe                tc_probe            all programs
 *  flight        slot, number → record        programs            daemon
 *  captures      ring buffer of capture       programs            daemon
 *  names         extension's name → slot      daemon              daemon
 *  nic_names     NIC's name → NIC slot        daemon              daemon
 *  recent_flows  CPU, hash → flow_set         programs            programs
 *  carried       slot, direction → tally      daemon (what programs of another layout had counted)
 *  nic_carried   NIC slot → nic_tally         daemon (likewise)
 *  formats       0 → formats                  nobody (its type is what counts)
 *  scratch       0 → bytes                    programs (what is too long for the stack)
 *  passages      0 → passage                  programs (passage.h: the frame at hand)
 */
#ifndef DRAWBRIDGE_MAPS_H
#define DRAWBRIDGE_MAPS_H

#include <bpf/bpf_helpers.h>
#include "abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gateway);
} gateways SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_NICS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct nic);
} nics SEC(".maps");

/* Four times the entries that there can be, for short chains. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * MAX_EXTENSIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct circuit_key);
	__type(value, __u32);
} circuits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * MAX_EXTENSIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct vni_key);
	__type(value, __u32);
} segments SEC(".maps");

/* An array that can be mapped begins at a page, so that what is meant to be one cache line is one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * MAX_EXTENSIONS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct extension);
} extensions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_EXTENSIONS);
	__type(key, __u32);
	__type(value, __u32);
} banks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct inner_key);
	__type(value, __u32);
} inner_vlans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * MAX_VTEPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, __u32);
} vtep_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_VTEPS);
	__type(key, __u32);
	__type(value, struct vtep);
} vteps SEC(".maps");

/*
 * One table for all extensions; a quota per extension and side instead of an LRU, since an LRU lets one
 * customer evict another's MACs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FDB);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct fdb_key);
	__type(value, struct fdb_entry);
} fdb SEC(".maps");

/*
 * As many as the FDB can have: on some kernels most entries wait here at first. It is no BPF_MAP_TYPE_QUEUE, since fdb_admin may sleep,
 * and before Linux 6.9 such programs take none.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FDB);
	__type(key, __u32);
	__type(value, __u64);
} untimed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reaper);
} reaper SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_EXTENSIONS);
	__uint(map_flags, BPF_F_MMAPABLE); /* as above */
	__type(key, __u32);
	__type(value, struct extension_state);
} states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * MAX_EXTENSIONS);
	__type(key, __u32);
	__type(value, struct limits);
} guards SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_EXTENSIONS);
	__type(key, __u32);
	__type(value, struct spending);
} budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct protected_key);
	__type(value, __u32);
} protected SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PRINTS *MAX_EXTENSIONS);
	__type(key, __u32);
	__type(value, struct print);
} prints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_EXTENSIONS);
	__type(key, __u32);
	__type(value, struct suspicion);
} suspicions SEC(".maps");

/* An LRU does no harm here: only we insert, fewer in a second than it holds, and older ones mean nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, __u64);
	__type(value, struct probe);
} probes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECORDS *MAX_EXTENSIONS);
	__type(key, __u32);
	__type(value, struct record);
} flight SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} captures SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * MAX_EXTENSIONS);
	__type(key, __u32);
	__type(value, struct tally);
} counters SEC(".maps");

/*
 * A part for each CPU, of 2 * MAX_EXTENSIONS, sized by the daemon. It is no per-CPU array: those lead to each element by a pointer
 * of its own, one more cold line a frame.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * MAX_EXTENSIONS);
	__uint(map_flags, BPF_F_MMAPABLE); /* as above */
	__type(key, __u32);
	__type(value, struct hits);
} hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_NICS);
	__type(key, __u32);
	__type(value, struct nic_tally);
} nic_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * MAX_EXTENSIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct tally);
} carried SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_NICS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct nic_tally);
} nic_carried SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct formats);
} formats SEC(".maps");

#define SIGNAL_BYTES (1 << 18)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SIGNAL_BYTES);
} signals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} overflows SEC(".maps");

struct name {
	__u8 text[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_EXTENSIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct name);
	__type(value, __u32);
} names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_NICS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct name);
	__type(value, __u32);
} nic_names SEC(".maps");

/*
 * A part for each CPU, of flow_sets sets, of which flow_mask + 1 are used; the daemon sizes it by CPUs and memory. It is
 * no per-CPU array, since those are spread in memory.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE); /* as above */
	__type(key, __u32);
	__type(value, struct flow_set);
} recent_flows SEC(".maps");

#define SCRATCH_BYTES 512 /* the most that bpf_csum_diff takes on every kernel we support */

struct scratch {
	__u8 bytes[SCRATCH_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

#endif
