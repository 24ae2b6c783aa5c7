// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"os"
	"runtime/debug"
)

const (
	// memoryLimit is what the Go runtime tries to stay below, in bytes. 4,000 extensions take a third
	// of it; reading their configuration or their counters takes most of it for a moment.
	memoryLimit = 100 << 20
	// garbagePercent lets a reading of all counters pass without the collector: it costs a third of
	// the time with Go's default of 100, measured with 4,000 extensions.
	garbagePercent = 200
)

// limitMemory sets the collector up for a daemon. GOMEMLIMIT and GOGC still have their say.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}

// HurryMemory sets the collector up for a command that ends soon, and whose garbage ends with it. GOGC
// still has its say.
func HurryMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent * 4)
	}
}

// returnMemory gives back what reading a configuration took.
func returnMemory() { debug.FreeOSMemory() }
