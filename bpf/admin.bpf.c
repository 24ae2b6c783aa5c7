// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Changes that the daemon makes to tables which traffic changes at the same time. They run in the kernel,
 * so that an entry and the quota it counts against change together.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef void ctx_t; /* these programs see no frame */

#include "abi.h"
#include "fdb.h"
#include "maps.h"

/* One entry less; the quota only if it was learnt. */
static __always_inline long remove_entry(const struct fdb_key *key, const struct fdb_entry *e)
{
	__u32 slot = key->slot, side = side_of(e->place), learnt = !(e->flags & (FDB_STATIC | FDB_PINNED));
	struct extension_state *s = bpf_map_lookup_elem(&states, &slot);
	struct fdb_key copy = *key;

	if (bpf_map_delete_elem(&fdb, &copy))
		return 0;
	if (s && learnt)
		__sync_fetch_and_add(&s->learnt[side & 1], -1);
	return 1;
}

static __always_inline int is_kept_vtep(__u32 place)
{
	__u32 zero = 0, word = place / 64;
	struct vtep_set *kept = bpf_map_lookup_elem(&kept_vteps, &zero);

	if (place == PLACE_CUSTOMER || place == PLACE_CLOUD)
		return 1;
	return kept && word < MAX_VTEPS / 64 && kept->bits[word] >> (place % 64) & 1;
}

static __always_inline int is_kept(const struct admin *a, const struct fdb_key *key, const struct fdb_entry *e)
{
	if (key->slot != a->slot)
		return 1;
	switch (a->act) {
	case ADMIN_PURGE_ALL:
		return 0;
	case ADMIN_PURGE_EXPIRED:
		return !is_expired(e, a->age, a->now);
	case ADMIN_PURGE_PEERS:
		return is_kept_vtep(e->place);
	default:
		return 1;
	}
}

static long visit(void *map, const struct fdb_key *key, const struct fdb_entry *e, struct admin *a)
{
	if (!is_kept(a, key, e))
		a->done += remove_entry(key, e);
	return 0;
}

static __always_inline int put_static(struct admin *a)
{
	struct fdb_entry entry = { .seen = a->now, .since = a->now, .place = a->place, .flags = a->flags };
	struct fdb_entry *old = bpf_map_lookup_elem(&fdb, &a->key);

	if (old)
		remove_entry(&a->key, old);
	return bpf_map_update_elem(&fdb, &a->key, &entry, BPF_ANY);
}

SEC("syscall")
int fdb_admin(struct admin *ctx)
{
	struct admin *local = ctx;
	struct fdb_entry *e;
	struct admin a;

	__builtin_memcpy(&a, local, sizeof(a));
	switch (a.act) {
	case ADMIN_PUT:
		return put_static(&a);
	case ADMIN_CLOCK:
		ctx->now = bpf_jiffies64();
		return 0;
	case ADMIN_DELETE:
		e = bpf_map_lookup_elem(&fdb, &a.key);
		if (e)
			remove_entry(&a.key, e);
		return 0;
	default:
		break;
	}
	a.done = 0;
	bpf_for_each_map_elem(&fdb, visit, &a, 0);
	ctx->done = a.done;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
