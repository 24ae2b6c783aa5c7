// SPDX-License-Identifier: Apache-2.0

// Package gateway is the one loop: events come in, pure decisions are made, tables go out.
//
//	config ──┐                                              ┌─► Plane  the kernel's tables
//	host   ──┼─► loop ─► MakePlan (pure) ─► state.Desired ──┼─► Host   NIC settings, tunnel device
//	operator─┤                                              ├─► Log    what users read
//	signals ─┘                                              └─► Store  what survives a restart
//
// One goroutine owns all control state; everything else talks to it by bounded channels, or reads
// the snapshot that it publishes after each step. The kernel and the host are behind the interfaces
// Plane and Host, so that the whole loop runs in tests without either.
package gateway
