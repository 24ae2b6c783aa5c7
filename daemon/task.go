// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Task is one thing that the daemon does as long as it lives.
type Task interface {
	// Run blocks until the context ends, and then returns nil; any error ends the daemon.
	Run(ctx context.Context) error
	// Ready is closed once the task does its work.
	Ready() <-chan struct{}
	// String names the task in logs and errors.
	String() string
}

// task is a Task made of a function.
type task struct {
	name  string
	run   func(ctx context.Context) error
	ready chan struct{}
}

// newTask makes a task that is ready once it runs: what can fail is opened before.
func newTask(name string, run func(ctx context.Context) error) *task {
	return &task{name: name, run: run, ready: make(chan struct{})}
}

func (t *task) Run(ctx context.Context) error {
	close(t.ready)
	return t.run(ctx)
}

func (t *task) Ready() <-chan struct{} { return t.ready }

func (t *task) String() string { return t.name }

// runTasks runs all tasks until the context ends or one of them fails, and calls ready once when all of
// them are.
func runTasks(ctx context.Context, tasks []Task, ready func()) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, t := range tasks {
		group.Go(func() error {
			if err := t.Run(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", t, err)
			}
			return nil
		})
	}
	group.Go(func() error {
		for _, t := range tasks {
			select {
			case <-t.Ready():
			case <-ctx.Done():
				return nil
			}
		}
		ready()
		return nil
	})
	return group.Wait()
}
