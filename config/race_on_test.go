// SPDX-License-Identifier: Apache-2.0

//go:build race

package config

// raceEnabled says that the race detector slows this run.
const raceEnabled = true
