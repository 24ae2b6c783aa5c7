// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
)

// pingWait is how long one echo request waits for its reply.
const pingWait = time.Second

// Ping sends echo requests one after another until one is answered, for at most the given time. It says how
// long the answered one took.
func (s *NS) Ping(to netip.Addr, limit time.Duration) (time.Duration, error) {
	p, err := s.newPinger(to)
	if err != nil {
		return 0, err
	}
	defer p.conn.Close()
	deadline := time.Now().Add(limit)
	for sequence := uint16(1); ; sequence++ {
		trip, err := p.echo(sequence, nil, min(pingWait, time.Until(deadline)))
		if err == nil {
			return trip, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) && !retryable(err) {
			return 0, err
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("ping %v from %s: no reply in %v", to, s.Role, limit)
		}
	}
}

// Pings sends count echo requests with this much payload and returns how many were answered with the same.
func (s *NS) Pings(to netip.Addr, count, size int) (int, error) {
	p, err := s.newPinger(to)
	if err != nil {
		return 0, err
	}
	defer p.conn.Close()
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(i)
	}
	answered := 0
	for i := range count {
		_, err := p.echo(uint16(i+1), payload, pingWait)
		if err == nil {
			answered++
		} else if !errors.Is(err, os.ErrDeadlineExceeded) && !retryable(err) {
			return answered, err
		}
	}
	return answered, nil
}

// PingTimes sends count echo requests, one every interval at most, and returns how long the answered ones took.
func (s *NS) PingTimes(to netip.Addr, count int, interval time.Duration) ([]time.Duration, error) {
	p, err := s.newPinger(to)
	if err != nil {
		return nil, err
	}
	defer p.conn.Close()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var took []time.Duration
	for i := range count {
		trip, err := p.echo(uint16(i+1), nil, pingWait)
		if err == nil {
			took = append(took, trip)
		} else if !errors.Is(err, os.ErrDeadlineExceeded) && !retryable(err) {
			return took, err
		}
		<-tick.C
	}
	return took, nil
}

// retryable says that a send failed because the neighbour did not answer, yet.
func retryable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

type pinger struct {
	conn net.PacketConn
	to   netip.Addr
	id   uint16
}

func (s *NS) newPinger(to netip.Addr) (*pinger, error) {
	p := &pinger{to: to, id: uint16(time.Now().UnixNano())}
	network := "ip4:icmp"
	if to.Is6() {
		network = "ip6:ipv6-icmp"
	}
	err := s.Do(func() error {
		var err error
		p.conn, err = net.ListenPacket(network, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ping %v from %s: %w", to, s.Role, err)
	}
	return p, nil
}

// echo sends one request and waits for its reply.
func (p *pinger) echo(sequence uint16, payload []byte, limit time.Duration) (time.Duration, error) {
	start := time.Now()
	if err := p.conn.SetDeadline(start.Add(limit)); err != nil {
		return 0, err
	}
	if _, err := p.conn.WriteTo(p.request(sequence, payload), &net.IPAddr{IP: p.to.AsSlice()}); err != nil {
		return 0, err
	}
	buf := make([]byte, 1<<16)
	for {
		n, from, err := p.conn.ReadFrom(buf)
		if err != nil {
			return 0, err
		}
		if p.isReply(buf[:n], from, sequence, payload) {
			return time.Since(start), nil
		}
	}
}

// request is an echo request; over IPv6 the kernel fills in the checksum.
func (p *pinger) request(sequence uint16, payload []byte) []byte {
	rest := frame.Echo(p.id, sequence)
	if p.to.Is6() {
		return frame.Stack(frame.ICMPv6{Type: frame.EchoRequest6, Rest: rest}, frame.Raw(payload)).Bytes()
	}
	return frame.Stack(frame.ICMP{Type: frame.EchoRequest4, Rest: rest}, frame.Raw(payload)).Bytes()
}

func (p *pinger) isReply(b []byte, from net.Addr, sequence uint16, payload []byte) bool {
	kind := byte(frame.EchoReply4)
	if p.to.Is6() {
		kind = frame.EchoReply6
	}
	ip, ok := from.(*net.IPAddr)
	return ok && ip.IP.Equal(p.to.AsSlice()) && len(b) == 8+len(payload) && b[0] == kind &&
		binary.BigEndian.Uint16(b[4:]) == p.id && binary.BigEndian.Uint16(b[6:]) == sequence &&
		string(b[8:]) == string(payload)
}
