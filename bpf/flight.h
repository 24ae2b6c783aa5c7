/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The flight recorder's places: the last frames of an extension that flooded or were dropped. */
#ifndef DRAWBRIDGE_FLIGHT_H
#define DRAWBRIDGE_FLIGHT_H

#include "abi.h"
#include "maps.h"

static __always_inline struct record *record_at(__u32 slot, __u32 number)
{
	__u32 key = slot * RECORDS + (number & (RECORDS - 1));

	return bpf_map_lookup_elem(&flight, &key);
}
_Static_assert((RECORDS & (RECORDS - 1)) == 0, "record_at wraps by bits");

#endif
