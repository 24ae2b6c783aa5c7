// SPDX-License-Identifier: Apache-2.0

// Package guard decides when a bridge trips and when it is released, who is behind it, what would lift a
// guard that hurts, and when to probe for loops. It has no I/O and no clock: `now` is an argument, and what
// shall be done comes back as values.
//
// The data path holds and lets go by itself, with deadlines in the kernel. What is decided here is what
// takes judgement over seconds, and what people are told.
package guard
