// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// reapTime is what reaping may take of each half second.
const reapTime = 10 * time.Millisecond

// reap has the programs look at the MACs that wait for a timer, each once: what is too old leaves, and its part of the quota is
// free again. It also puts off the reaper that does the same while nobody calls this (bpf/reap.h).
func (p *Plane) reap() error {
	var r abi.TcReaper
	if err := p.mapNamed("reaper").Lookup(uint32(0), &r); err != nil {
		return fmt.Errorf("read reaper: %w", err)
	}
	for start, left := time.Now(), int64(r.Tail-r.Head); ; {
		a := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_REAP}
		if _, err := p.runAdmin(&a); err != nil {
			return fmt.Errorf("reap old MACs: %w", err)
		}
		left -= int64(a.Done)
		if a.Done == 0 || left <= 0 || time.Since(start) > reapTime {
			return nil
		}
	}
}
