// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// manyExtensions is a gateway at its largest, with drops for several reasons everywhere.
func manyExtensions(n int) *fakeGateway {
	gw := newFake()
	drops := map[string]uint64{}
	for _, reason := range []string{"malformed", "storm-broadcast", "storm-source", "mac-limit", "same-side", "too-big"} {
		drops[reason] = 1000
	}
	gw.status.Extensions = nil
	for i := range n {
		e := exampleExtension(l2.Name(fmt.Sprintf("extension-%05d", i)), state.Lowered)
		e.ToCloud.Drops, e.ToCustomer.Drops = drops, drops
		gw.status.Extensions = append(gw.status.Extensions, e)
	}
	return gw
}

// TestFourThousandExtensions: a scrape takes less than a second, and what the page and top read much less. The best of
// three counts, since the machine may be busy. Under the race detector it is a tenth of them.
func TestFourThousandExtensions(t *testing.T) {
	const extensions = 4000 / slowdown
	last := fmt.Sprintf("extension-%05d", extensions-1)
	socket, _ := start(t, manyExtensions(extensions), testOptions())
	for path, limit := range map[string]time.Duration{"/metrics": time.Second, "/v1/status?view=table": 300 * time.Millisecond} {
		best := time.Hour
		for range 3 {
			began := time.Now()
			_, body := ask(t, socket, "GET", path, "", "")
			best = min(best, time.Since(began))
			if !strings.Contains(body, last) {
				t.Fatalf("GET %s: the last extension is not in it", path)
			}
		}
		t.Logf("GET %s takes %v", path, best)
		if best > limit {
			t.Errorf("GET %s takes %v, more than %v", path, best, limit)
		}
	}
}
