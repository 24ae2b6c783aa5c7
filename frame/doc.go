// SPDX-License-Identifier: Apache-2.0

// Package frame turns headers into bytes and bytes into headers: for tests, probes and the reference
// model. Headers are plain structs that stack:
//
//	frame.Ethernet{Dst: l2.Broadcast, Src: host}.With(
//		frame.VLAN{ID: 2301},
//		frame.IPv4{Src: a, Dst: b},
//		frame.UDP{SrcPort: 1, DstPort: 2},
//		frame.Raw("hello"),
//	).Bytes()
//
// Lengths, types and checksums are filled in unless they were Set, so that a wrong frame is one field
// away from a right one. Parse reads them back, and what it read builds the same bytes again, reserved bits
// apart.
//
// Everything here is pure: nothing blocks, and every function is safe for concurrent use.
package frame
