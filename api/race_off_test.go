// SPDX-License-Identifier: Apache-2.0

//go:build !race

package api

// slowdown is by how much the race detector slows code down: it is not there.
const slowdown = 1
