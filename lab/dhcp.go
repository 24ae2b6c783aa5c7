// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// ServeDHCP starts dnsmasq on a host: it leases the addresses from first to last until the Net is closed.
func (h *Host) ServeDHCP(first, last netip.Addr) error {
	dir, err := os.MkdirTemp("", "drawbridge-dhcp-")
	if err != nil {
		return fmt.Errorf("serve DHCP: %w", err)
	}
	h.net.OnClose(func() error { return os.RemoveAll(dir) })
	ready := filepath.Join(dir, "pid")
	h.dhcp, err = h.Start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping",
		"--interface="+h.Link, "--bind-dynamic", "--user=root", "--dhcp-authoritative",
		"--pid-file="+ready, "--dhcp-leasefile="+filepath.Join(dir, "leases"),
		fmt.Sprintf("--dhcp-range=%v,%v,12h", first, last))
	if err != nil {
		return err
	}
	return Wait(5*time.Second, "dnsmasq to start", func() error {
		_, err := os.Stat(ready)
		return err
	})
}

// StopDHCP ends the server.
func (h *Host) StopDHCP() error {
	if h.dhcp == nil {
		return nil
	}
	err := h.dhcp.Process.Kill()
	h.dhcp = nil
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// RequestDHCP gets a lease as a DHCP client does, retrying lost messages, and returns the address. The host's
// addresses stay as they are. It speaks with the MAC given, so that a host can ask for many.
func (h *Host) RequestDHCP(mac l2.MAC, limit time.Duration) (netip.Addr, error) {
	id := rand.Uint32()
	replies, err := h.Capture(h.Link, func(f Frame) bool {
		d, ok := dhcpReply(f.Data)
		return ok && d.ID == id
	})
	if err != nil {
		return netip.Addr{}, err
	}
	defer replies.Close()
	deadline := time.Now().Add(limit)
	offer, err := h.askDHCP(replies, deadline, frame.DHCPOffer,
		frame.DHCPv4{Type: frame.DHCPDiscover, ID: id, ClientMAC: mac, Broadcast: true})
	if err != nil {
		return netip.Addr{}, err
	}
	ack, err := h.askDHCP(replies, deadline, frame.DHCPAck, frame.DHCPv4{Type: frame.DHCPRequest, ID: id,
		ClientMAC: mac, Broadcast: true, Requested: offer.YourIP, Server: offer.Server})
	return ack.YourIP, err
}

// askDHCP sends a message every half second until an answer of the wanted type is there.
func (h *Host) askDHCP(replies *Capture, deadline time.Time, want uint8, message frame.DHCPv4) (frame.DHCPv4, error) {
	packet := frame.Ethernet{Dst: l2.Broadcast, Src: message.ClientMAC}.With(
		frame.IPv4{Src: netip.IPv4Unspecified(), Dst: netip.AddrFrom4([4]byte{255, 255, 255, 255})},
		frame.UDP{SrcPort: frame.DHCPClientPort, DstPort: frame.DHCPServerPort}, message)
	seen := 0
	for time.Now().Before(deadline) {
		if err := h.Send(h.Link, packet); err != nil {
			return frame.DHCPv4{}, err
		}
		frames, _ := replies.Wait(seen+1, min(500*time.Millisecond, time.Until(deadline)))
		for _, f := range frames[min(seen, len(frames)):] {
			if d, ok := dhcpReply(f.Data); ok && d.Type == want {
				return d, nil
			}
		}
		seen = len(frames)
	}
	return frame.DHCPv4{}, fmt.Errorf("ask for a lease in %s: no answer of type %d", h.Role, want)
}

// dhcpReply reads a message from a server.
func dhcpReply(b []byte) (frame.DHCPv4, bool) {
	p, err := frame.Parse(b)
	if err != nil || p.UDP == nil || p.UDP.DstPort != frame.DHCPClientPort {
		return frame.DHCPv4{}, false
	}
	d, err := frame.ParseDHCPv4(p.Payload)
	return d, err == nil
}
