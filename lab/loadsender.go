// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is the most frames handed to the kernel in one call, burst the most without a pause. It is well below a
// veth's ring of 256: a late sender must not overrun it when it catches up.
const (
	batch = 32
	burst = 3 * batch
)

// A sender pauses between bursts, for shorter when it is behind.
const (
	pause      = 250 * time.Microsecond
	shortPause = 80 * time.Microsecond
)

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// messageBatch is a set of buffers that sendmmsg and recvmmsg fill or empty in one call.
type messageBatch struct {
	buffers [batch][]byte
	vectors [batch]unix.Iovec
	headers [batch]mmsghdr
}

func newMessageBatch(size int) *messageBatch {
	m := &messageBatch{}
	for i := range m.buffers {
		m.buffers[i] = make([]byte, size)
		m.vectors[i].Base = &m.buffers[i][0]
		m.vectors[i].SetLen(size)
		m.headers[i].header.Iov = &m.vectors[i]
		m.headers[i].header.SetIovlen(1)
	}
	return m
}

// call makes the system call for the first n messages and returns how many it took.
func (m *messageBatch) call(trap uintptr, fd uintptr, n int) (int, error) {
	done, _, errno := unix.Syscall6(trap, fd, uintptr(unsafe.Pointer(&m.headers[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(done), nil
}

type loadSender struct {
	socket   *packetSocket
	messages *messageBatch
	rate     int                           // 0: as fast as the machine can
	edit     func(b []byte, number uint64) // makes a frame the one of this number
	limit    uint64                        // frames in all; 0 is no limit
	sent     atomic.Uint64
	refused  uint64
}

func newLoadSender(socket *packetSocket, template []byte, rate int, edit func([]byte, uint64)) *loadSender {
	s := &loadSender{socket: socket, messages: newMessageBatch(len(template)), rate: rate, edit: edit}
	for _, b := range s.messages.buffers {
		copy(b, template)
	}
	return s
}

// putSequence numbers a frame of a flow.
func putSequence(b []byte, number uint64) { binary.BigEndian.PutUint64(b[loadSequence:], number) }

// run sends what is due until stop is closed or the limit is reached.
func (s *loadSender) run(stop <-chan struct{}) error {
	start := time.Now()
	for s.limit == 0 || s.sent.Load() < s.limit {
		select {
		case <-stop:
			return nil
		default:
		}
		behind := s.due(time.Since(start))
		if err := s.sendDue(behind); err != nil {
			return err
		}
		if behind > burst {
			time.Sleep(shortPause)
		} else {
			time.Sleep(pause)
		}
	}
	return nil
}

// due is how many frames should have been sent by now and were not.
func (s *loadSender) due(elapsed time.Duration) int64 {
	sent := s.sent.Load()
	due := int64(elapsed.Seconds()*float64(s.rate)) - int64(sent+s.refused)
	if s.rate == 0 {
		due = burst + 1
	}
	if s.limit > 0 {
		due = min(due, int64(s.limit-sent))
	}
	return due
}

// sendDue sends what is due, at most a burst.
func (s *loadSender) sendDue(due int64) error {
	for due = min(due, burst); due > 0; due -= batch {
		if err := s.sendBatch(int(min(due, batch))); err != nil {
			return err
		}
	}
	return nil
}

func (s *loadSender) sendBatch(n int) error {
	first := s.sent.Load()
	for i := range n {
		s.edit(s.messages.buffers[i], first+uint64(i))
	}
	var taken int
	var err error
	wait := s.socket.conn.Write(func(fd uintptr) bool {
		taken, err = s.messages.call(unix.SYS_SENDMMSG, fd, n)
		return !errors.Is(err, unix.EAGAIN)
	})
	if wait != nil {
		return wait
	}
	s.sent.Add(uint64(taken))
	if errors.Is(err, unix.ENOBUFS) { // the link's own queue is full: that frame was never sent
		s.refused++
		return nil
	}
	if err != nil {
		return fmt.Errorf("send load: %w", err)
	}
	return nil
}
