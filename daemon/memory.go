// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"os"
	"runtime/debug"
	"time"
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

// calm is how long after the last change of a configuration memory is given back.
const calm = time.Second

// returning gives back what reading a configuration took.
var returning = stopped(time.AfterFunc(time.Hour, debug.FreeOSMemory))

func stopped(t *time.Timer) *time.Timer {
	t.Stop()
	return t
}

// returnMemory does so when it is calm: a whole collection, for which nobody shall wait.
func returnMemory() { returning.Reset(calm) }
