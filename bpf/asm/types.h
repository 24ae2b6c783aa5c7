/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The BPF target has no architecture headers of its own. */
#include <asm-generic/types.h>
