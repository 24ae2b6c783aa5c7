// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/drawbridge-l2/drawbridge/host"
)

// watchdog tells the service manager that the loop answers, at half the interval that it asks for
// (sd_watchdog_enabled(3)); a loop that hangs is restarted, and the data plane goes on meanwhile. When
// nobody asks it does nothing.
func (d *daemon) watchdog(ctx context.Context) error {
	interval := watchdogInterval(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"), os.Getpid())
	if interval == 0 {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if d.gateway.Ping(ctx) == nil {
				_ = host.Notify("WATCHDOG=1") // what does not arrive is seen there
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// watchdogInterval is half of what is asked for; 0 when nothing is, or another process is meant.
func watchdogInterval(usec, pid string, self int) time.Duration {
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || pid != "" && pid != strconv.Itoa(self) {
		return 0
	}
	return time.Duration(n) * time.Microsecond / 2
}
