// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of one write and one read: large enough that system calls do not matter.
const (
	writeSize = 256 << 10
	readSize  = 1 << 20
)

// tcpRamp is how long connections grow before a round counts.
const tcpRamp = 150 * time.Millisecond

// tcpReading is one round's result.
type tcpReading struct {
	Rate     float64 `json:"rate"`         // payload bytes a second at the receivers
	CPUPerGB float64 `json:"cpu_s_per_gb"` // 10^9 bytes
}

// transfer sends through a number of connections from one namespace to an address in another, and measures at the receiver.
// The payload's checksums are verified by the receiving stack, so that a gateway that breaks them moves nothing.
func transfer(ctx context.Context, from, to *namespace, address netip.Addr, flows int, o *options) (tcpReading, error) {
	ctx, cancel := context.WithTimeout(ctx, o.length+10*time.Second)
	defer cancel()
	listener, err := listen(to, address)
	if err != nil {
		return tcpReading{}, err
	}
	var received atomic.Int64
	var work sync.WaitGroup
	connections := &connections{}
	work.Go(func() { serve(listener, &received, &work, connections, o) })
	defer work.Wait()
	defer func() { _ = errors.Join(connections.close(), listener.Close()) }() // ends every goroutine; what they then report is of our making
	for range flows {
		c, err := dial(ctx, from, listener.Addr().String())
		if err != nil {
			return tcpReading{}, err
		}
		connections.add(c)
		work.Go(func() { send(writerOf(c, o)) })
	}
	return observe(ctx, &received, o)
}

// observe waits for the ramp, then counts for a time.
func observe(ctx context.Context, received *atomic.Int64, o *options) (tcpReading, error) {
	if err := pause(ctx, tcpRamp); err != nil {
		return tcpReading{}, err
	}
	cpu, err := transferCPU(o.clock)
	if err != nil {
		return tcpReading{}, err
	}
	start, before := time.Now(), received.Load()
	if err := pause(ctx, o.length); err != nil {
		return tcpReading{}, err
	}
	bytes, took := float64(received.Load()-before), time.Since(start)
	now, err := transferCPU(o.clock)
	if err != nil {
		return tcpReading{}, err
	}
	if bytes == 0 {
		return tcpReading{}, errors.New("no payload arrived")
	}
	return tcpReading{Rate: bytes / took.Seconds(), CPUPerGB: (now - cpu).Seconds() / (bytes / 1e9)}, nil
}

// transferCPU is the CPU time spent so far: with the CPU clock that of sender, receiver and the kernel threads that work for
// them, else that of the whole machine.
func transferCPU(c clock) (time.Duration, error) {
	if c == clockWall {
		times, err := readCPUTimes()
		return time.Duration(times.Busy * float64(time.Second)), err
	}
	return processTime()
}

// pause is the length of a measurement, or shorter when the run is interrupted.
func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(length):
		return nil
	}
}

func listen(n *namespace, address netip.Addr) (listener net.Listener, err error) {
	err = n.run(func() error {
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(address, 0).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s in %s: %w", address, n.name, err)
	}
	return listener, nil
}

// dial retries until the context ends: the first frames may be lost while a gateway learns and resolves.
func dial(ctx context.Context, n *namespace, address string) (c net.Conn, err error) {
	for {
		err = n.run(func() error {
			c, err = net.DialTimeout("tcp4", address, 3*time.Second)
			return err
		})
		if err == nil {
			return c, nil
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return nil, fmt.Errorf("connect from %s: %w", n.name, err)
		}
	}
}

// serve reads from every connection until the listener is closed.
func serve(listener net.Listener, received *atomic.Int64, work *sync.WaitGroup, open *connections, o *options) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return // closed at the round's end
		}
		open.add(c)
		work.Go(func() {
			reader, buffer := readerOf(c, o), make([]byte, readSize)
			for {
				n, err := reader.Read(buffer)
				received.Add(int64(n))
				if err != nil {
					return // likewise
				}
			}
		})
	}
}

// send writes until the connection is closed.
func send(w io.Writer) {
	buffer := make([]byte, writeSize)
	for {
		if _, err := w.Write(buffer); err != nil {
			return // closed at the round's end
		}
	}
}

// connections are all of a round's, closed together. One added afterwards is closed at once.
type connections struct {
	mutex  sync.Mutex
	open   []net.Conn
	closed bool
}

func (c *connections) add(connection net.Conn) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		_ = connection.Close()
		return
	}
	c.open = append(c.open, connection)
}

func (c *connections) close() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.closed = true
	var errs []error
	for _, connection := range c.open {
		if tcp, ok := connection.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what is still queued is not sent
			_ = shutdown(tcp)    // ends what blocks in the kernel
		}
		errs = append(errs, connection.Close())
	}
	return errors.Join(errs...)
}
