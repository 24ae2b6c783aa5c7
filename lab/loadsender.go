// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	rate     int
	sent     uint64
	refused  uint64
}

func newLoadSender(socket *packetSocket, template []byte, rate int) *loadSender {
	s := &loadSender{socket: socket, messages: newMessageBatch(len(template)), rate: rate}
	for _, b := range s.messages.buffers {
		copy(b, template)
	}
	return s
}

// run sends what is due until stop is closed.
func (s *loadSender) run(stop <-chan struct{}) error {
	start := time.Now()
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		behind := int64(time.Since(start).Seconds()*float64(s.rate)) - int64(s.sent+s.refused)
		if err := s.sendDue(behind); err != nil {
			return err
		}
		if behind > burst {
			time.Sleep(shortPause)
		} else {
			time.Sleep(pause)
		}
	}
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
	for i := range n {
		binary.BigEndian.PutUint64(s.messages.buffers[i][loadSequence:], s.sent+uint64(i))
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
	s.sent += uint64(taken)
	if errors.Is(err, unix.ENOBUFS) { // the link's own queue is full: that frame was never sent
		s.refused++
		return nil
	}
	if err != nil {
		return fmt.Errorf("send load: %w", err)
	}
	return nil
}
