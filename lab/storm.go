// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
)

// Storm is a stream of frames that nobody asked for, as fast as one CPU makes them.
type Storm struct {
	From  *NS
	Link  string
	Frame frame.Packet
	// Edit makes a frame the one of a number, counted from 0; nil sends the same one again and again. A buffer still has
	// what an earlier Edit wrote.
	Edit  func(b []byte, number uint64)
	Rate  int    // frames a second; 0 is as fast as possible
	Limit uint64 // frames in all; 0 is until Stop
}

// StormRun is a Storm under way.
type StormRun struct {
	sender *loadSender
	stop   chan struct{}
	done   chan error
}

// StormCPU is the only CPU that storms run on, so that the others are left to what is measured. What a frame meets on
// its way through veths happens on the CPU of its sender.
const StormCPU = 0

// StartStorm starts a storm. Stop ends it, and must be called.
func StartStorm(s Storm) (*StormRun, error) {
	socket, err := s.From.openPacket(s.Link, false)
	if err != nil {
		return nil, err
	}
	edit := s.Edit
	if edit == nil {
		edit = func([]byte, uint64) {}
	}
	r := &StormRun{sender: newLoadSender(socket, s.Frame.Bytes(), s.Rate, edit), stop: make(chan struct{}), done: make(chan error, 1)}
	r.sender.limit = s.Limit
	go func() { r.done <- OnCPU(StormCPU, func() error { return r.sender.run(r.stop) }) }()
	return r, nil
}

// Sent is how many frames have been sent up to now.
func (r *StormRun) Sent() uint64 { return r.sender.sent.Load() }

// Wait waits for the end of a storm with a limit.
func (r *StormRun) Wait() (sent uint64, err error) {
	err = <-r.done
	r.sender.socket.Close()
	return r.Sent(), err
}

// Stop ends a storm and returns how many frames were sent.
func (r *StormRun) Stop() (sent uint64, err error) {
	close(r.stop)
	return r.Wait()
}

// OnCPU runs f on a thread that stays on one CPU meanwhile; a machine that has fewer uses another.
func OnCPU(cpu int, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		// The thread must live on: children that it started would be told of its death (see Command).
		defer runtime.UnlockOSThread()
		done <- pinned(cpu, f)
	}()
	return <-done
}

func pinned(cpu int, f func() error) error {
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("stay on CPU %d: %w", cpu, err)
	}
	only.Set(cpu % runtime.NumCPU())
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("stay on CPU %d: %w", cpu, err)
	}
	err := f()
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}

// storms counts those with sources of their own, so that no two share any.
var storms atomic.Uint32

// NewSources is an Edit that gives each frame a source that nobody had before, in this storm or an earlier one.
func NewSources() func(b []byte, number uint64) {
	storm := storms.Add(1)
	return func(b []byte, number uint64) {
		n := uint32(number) * 2654435761 // odd, so that no number comes twice (Knuth's multiplicative hash)
		copy(b[6:12], []byte{0x0a, byte(storm), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
}
