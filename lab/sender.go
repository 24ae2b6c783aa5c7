// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
)

// Sender sends raw frames out of a link.
type Sender struct {
	socket *packetSocket
	link   string
}

// Sender opens a raw sender on a link. Close ends it; so does the Net's Close.
func (s *NS) Sender(link string) (*Sender, error) {
	socket, err := s.openPacket(link, false)
	if err != nil {
		return nil, err
	}
	sender := &Sender{socket: socket, link: link}
	s.net.OnClose(func() error {
		_ = socket.Close() // closed already is fine
		return nil
	})
	return sender, nil
}

// Send sends frames in order, as they are. It blocks while the link takes no more.
func (s *Sender) Send(frames ...[]byte) error {
	for _, b := range frames {
		var err error
		wait := s.socket.conn.Write(func(fd uintptr) bool {
			_, err = unix.Write(int(fd), b)
			return !errors.Is(err, unix.EAGAIN)
		})
		if err = errors.Join(wait, err); err != nil {
			return fmt.Errorf("send %d bytes on %s: %w", len(b), s.link, err)
		}
	}
	return nil
}

// SendPackets builds packets and sends them.
func (s *Sender) SendPackets(packets ...frame.Packet) error {
	for _, p := range packets {
		if err := s.Send(p.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the sender.
func (s *Sender) Close() error { return s.socket.Close() }

// Send sends frames out of a link once.
func (s *NS) Send(link string, packets ...frame.Packet) error {
	sender, err := s.Sender(link)
	if err != nil {
		return err
	}
	defer sender.Close()
	return sender.SendPackets(packets...)
}
