// SPDX-License-Identifier: Apache-2.0

// Package model is the reference model of the data plane: what becomes of one frame, in plain Go. It is
// written from the contract (the stages and guards of docs/reference/drop-reasons.md, docs/decisions/0011 and
// docs/conformance.md) and from the RFCs, and shares no code with bpf/: where the two disagree, one of
// them is wrong.
//
// It is slow nowhere on purpose and clever nowhere at all: no clock, no I/O, no goroutine. `now` comes with
// each frame, in ns from any zero.
package model
