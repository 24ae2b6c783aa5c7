// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

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
	h := b.Hypervisors[0]
	tunnels, err := h.Capture(h.Uplink, func(f lab.Frame) bool {
		tunnel, err := frame.ParseVXLAN(f.Data)
		return err == nil && tunnel.Src == b.Gateway.VTEP && !isProbe(tunnel.Inner)
	})
	must(t, err)
	super, err := b.Gateway.Capture(b.Gateway.CustomerNICs[0], func(f lab.Frame) bool { return len(f.Data) > 3000 })
	must(t, err)
	before := b.status().Extension("acme").ToCloud
	_, err = lab.TransferTCP(host.NS, vm.NS, inner[1], 4<<20, false, 2*patience)
	must(t, err)
	must(t, lab.Wait(patience, "all frames to be counted where they arrive", func() error {
		return sameBooks(b, before, tunnels.Frames())
	}))
	must(t, tunnels.Close())
	must(t, super.Close())
	if super.Count() == 0 {
		t.Error("no super-frame came in: nothing was shown")
	}
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
