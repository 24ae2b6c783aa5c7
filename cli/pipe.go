// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pipeCheck is how soon a reader that went away is noticed while there is nothing to write.
const pipeCheck = 250 * time.Millisecond

// whileRead returns a context that also ends when w is a pipe or a socket and nobody reads it any more: a
// follower with nothing to write would never notice (events -f | head -1).
func whileRead(ctx context.Context, w io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	f, ok := w.(*os.File)
	if !ok {
		return ctx, cancel
	}
	go func() {
		ticker := time.NewTicker(pipeCheck)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if readerGone(f) {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}

// readerGone asks without waiting: POLLERR on the writing end of a pipe says that all readers have closed it (poll(2)).
func readerGone(f *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&unix.POLLERR != 0
}
