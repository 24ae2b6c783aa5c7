// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// probeKind is what a probe is.
type probeKind uint8

const (
	echoProbe probeKind = iota // ICMP echo: the answer's sequence number is the size of the request
	portProbe                  // UDP to a closed port: each size has a port of its own
)

const (
	// firstWait is how long the first answer of a peer may take, lastWait what later ones get at least.
	firstWait = 700 * time.Millisecond
	lastWait  = 60 * time.Millisecond
	// probeTries is how often a size is tried before it counts as lost.
	probeTries = 2
	// closedPort begins the range that traceroute uses, for the same reason: nobody listens there.
	closedPort = 33434

	icmpHeader   = 8
	udpHeader    = 8
	ipv4Header   = 20
	ipv6Header   = 40
	smallestIPv4 = 576  // RFC 791 §3.1: what every host takes
	smallestIPv6 = 1280 // RFC 8200 §5
)

// prober sends probes to one peer and hears the answers.
type prober struct {
	kind    probeKind
	peer    netip.Addr
	fd      int
	id      uint16        // of our echo requests
	wait    time.Duration // for answers
	refused bool          // a router said too big
	ports   int           // closed ports that were used
	sizes   map[int]int   // of probes to closed ports, by port
	heard   []int         // sizes that were answered, not yet taken
	buffer  []byte
}

// openProber opens a socket that sends from a local address with the kernel's own idea of the path's MTU
// set aside (IP_PMTUDISC_PROBE), and don't-fragment set.
func (h *Host) openProber(kind probeKind, from netip.Addr, way Way) (*prober, error) {
	p := &prober{kind: kind, peer: way.Peer, fd: -1, id: uint16(rand.Uint32()), wait: firstWait, sizes: map[int]int{}, buffer: make([]byte, 1<<16)}
	ifindex := 0
	if way.Uplink != "" {
		o, err := h.observe(way.Uplink)
		if err != nil {
			return nil, err
		}
		ifindex = o.Ifindex
	}
	if err := h.inside(func() error { return p.open(from, ifindex) }); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *prober) open(from netip.Addr, ifindex int) (err error) {
	family, protocol, socket := unix.AF_INET, unix.IPPROTO_ICMP, unix.SOCK_RAW
	if p.peer.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	if p.kind == portProbe {
		socket, protocol = unix.SOCK_DGRAM, unix.IPPROTO_UDP
	}
	if p.fd, err = unix.Socket(family, socket|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol); err != nil {
		return fmt.Errorf("open socket for probes: %w", err)
	}
	if err := p.options(); err != nil {
		return fmt.Errorf("set up socket for probes: %w", err)
	}
	if ifindex != 0 {
		if err := p.leaveBy(ifindex); err != nil {
			return fmt.Errorf("choose the uplink of probes: %w", err)
		}
	}
	if from.IsValid() {
		if err := unix.Bind(p.fd, sockaddr(from, 0)); err != nil {
			return fmt.Errorf("send probes from %s: %w", from, err)
		}
	}
	return nil
}

// options of the socket. The constants of both families differ, the meanings do not.
func (p *prober) options() error {
	if !p.peer.Is6() {
		return errors.Join(
			unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE),
			unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1))
	}
	return errors.Join(
		unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE),
		unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1),
		unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1))
}

// leaveBy chooses the NIC for what is sent. The answer may come by any: the peer has routes of its own, so that the
// socket must not be bound to the device.
func (p *prober) leaveBy(ifindex int) error {
	value := make([]byte, 4)
	binary.BigEndian.PutUint32(value, uint32(ifindex))
	index := int(int32(u32(value))) // the option is in network byte order
	if p.peer.Is6() {
		return unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_IF, index)
	}
	return unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_UNICAST_IF, index)
}

func (p *prober) close() {
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
	}
}

func (p *prober) smallest() int {
	if p.peer.Is6() {
		return smallestIPv6
	}
	return smallestIPv4
}

func (p *prober) header() int {
	if p.peer.Is6() {
		return ipv6Header
	}
	return ipv4Header
}

// round sends one probe of each size, the longest first, and again those that were not answered. It returns the
// longest that was, 0 for none. The error says that none could be sent.
func (p *prober) round(ctx context.Context, sizes []int) (longest int, err error) {
	waiting := slices.Clone(sizes)
	slices.SortFunc(waiting, func(a, b int) int { return b - a })
	tries := probeTries
	if p.kind == portProbe {
		tries = 1
	}
	for ; tries > 0 && len(waiting) > 0 && ctx.Err() == nil; tries-- {
		sent := 0
		for _, size := range waiting {
			sendErr := p.send(size)
			switch {
			case sendErr == nil:
				sent++
			case errors.Is(sendErr, unix.EMSGSIZE): // more than our own NIC's MTU
			case errors.Is(sendErr, unix.ENOBUFS): // lost by the NIC or its queue
			default:
				err = sendErr
			}
		}
		if sent == 0 {
			return longest, err
		}
		for _, size := range p.listen(ctx, sent) {
			longest = max(longest, size)
			waiting = slices.DeleteFunc(waiting, func(s int) bool { return s <= longest })
		}
	}
	return longest, nil
}

// send sends a probe of this many bytes of IP. An error of an earlier probe may be told first.
func (p *prober) send(size int) error {
	packet, port := p.packet(size)
	for range 3 {
		err := unix.Sendto(p.fd, packet, 0, sockaddr(p.peer, port))
		if err == nil || !p.hearErrors() {
			return err
		}
	}
	return nil
}

// packet is what goes behind the IP header, or the UDP payload and its port.
func (p *prober) packet(size int) (packet []byte, port int) {
	if p.kind == portProbe {
		port = closedPort + p.ports
		p.ports++
		p.sizes[port] = size
		return make([]byte, size-p.header()-udpHeader), port
	}
	packet = make([]byte, size-p.header())
	packet[0] = 8 // echo request
	if p.peer.Is6() {
		packet[0] = 128 // the kernel writes the checksum
	}
	binary.BigEndian.PutUint16(packet[4:], p.id)
	binary.BigEndian.PutUint16(packet[6:], uint16(size))
	if !p.peer.Is6() {
		binary.BigEndian.PutUint16(packet[2:], internetChecksum(packet))
	}
	return packet, 0
}

// listen waits for answers to probes that were just sent, and returns their sizes.
func (p *prober) listen(ctx context.Context, sent int) []int {
	for start := time.Now(); len(p.heard) < sent && ctx.Err() == nil; {
		left := p.wait - time.Since(start)
		if left <= 0 {
			break
		}
		fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, max(1, int(left.Milliseconds())))
		if err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
		if n <= 0 {
			continue
		}
		if p.hear(); len(p.heard) > 0 { // the rest has the time of a few more round trips
			p.wait = min(p.wait, max(lastWait, 5*time.Since(start)))
		}
	}
	heard := p.heard
	p.heard = nil
	return heard
}

// hear reads everything that is there.
func (p *prober) hear() {
	for {
		n, from, err := unix.Recvfrom(p.fd, p.buffer, unix.MSG_DONTWAIT)
		if err != nil {
			break
		}
		if size, ok := p.echoReply(p.buffer[:n]); ok && addrOf(from) == p.peer.WithZone("") {
			p.heard = append(p.heard, size)
		}
	}
	p.hearErrors()
}

// echoReply reads the size that a reply is for. A raw IPv4 socket gives the IP header too.
func (p *prober) echoReply(packet []byte) (size int, ok bool) {
	reply := byte(129)
	if !p.peer.Is6() {
		reply = 0
		if len(packet) < ipv4Header {
			return 0, false
		}
		packet = packet[min(len(packet), int(packet[0]&0xf)*4):]
	}
	if p.kind != echoProbe || len(packet) < icmpHeader || packet[0] != reply || binary.BigEndian.Uint16(packet[4:]) != p.id {
		return 0, false
	}
	return int(binary.BigEndian.Uint16(packet[6:])), true
}

// hearErrors reads what ICMP said about our packets: a closed port is an answer, too big a refusal. It reports
// whether there was anything of the kind.
func (p *prober) hearErrors() (told bool) {
	control := make([]byte, 512)
	for {
		_, n, _, to, err := unix.Recvmsg(p.fd, p.buffer, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return told
		}
		errno, byICMP := extendedError(control[:n])
		told = told || byICMP
		switch size, known := p.sizes[portOf(to)]; {
		case errno == unix.EMSGSIZE && byICMP:
			p.refused = true
		case errno == unix.ECONNREFUSED && known:
			p.heard = append(p.heard, size)
		}
	}
}

// extendedError reads struct sock_extended_err (linux/errqueue.h).
func extendedError(control []byte) (errno unix.Errno, byICMP bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if (v4 || v6) && len(m.Data) >= 8 {
			origin := m.Data[4]
			return unix.Errno(u32(m.Data)), origin == unix.SO_EE_ORIGIN_ICMP || origin == unix.SO_EE_ORIGIN_ICMP6
		}
	}
	return 0, false
}

func sockaddr(a netip.Addr, port int) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4(), Port: port}
	}
	return &unix.SockaddrInet6{Addr: a.As16(), Port: port}
}

func addrOf(s unix.Sockaddr) netip.Addr {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(s.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(s.Addr)
	}
	return netip.Addr{}
}

func portOf(s unix.Sockaddr) int {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return s.Port
	case *unix.SockaddrInet6:
		return s.Port
	}
	return 0
}

// internetChecksum is that of RFC 1071.
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
