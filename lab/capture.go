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

// Frame is one frame that a Capture saw.
type Frame struct {
	// Data is the frame as on a wire: a tag that the kernel had taken out is back in its place.
	Data []byte
	// Time is when the kernel took it in, before it waited for a CPU.
	Time time.Time
	// ChecksumReady is false when the kernel has left the transport checksum for a NIC to finish: then
	// nothing can be said about it.
	ChecksumReady bool
}

// Capture records the frames that arrive on a link.
type Capture struct {
	socket *packetSocket
	filter func(Frame) bool
	done   chan struct{}

	mu     sync.Mutex
	frames []Frame
	more   chan struct{} // closed and replaced when a frame was added
	err    error
}

// Capture starts recording the frames that arrive on a link and that filter wants; nil wants all. Frames
// that leave by the link are not seen. Close ends it; so does the Net's Close.
func (s *NS) Capture(link string, filter func(Frame) bool) (*Capture, error) {
	socket, err := s.openPacket(link, true)
	if err != nil {
		return nil, err
	}
	c := &Capture{socket: socket, filter: filter, done: make(chan struct{}), more: make(chan struct{})}
	go c.run()
	s.net.OnClose(c.Close)
	return c, nil
}

// Frames is what was recorded up to now.
func (c *Capture) Frames() []Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Frame(nil), c.frames...)
}

// Count is the number of frames recorded up to now.
func (c *Capture) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.frames)
}

// Reset forgets what was recorded.
func (c *Capture) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = nil
}

// Wait waits until at least count frames are recorded, at most for the given time, and returns what is
// there. Too few is an error.
func (c *Capture) Wait(count int, limit time.Duration) ([]Frame, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		frames, more, err := append([]Frame(nil), c.frames...), c.more, c.err
		c.mu.Unlock()
		if len(frames) >= count {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		select {
		case <-more:
		case <-c.done:
			return frames, errors.New("wait for frames: the capture was closed")
		case <-deadline.C:
			return frames, fmt.Errorf("wait for frames: %d of %d came in %v", len(frames), count, limit)
		}
	}
}

// Lost is how many frames the capture missed since the last call, because the reader was too slow.
func (c *Capture) Lost() (uint64, error) { return c.socket.lost() }

// Close ends the recording; what was recorded stays. Closing twice is success.
func (c *Capture) Close() error {
	err := c.socket.Close()
	<-c.done
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

func (c *Capture) run() {
	defer close(c.done)
	buf, control := make([]byte, 1<<17), make([]byte, 256)
	for {
		frame, err := c.read(buf, control)
		if err != nil {
			c.add(nil, err)
			return
		}
		if c.filter == nil || c.filter(frame) {
			c.add(&frame, nil)
		}
	}
}

func (c *Capture) add(frame *Frame, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if frame != nil {
		c.frames = append(c.frames, *frame)
	}
	c.err = err
	close(c.more)
	c.more = make(chan struct{})
}

// read takes the next frame. A packet socket says once that its link went down, and goes on when it is up
// again.
func (c *Capture) read(buf, control []byte) (Frame, error) {
	var n, controlSize int
	var err error
	wait := c.socket.conn.Read(func(fd uintptr) bool {
		err = unix.ENETDOWN
		for errors.Is(err, unix.ENETDOWN) {
			n, controlSize, _, _, err = unix.Recvmsg(int(fd), buf, control, 0)
		}
		return !errors.Is(err, unix.EAGAIN)
	})
	if wait != nil {
		return Frame{}, wait
	}
	if err != nil {
		return Frame{}, fmt.Errorf("read packet socket: %w", err)
	}
	return newFrame(buf[:n], control[:controlSize]), nil
}

func newFrame(data, control []byte) Frame {
	aux := readAux(control)
	f := Frame{Time: aux.time, ChecksumReady: aux.status&unix.TP_STATUS_CSUMNOTREADY == 0}
	if aux.status&unix.TP_STATUS_VLAN_VALID != 0 && len(data) >= 12 {
		f.Data = append(f.Data, data[:12]...)
		f.Data = binary.BigEndian.AppendUint16(f.Data, aux.tpid())
		f.Data = binary.BigEndian.AppendUint16(f.Data, aux.tci)
		data = data[12:]
	}
	f.Data = append(f.Data, data...)
	return f
}

// auxData is the part of struct tpacket_auxdata that matters here, and the kernel's time stamp.
type auxData struct {
	time     time.Time
	status   uint32
	tci      uint16
	vlanType uint16
}

const (
	auxDataSize   = 20
	timeStampSize = 16 // struct timespec
)

func readAux(control []byte) auxData {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return auxData{}
	}
	var a auxData
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= auxDataSize:
			a.status = binary.NativeEndian.Uint32(m.Data)
			a.tci = binary.NativeEndian.Uint16(m.Data[16:])
			a.vlanType = binary.NativeEndian.Uint16(m.Data[18:])
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= timeStampSize:
			a.time = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return a
}

func (a auxData) tpid() uint16 {
	if a.status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		return a.vlanType
	}
	return unix.ETH_P_8021Q
}
