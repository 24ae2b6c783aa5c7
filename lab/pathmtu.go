// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SetMTU changes the MTU of both ends of the host's cable.
func (h *Host) SetMTU(mtu int) error {
	return errors.Join(h.NS.SetMTU(h.Link, mtu), h.plug.NS.SetMTU(h.plug.Name, mtu))
}

// PathMTU sends UDP datagrams of a payload size that must not be fragmented until the kernel has been told that they are
// too long, for at most the given time, and returns what it was told: the MTU of the path.
func (s *NS) PathMTU(to netip.Addr, size int, limit time.Duration) (mtu int, err error) {
	var conn *net.UDPConn
	err = s.Do(func() error {
		var err error
		conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find path MTU: %w", err)
	}
	defer conn.Close()
	if err := neverFragment(conn, to.Is6()); err != nil {
		return 0, fmt.Errorf("find path MTU: %w", err)
	}
	datagram := make([]byte, size)
	err = Wait(limit, "a datagram to be too long", func() error {
		_, err := conn.Write(datagram)
		switch {
		case errors.Is(err, unix.EMSGSIZE):
			return nil
		case err == nil, errors.Is(err, unix.ECONNREFUSED): // nobody listens there
			return fmt.Errorf("%d bytes to %v were taken", size, to)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find path MTU: %w", err)
	}
	return learntMTU(conn, to.Is6())
}

func neverFragment(conn syscall.Conn, ipv6 bool) error {
	level, option, value := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO
	if ipv6 {
		level, option, value = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO
	}
	return onSocket(conn, func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
}

func learntMTU(conn syscall.Conn, ipv6 bool) (mtu int, err error) {
	level, option := unix.IPPROTO_IP, unix.IP_MTU
	if ipv6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	err = onSocket(conn, func(fd int) error {
		var err error
		mtu, err = unix.GetsockoptInt(fd, level, option)
		return err
	})
	return mtu, err
}

func onSocket(conn syscall.Conn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	control := raw.Control(func(fd uintptr) { err = f(int(fd)) })
	return errors.Join(control, err)
}
