// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestCheckEndsAtASignal: also while it waits for a file that never ends.
func TestCheckEndsAtASignal(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, self, "check", "--config", pipe)
	c.Env = append(os.Environ(), asDrawbridge+"=1")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	writer := openForReader(ctx, t, pipe)
	defer writer.Close()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var end *exec.ExitError
	if err := c.Wait(); !errors.As(err, &end) || end.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", err)
	}
}

// openForReader opens a pipe for writing as soon as somebody reads it (fifo(7): ENXIO before).
func openForReader(ctx context.Context, t *testing.T, pipe string) *os.File {
	t.Helper()
	for {
		f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			return f
		}
		if !errors.Is(err, syscall.ENXIO) || ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
