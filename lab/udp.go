// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// ExchangeUDP sends one datagram of this size from one host to an address of another and has it sent back. It is
// repeated until it succeeds, for at most the given time.
func ExchangeUDP(from, to *NS, address netip.Addr, size int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	server, err := to.listenUDP(address)
	if err != nil {
		return err
	}
	defer server.Close()
	go echoUDP(server)
	var client net.Conn
	err = from.Do(func() error {
		var err error
		client, err = net.Dial("udp", server.LocalAddr().String())
		return err
	})
	if err != nil {
		return fmt.Errorf("exchange UDP: %w", err)
	}
	defer client.Close()
	datagram := bytes.Repeat([]byte{0xdb}, size)
	for {
		err := roundTrip(client, datagram, min(pingWait, time.Until(deadline)))
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || time.Now().After(deadline) {
			return err
		}
	}
}

func (s *NS) listenUDP(address netip.Addr) (net.PacketConn, error) {
	var conn net.PacketConn
	err := s.Do(func() error {
		var err error
		conn, err = net.ListenPacket("udp", netip.AddrPortFrom(address, 0).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen for UDP on %v in %s: %w", address, s.Role, err)
	}
	return conn, nil
}

// echoUDP sends back what comes, until the socket is closed.
func echoUDP(conn net.PacketConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(buf[:n], from) // a lost reply is asked for again
	}
}

func roundTrip(conn net.Conn, datagram []byte, limit time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := conn.Write(datagram); err != nil {
		return fmt.Errorf("send datagram: %w", err)
	}
	answer := make([]byte, len(datagram)+1)
	n, err := conn.Read(answer)
	if err != nil {
		return fmt.Errorf("receive datagram: %w", err)
	}
	if !bytes.Equal(answer[:n], datagram) {
		return errors.New("receive datagram: it differs")
	}
	return nil
}
