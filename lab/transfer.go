// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
)

// Transfer says what a TCP transfer did.
type Transfer struct {
	Bytes    int64 // in each direction that was asked for
	Duration time.Duration
}

// BitsPerSecond is the rate of one direction.
func (t Transfer) BitsPerSecond() float64 { return float64(t.Bytes) * 8 / t.Duration.Seconds() }

// TransferTCP sends size random bytes from one host to an address of another over TCP, and with bothWays as many
// back at the same time. It fails unless every byte arrives, with the right SHA-256, within the limit.
func TransferTCP(from, to *NS, address netip.Addr, size int64, bothWays bool, limit time.Duration) (Transfer, error) {
	listener, err := to.ListenTCP(address)
	if err != nil {
		return Transfer{}, err
	}
	defer listener.Close()
	deadline := time.Now().Add(limit)
	if err := listener.(*net.TCPListener).SetDeadline(deadline); err != nil {
		return Transfer{}, err
	}
	start := time.Now()
	var group errgroup.Group
	group.Go(func() error { return serveTransfer(listener, size, bothWays, deadline) })
	group.Go(func() error { return dialTransfer(from, listener.Addr(), size, bothWays, deadline) })
	if err := group.Wait(); err != nil {
		return Transfer{}, fmt.Errorf("transfer from %s to %s %v: %w", from.Role, to.Role, address, err)
	}
	return Transfer{Bytes: size, Duration: time.Since(start)}, nil
}

// ListenTCP listens on a free port of an address of the namespace.
func (s *NS) ListenTCP(address netip.Addr) (net.Listener, error) {
	var listener net.Listener
	err := s.Do(func() error {
		var err error
		listener, err = net.Listen("tcp", netip.AddrPortFrom(address, 0).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %v in %s: %w", address, s.Role, err)
	}
	return listener, nil
}

// DialTCP connects from the namespace.
func (s *NS) DialTCP(address string, limit time.Duration) (net.Conn, error) {
	var conn net.Conn
	err := s.Do(func() error {
		var err error
		conn, err = net.DialTimeout("tcp", address, limit)
		return err
	})
	return conn, err
}

func serveTransfer(listener net.Listener, size int64, bothWays bool, deadline time.Time) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	return exchange(conn, size, bothWays, true, deadline)
}

func dialTransfer(from *NS, address net.Addr, size int64, bothWays bool, deadline time.Time) error {
	conn, err := from.DialTCP(address.String(), time.Until(deadline))
	if err != nil {
		return err
	}
	return exchange(conn, size, true, bothWays, deadline)
}

// exchange sends and receives at once, and closes the connection.
func exchange(conn net.Conn, size int64, send, receive bool, deadline time.Time) error {
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	group, _ := errgroup.WithContext(context.Background())
	if send {
		group.Go(func() error { return sendStream(conn, size) })
	}
	if receive {
		group.Go(func() error { return receiveStream(conn, size) })
	}
	err := group.Wait()
	if err != nil || receive {
		return err
	}
	_, err = conn.Read(make([]byte, 1)) // the receiver has it all when it closes
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("wait for the receiver: %w", err)
}

// sendStream writes size bytes of a random stream and their SHA-256.
func sendStream(w io.Writer, size int64) error {
	sum := sha256.New()
	random := rand.NewChaCha8([32]byte{byte(size), 1})
	if _, err := io.CopyN(io.MultiWriter(w, sum), random, size); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// receiveStream reads size bytes and the SHA-256 that they must have.
func receiveStream(r io.Reader, size int64) error {
	sum := sha256.New()
	if n, err := io.CopyN(sum, r, size); err != nil {
		return fmt.Errorf("receive: %d of %d bytes: %w", n, size, err)
	}
	return checkSum(r, sum)
}

func checkSum(r io.Reader, sum hash.Hash) error {
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(r, want); err != nil {
		return fmt.Errorf("receive checksum: %w", err)
	}
	if string(want) != string(sum.Sum(nil)) {
		return errors.New("receive: SHA-256 differs")
	}
	return nil
}
