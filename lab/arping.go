// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// ARPing broadcasts count ARP requests for another host's address, one every interval, and returns how many were answered
// within a second of the last. Each asks from an address of its own in the host's subnet: none is a copy of another, as none
// is on a wire where a host asks for many.
func (h *Host) ARPing(to *Host, count int, interval time.Duration) (answered int, err error) {
	answers, err := h.Capture(h.Link, func(f Frame) bool {
		p, err := frame.Parse(f.Data)
		return err == nil && p.ARP != nil && p.ARP.Op == frame.ARPReply && p.ARP.SenderMAC == to.MAC && p.ARP.TargetMAC == h.MAC
	})
	if err != nil {
		return 0, err
	}
	defer answers.Close()
	sender, err := h.Sender(h.Link)
	if err != nil {
		return 0, err
	}
	defer sender.Close()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := range count {
		request := frame.ARP{Op: frame.ARPRequest, SenderMAC: h.MAC, SenderIP: h.asker(n), TargetIP: to.IPv4.Addr()}
		if err := sender.SendPackets(frame.Ethernet{Dst: l2.Broadcast, Src: h.MAC}.With(request)); err != nil {
			return 0, err
		}
		<-tick.C
	}
	frames, _ := answers.Wait(count, time.Second) // fewer is what the caller wants to know
	return min(len(frames), count), nil
}

// asker is an address of the host's subnet that no machine of the lab has.
func (h *Host) asker(n int) netip.Addr {
	a := h.IPv4.Addr().As4()
	a[3] = byte(130 + n%120)
	return netip.AddrFrom4(a)
}
