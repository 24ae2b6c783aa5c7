// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"os"
	"runtime/debug"
)

// memoryLimit is what the Go runtime tries to stay below, in bytes. 4,000 extensions take a third of it;
// reading their configuration takes most of it for a moment.
const memoryLimit = 120 << 20

// limitMemory makes the collector prefer little memory to little work: the daemon idles most of the
// time, and the fast path is not in it. GOMEMLIMIT and GOGC still have their say.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// returnMemory gives back what reading a configuration took.
func returnMemory() { debug.FreeOSMemory() }
