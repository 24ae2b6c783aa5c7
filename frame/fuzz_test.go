// SPDX-License-Identifier: Apache-2.0

package frame_test

import (
	"bytes"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
)

// FuzzParse: no input panics, and what was read builds a frame of the same size that reads the same.
func FuzzParse(f *testing.F) {
	for _, s := range samples() {
		f.Add(s.packet.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := frame.Parse(b)
		if err != nil {
			return
		}
		_ = p.Verify()
		once := p.Layers().Bytes()
		if len(once) != len(b) {
			t.Fatalf("%d bytes were read, %d built", len(b), len(once))
		}
		again, err := frame.Parse(once)
		if err != nil {
			t.Fatalf("what was built does not parse: %v", err)
		}
		if !bytes.Equal(once, again.Layers().Bytes()) {
			t.Fatal("building twice gives two frames")
		}
	})
}

// FuzzParseVXLAN: no input panics, and the inner frame is the tail of the input.
func FuzzParseVXLAN(f *testing.F) {
	f.Add(samples()["vxlan"].packet.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		tunnel, err := frame.ParseVXLAN(b)
		if err != nil {
			return
		}
		_ = frame.VerifyTunnel(b)
		if !bytes.Contains(b, tunnel.Inner) {
			t.Fatal("inner frame is not in the packet")
		}
	})
}

// FuzzParseDHCPv4: no input panics, and what was read builds a message that reads the same.
func FuzzParseDHCPv4(f *testing.F) {
	f.Add(frame.Stack(frame.DHCPv4{Type: frame.DHCPOffer, ClientMAC: macA, YourIP: ip4A, Server: ip4B}).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := frame.ParseDHCPv4(b)
		if err != nil {
			return
		}
		again, err := frame.ParseDHCPv4(frame.Stack(d).Bytes())
		if err != nil || again != d {
			t.Fatalf("got %+v %v, want %+v", again, err, d)
		}
	})
}
