// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"time"
)

// Wait calls check until it returns nil, for at most the given time; then it returns what check said last.
func Wait(limit time.Duration, what string, check func() error) error {
	const pause = 10 * time.Millisecond
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait for %s, %v: %w", what, limit, err)
		}
		<-time.After(pause)
	}
}
