// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errTask = errors.New("no luck")

func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestTasksAreReadyTogetherAndEndTogether(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ready := 0
	tasks := []Task{newTask("one", untilDone), newTask("two", untilDone)}
	err := runTasks(ctx, tasks, func() {
		ready++
		cancel()
	})
	if err != nil || ready != 1 {
		t.Errorf("error %v, ready %d times; want none and once", err, ready)
	}
}

func TestATaskThatFailsEndsTheOthers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tasks := []Task{
		newTask("steady", untilDone),
		newTask("weak", func(context.Context) error { return errTask }),
	}
	err := runTasks(ctx, tasks, func() {})
	if !errors.Is(err, errTask) || err.Error() != "weak: no luck" {
		t.Errorf("error %v, want that of the weak task", err)
	}
	if ctx.Err() != nil {
		t.Error("the others did not end")
	}
}

func TestWatchdogInterval(t *testing.T) {
	tests := []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0},
		{"2000000", "", time.Second},
		{"2000000", "7", time.Second},
		{"2000000", "8", 0},
		{"-1", "", 0},
		{"soon", "", 0},
	}
	for _, tt := range tests {
		if got := watchdogInterval(tt.usec, tt.pid, 7); got != tt.want {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %s, want %s", tt.usec, tt.pid, got, tt.want)
		}
	}
}
