// SPDX-License-Identifier: Apache-2.0

package model

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// bench is one extension, acme, whose clock the test moves.
type bench struct {
	t   *testing.T
	g   *Gateway
	x   *Extension
	now int64
}

// settings are what a test changes of the usual configuration.
type settings func(d *state.Desired, x *state.Extension, g *Guards)

func newBench(t *testing.T, change ...settings) *bench {
	d, guards := oneExtension(), Defaults()
	for _, f := range change {
		if f != nil {
			f(d, &d.Extensions[0], &guards)
		}
	}
	b := &bench{t: t, g: New(d, map[l2.Name]Guards{"acme": guards}), now: int64(time.Hour)}
	b.x = b.g.Extensions[0]
	return b
}

func (b *bench) wait(d time.Duration) { b.now += int64(d) }

// fromCustomer sends a frame in by the circuit, fromCloud by a VTEP.
func (b *bench) fromCustomer(inner []byte) *Result {
	return b.g.FromCustomer(b.now, "eth2", withTags(nil, inner, b.x.VLAN, 0))
}

func (b *bench) fromCloud(vtep netip.Addr, inner []byte) *Result {
	return b.g.FromUnderlay(b.now, "eth1", tunnelled(vtep, 0, inner))
}

// from sends a frame in from a side; from the cloud by the first VTEP.
func (b *bench) from(s l2.Side, inner []byte) *Result {
	if s == l2.Cloud {
		return b.fromCloud(peerA, inner)
	}
	return b.fromCustomer(inner)
}

func tunnelled(from netip.Addr, tos uint8, inner []byte) []byte {
	e := frame.Ethernet{Dst: uplinkMAC, Src: l2.MAC{2, 0, 0, 0, 0xaa, 0x20}}
	layers := []frame.Layer{frame.UDP{SrcPort: 50000, DstPort: 4789}, frame.VXLAN{VNI: 10100}, frame.Raw(inner)}
	return e.With(append([]frame.Layer{frame.IPv4{Src: from, Dst: vtep, TOS: tos}}, layers...)...).Bytes()
}

// want checks a result's reason; "" means that the frame was sent.
func (b *bench) want(name string, r *Result, reason Reason) {
	b.t.Helper()
	if r.Reason != reason || (r.Verdict == Forwarded) != (reason == None) {
		b.t.Errorf("%s: %s as %q, want %q", name, r.Verdict, r.Reason, reason)
	}
}

// meet makes both stations known, five seconds ago.
func (b *bench) meet() {
	b.t.Helper()
	b.want("host speaks", b.fromCustomer(hello(host)), None)
	b.want("guest speaks", b.fromCloud(peerA, hello(guest)), None)
	b.wait(6 * time.Second)
}

// hello is a broadcast that no guard looks into.
func hello(src l2.MAC) []byte { return eth(l2.Broadcast, src, frame.Raw(make([]byte, 46))) }

func eth(dst, src l2.MAC, layers ...frame.Layer) []byte {
	return frame.Ethernet{Dst: dst, Src: src}.With(layers...).Bytes()
}

// station is one of many.
func station(kind byte, n int) l2.MAC { return l2.MAC{2, kind, 0, 0, byte(n >> 8), byte(n)} }

var (
	ipHost  = netip.MustParseAddr("10.1.0.1")
	ipGuest = netip.MustParseAddr("10.1.0.2")
	ip6Host = netip.MustParseAddr("2001:db8:1::1")
	ip6Any  = netip.MustParseAddr("ff02::1")
	payload = frame.Raw(make([]byte, 46))
)

// udp4 and udp6 are datagrams between ports with this first byte of payload.
func udp4(dst l2.MAC, to netip.Addr, src, port uint16, first byte) []byte {
	body := frame.Raw(append([]byte{first}, make([]byte, 30)...))
	return eth(dst, host, frame.IPv4{Src: ipHost, Dst: to}, frame.UDP{SrcPort: src, DstPort: port}, body)
}

func udp6(dst l2.MAC, to netip.Addr, src, port uint16, first byte) []byte {
	body := frame.Raw(append([]byte{first}, make([]byte, 30)...))
	return eth(dst, host, frame.IPv6{Src: ip6Host, Dst: to}, frame.UDP{SrcPort: src, DstPort: port}, body)
}

func icmp6(dst l2.MAC, kind uint8, body int) []byte {
	return eth(dst, host, frame.IPv6{Src: ip6Host, Dst: ip6Any}, frame.ICMPv6{Type: kind}, frame.Raw(make([]byte, body)))
}

func swapped(in []byte) []byte {
	out := bytes.Clone(in)
	copy(out, in[6:12])
	copy(out[6:], in[:6])
	return out
}
