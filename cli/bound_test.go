// SPDX-License-Identifier: Apache-2.0

//go:build !race

package cli

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// `status` of 4,000 extensions, gateway and command together, takes less than 0.3 s. Processor time is
// what counts: on a machine of its own the command takes no longer than that, and on a busy one the time
// spent waiting for others says nothing about us. They also cool caches: one run within the bound will do.
func TestStatusIsQuick(t *testing.T) {
	const bound, runs = 300 * time.Millisecond, 20
	for _, output := range []string{"text", "json"} {
		socket := serve(t, &fakeGateway{status: manyExtensions(4000)})
		cheapest := time.Duration(1 << 62)
		for i := 0; i < runs && cheapest > bound; i++ {
			before := processorTime(t)
			stdout, stderr, code := run(t, "status", "--socket", socket, "-o", output)
			cheapest = min(cheapest, processorTime(t)-before)
			if code != 0 || len(stdout) < 4000*80 {
				t.Fatalf("exit code %d, %d bytes: %s", code, len(stdout), stderr)
			}
		}
		t.Logf("%s: %v", output, cheapest)
		if cheapest > bound {
			t.Errorf("%s takes %v, more than %v", output, cheapest, bound)
		}
	}
}

// processorTime is what this process has used so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
