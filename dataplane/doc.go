// SPDX-License-Identifier: Apache-2.0

// Package dataplane makes the kernel equal to a state.Desired, and reads back what the kernel counted.
// Programs, links and maps are pinned under BPFFS/drawbridge/GATEWAY/: they go on forwarding when the
// process ends, and Open adopts what it finds. Types of cilium/ebpf stop here.
//
//	maps/NAME            every map of bpf/maps.h
//	links/IFINDEX-HOOK   one per attached program
//
// A Plane's methods may be called by one goroutine at a time, but for Read, EachMAC, Watch and Extension,
// which may run beside the others.
package dataplane
