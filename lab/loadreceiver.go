// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

type loadReceiver struct {
	socket   *packetSocket
	number   uint32
	messages *messageBatch
	done     chan struct{}

	mu         sync.Mutex
	seen       []uint64 // one bit a sequence number
	received   uint64
	duplicated uint64
	reordered  uint64
	highest    uint64 // sequence number + 1
	last       time.Time
	longestGap time.Duration
	err        error
}

// loadSnap is how much of a frame the receiver reads.
const loadSnap = 64

func newLoadReceiver(socket *packetSocket, number uint32) *loadReceiver {
	return &loadReceiver{socket: socket, number: number, messages: newMessageBatch(loadSnap), done: make(chan struct{})}
}

// run counts frames until the socket is closed or fails.
func (r *loadReceiver) run() {
	defer close(r.done)
	for {
		var n int
		var err error
		wait := r.socket.conn.Read(func(fd uintptr) bool {
			err = unix.ENETDOWN
			for errors.Is(err, unix.ENETDOWN) { // said once when the link goes down
				n, err = r.messages.call(unix.SYS_RECVMMSG, fd, batch)
			}
			return !errors.Is(err, unix.EAGAIN)
		})
		if wait != nil {
			err = wait
		}
		if err != nil {
			r.fail(err)
			return
		}
		r.countBatch(n)
	}
}

func (r *loadReceiver) fail(err error) {
	if errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = fmt.Errorf("receive load: %w", err)
}

func (r *loadReceiver) countBatch(n int) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range n {
		b := r.messages.buffers[i][:min(loadSnap, int(r.messages.headers[i].length))]
		if len(b) < loadOffset+loadData || binary.BigEndian.Uint32(b[loadOffset:]) != loadMagic ||
			binary.BigEndian.Uint32(b[loadOffset+4:]) != r.number {
			continue
		}
		r.count(binary.BigEndian.Uint64(b[loadSequence:]), now)
	}
}

func (r *loadReceiver) count(sequence uint64, now time.Time) {
	if !r.last.IsZero() {
		r.longestGap = max(r.longestGap, now.Sub(r.last))
	}
	r.last = now
	word, bit := sequence/64, uint64(1)<<(sequence%64)
	for uint64(len(r.seen)) <= word {
		r.seen = append(r.seen, 0)
	}
	if r.seen[word]&bit != 0 {
		r.duplicated++
		return
	}
	r.seen[word] |= bit
	r.received++
	if sequence < r.highest {
		r.reordered++
	}
	r.highest = max(r.highest, sequence+1)
}

// drain waits until all of sent has come, or nothing more comes, and a moment longer for doubled frames.
func (r *loadReceiver) drain(sent uint64) {
	const pause = 10 * time.Millisecond
	idleSince, before := time.Now(), uint64(0)
	for time.Since(idleSince) < settle {
		select {
		case <-r.done:
			return
		case <-time.After(pause):
		}
		r.mu.Lock()
		total := r.received + r.duplicated
		complete := r.received >= sent
		r.mu.Unlock()
		if total != before {
			idleSince, before = time.Now(), total
		}
		if complete && time.Since(idleSince) > settle/3 {
			return
		}
	}
}

func (r *loadReceiver) report() FlowReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return FlowReport{Received: r.received, Duplicated: r.duplicated, Reordered: r.reordered, LongestGap: r.longestGap}
}
