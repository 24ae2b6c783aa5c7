// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// blocking is a connection that blocks in the kernel: a thread of its own waits there, and no scheduler moves the work elsewhere.
type blocking struct{ fd int }

func (b blocking) Read(to []byte) (int, error) {
	n, err := unix.Read(b.fd, to)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func (b blocking) Write(from []byte) (int, error) {
	n, err := unix.Write(b.fd, from)
	return max(n, 0), err
}

// writerOf is the connection as its sender uses it, from the caller's goroutine; readerOf as its receiver does. Pinned, the
// goroutine keeps its thread on one CPU until it ends.
func writerOf(c net.Conn, o *options) io.Writer {
	if !o.tcpPinned {
		return c
	}
	return pinnedTo(c, generatorCPU)
}

func readerOf(c net.Conn, o *options) io.Reader {
	if !o.tcpPinned {
		return c
	}
	return pinnedTo(c, gatewayCPU)
}

// pinnedTo falls back on nothing: what it cannot do shows as an error of the first use.
func pinnedTo(c net.Conn, cpu int) io.ReadWriter {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	err := pin(0, cpu)
	fd := -1
	raw, rawErr := c.(*net.TCPConn).SyscallConn()
	err = errors.Join(err, rawErr)
	if rawErr == nil {
		err = errors.Join(err, raw.Control(func(f uintptr) { fd = int(f) }), unix.SetNonblock(fd, false))
	}
	if err != nil {
		return blocking{-1}
	}
	return blocking{fd}
}

// shutdown ends both directions of a connection, also for who blocks in the kernel.
func shutdown(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}
