// SPDX-License-Identifier: Apache-2.0

//go:build race

package api

// slowdown is by how much the race detector slows code down, generously.
const slowdown = 10
