// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// TestNestedTunnel: a customer's machines run a tunnel of their own across the gateway, as container networks do. Its
// super-frames count as the frames that they become, with all their headers. Engine xdp never sees super-frames.
func TestNestedTunnel(t *testing.T) {
	for name, c := range map[string]lab.Config{"IPv4": {}, "IPv6": {IPv6: true}} {
		t.Run(name, func(t *testing.T) { testNestedTunnel(t, c) })
	}
}

func testNestedTunnel(t *testing.T, c lab.Config) {
	b := start(t, "tc", c)
	b.meet("acme")
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	ends := []*lab.Host{host, vm}
	inner := []netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("10.99.0.2")}
	for i, end := range ends {
		other := ends[1-i]
		must(t, end.VXLAN(lab.VXLAN{Name: "nested", VNI: 7, Local: end.IPv4.Addr(), Port: frame.VXLANPort, MTU: 1450}))
		must(t, end.AddFlood("nested", other.IPv4.Addr()))
		must(t, end.AddAddr("nested", netip.PrefixFrom(inner[i], 24)))
		must(t, end.Up("nested"))
	}
	b.wantNested("TCP", func() error {
		_, err := lab.TransferTCP(host.NS, vm.NS, inner[1], 4<<20, false, 2*patience)
		return err
	})
	b.wantNested("UDP", func() error { return sendSegments(host.NS, inner[1]) })
}

// wantNested sends something through the customer's tunnel, and wants it counted as what arrives.
func (b *bench) wantNested(name string, send func() error) {
	t, h := b.T, b.Hypervisors[0]
	t.Helper()
	tunnels, err := h.Capture(h.Uplink, func(f lab.Frame) bool {
		tunnel, err := frame.ParseVXLAN(f.Data)
		return err == nil && tunnel.Src == b.Gateway.VTEP && !isProbe(tunnel.Inner)
	})
	must(t, err)
	super, err := b.Gateway.Capture(b.Gateway.CustomerNICs[0], func(f lab.Frame) bool { return len(f.Data) > 3000 })
	must(t, err)
	before := b.status().Extension("acme").ToCloud
	must(t, send())
	must(t, lab.Wait(patience, "all frames of "+name+" to be counted where they arrive", func() error {
		arrived := tunnels.Frames()
		if len(arrived) < datagrams {
			return fmt.Errorf("%d frames arrived", len(arrived))
		}
		return sameBooks(b, before, arrived)
	}))
	must(t, tunnels.Close())
	must(t, super.Close())
	if super.Count() == 0 {
		t.Errorf("%s: no super-frame came in: nothing was shown", name)
	}
}

const datagrams = 40 // of sendSegments: one call of an application

// sendSegments sends datagrams that leave as one super-frame (UDP_SEGMENT of udp(7)), as QUIC does.
func sendSegments(from *lab.NS, to netip.Addr) error {
	const size = 1000
	return from.Do(func() error {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
		if err != nil {
			return err
		}
		defer conn.Close()
		raw, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		var failed error
		err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) })
		if err := errors.Join(err, failed); err != nil {
			return err
		}
		_, err = conn.Write(bytes.Repeat([]byte{0xdb}, datagrams*size))
		return err
	})
}

// sameBooks is nil when what the gateway has sent to the cloud since is what arrived there, in frames and bytes.
func sameBooks(b *bench, before lab.Counters, arrived []lab.Frame) error {
	s, err := b.daemon.Status()
	if err != nil {
		return err
	}
	after := s.Extension("acme").ToCloud
	frames, bytes := after.Tx.Frames-before.Tx.Frames, after.Tx.Bytes-before.Tx.Bytes
	var size uint64
	for _, f := range arrived {
		tunnel, err := frame.ParseVXLAN(f.Data)
		if err != nil {
			return err
		}
		size += uint64(len(tunnel.Inner))
	}
	if frames != uint64(len(arrived)) || bytes != size {
		return fmt.Errorf("%d frames and %d bytes were counted, %d and %d arrived", frames, bytes, len(arrived), size)
	}
	return nil
}

// isProbe knows the gateway's own probes, which belong to no book of an extension.
func isProbe(inner []byte) bool {
	return len(inner) > 14 && binary.BigEndian.Uint16(inner[12:]) == probeType
}
