// SPDX-License-Identifier: Apache-2.0

package frame_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/frame"
)

func vxlanPacket(outer frame.Layer, udp frame.UDP, v frame.VXLAN, inner []byte) []byte {
	return eth.With(outer, udp, v, frame.Raw(inner)).Bytes()
}

func TestParseVXLAN(t *testing.T) {
	inner := eth.With(frame.IPv4{Src: ip4A, Dst: ip4B}, frame.UDP{SrcPort: 7, DstPort: 8}, frame.Raw("in")).Bytes()
	header := frame.VXLAN{Flags: frame.Set(0x88), Reserved1: [3]byte{1, 2, 3}, VNI: 0xabcdef, Reserved2: 9}
	b := vxlanPacket(frame.IPv6{Src: ip6A, Dst: ip6B}, frame.UDP{SrcPort: 50000, DstPort: 4789}, header, inner)
	tunnel, err := frame.ParseVXLAN(b)
	if err != nil {
		t.Fatal(err)
	}
	if tunnel.Src != ip6A || tunnel.Dst != ip6B || tunnel.Outer.UDP.SrcPort != 50000 {
		t.Errorf("outer addresses %v to %v, port %d", tunnel.Src, tunnel.Dst, tunnel.Outer.UDP.SrcPort)
	}
	if tunnel.VXLAN != header {
		t.Errorf("header %+v, want %+v", tunnel.VXLAN, header)
	}
	if diff := cmp.Diff(inner, tunnel.Inner); diff != "" {
		t.Errorf("inner frame differs:\n%s", diff)
	}
	if err := frame.VerifyTunnel(b); err != nil {
		t.Error(err)
	}
}

// TestVerifyFindsEachFlippedBit flips every bit that a checksum covers.
func TestVerifyFindsEachFlippedBit(t *testing.T) {
	v4, v6 := frame.IPv4{Src: ip4A, Dst: ip4B}, frame.IPv6{Src: ip6A, Dst: ip6B}
	for name, tc := range map[string]struct {
		packet   frame.Packet
		from, to int
	}{
		"IPv4 addresses": {eth.With(v4, frame.UDP{}, frame.Raw("abc")), 26, 34},
		"UDP payload":    {eth.With(v4, frame.UDP{}, frame.Raw("abc")), 42, 45},
		"TCP over IPv6":  {eth.With(v6, frame.TCP{}, frame.Raw("abc")), 22, 54},
		"ICMP":           {eth.With(v4, frame.ICMP{Type: 8}, frame.Raw("abc")), 34, 45},
		"ICMPv6":         {frame.Solicit(macA, ip6A, ip6B), 54, 86},
	} {
		b := tc.packet.Bytes()
		for bit := tc.from * 8; bit < tc.to*8; bit++ {
			broken := append([]byte(nil), b...)
			broken[bit/8] ^= 1 << (bit % 8)
			if err := frame.Verify(broken); err == nil {
				t.Errorf("%s: flipped bit %d of byte %d passes", name, bit%8, bit/8)
			}
		}
	}
}

func TestVerifyNamesTheCause(t *testing.T) {
	bad := eth.With(frame.IPv4{Src: ip4A, Dst: ip4B}, frame.TCP{Checksum: frame.Set(1)}).Bytes()
	if err := frame.Verify(bad); !errors.Is(err, frame.ErrChecksum) {
		t.Errorf("wrong TCP checksum: %v", err)
	}
	header := eth.With(frame.IPv4{Src: ip4A, Dst: ip4B, Checksum: frame.Set(1)}, frame.TCP{}).Bytes()
	if err := frame.Verify(header); !errors.Is(err, frame.ErrChecksum) {
		t.Errorf("wrong IPv4 checksum: %v", err)
	}
	tunnel := vxlanPacket(frame.IPv4{Src: ip4A, Dst: ip4B}, frame.UDP{Checksum: frame.Set(0)}, frame.VXLAN{VNI: 1}, bad)
	if err := frame.VerifyTunnel(tunnel); !errors.Is(err, frame.ErrChecksum) {
		t.Errorf("wrong inner checksum: %v", err)
	}
	none6 := eth.With(frame.IPv6{Src: ip6A, Dst: ip6B}, frame.UDP{Checksum: frame.Set(0)}).Bytes()
	if err := frame.Verify(none6); !errors.Is(err, frame.ErrChecksum) {
		t.Errorf("UDP over IPv6 without checksum: %v", err)
	}
}

func TestParseRefusesCutHeaders(t *testing.T) {
	for name, s := range samples() {
		b := s.packet.Bytes()
		for n := range 14 {
			if _, err := frame.Parse(b[:n]); err == nil {
				t.Errorf("%s cut to %d bytes parses", name, n)
			}
		}
	}
	whole := eth.With(frame.IPv4{Src: ip4A, Dst: ip4B}, frame.UDP{}).Bytes()
	for n := 14; n < len(whole); n++ {
		if _, err := frame.Parse(whole[:n]); err == nil {
			t.Errorf("IPv4 cut to %d bytes parses", n)
		}
	}
}

func TestDHCPRoundTrip(t *testing.T) {
	want := frame.DHCPv4{Type: frame.DHCPAck, ID: 77, ClientMAC: macA, Broadcast: true, YourIP: ip4A, Requested: ip4A, Server: ip4B}
	got, err := frame.ParseDHCPv4(frame.Stack(want).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSolicitedNode(t *testing.T) {
	group, mac := frame.SolicitedNode(ip6B)
	if group.String() != "ff02::1:ff00:2" || mac.String() != "33:33:ff:00:00:02" {
		t.Errorf("got %v %v", group, mac)
	}
}

func TestPadding(t *testing.T) {
	b := eth.With(frame.IPv4{Src: ip4A, Dst: ip4B}, frame.UDP{}).Padded(60).Bytes()
	p, err := frame.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != 60 || len(p.Trailer) != 60-14-20-8 || p.Verify() != nil {
		t.Errorf("%d bytes, trailer %d, %v", len(b), len(p.Trailer), p.Verify())
	}
}
