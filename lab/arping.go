// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// ARPing broadcasts count ARP requests for another host's address, one every interval, and returns how many answers came,
// at most one for each: what comes within a second of the last request counts.
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
	request := frame.Ethernet{Dst: l2.Broadcast, Src: h.MAC}.With(frame.ARP{Op: frame.ARPRequest,
		SenderMAC: h.MAC, SenderIP: h.IPv4.Addr(), TargetIP: to.IPv4.Addr()}).Bytes()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for range count {
		if err := sender.Send(request); err != nil {
			return 0, err
		}
		<-tick.C
	}
	frames, _ := answers.Wait(count, time.Second) // fewer is what the caller wants to know
	return min(len(frames), count), nil
}
