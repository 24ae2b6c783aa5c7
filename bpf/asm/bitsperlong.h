/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The BPF target has no architecture headers of its own. */
#define __BITS_PER_LONG 64
#include <asm-generic/bitsperlong.h>
