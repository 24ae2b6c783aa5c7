// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// markText starts the payload of the demo's own frames; a number follows.
const markText = "drawbridge demo"

// mark is a broadcast that captures know again by its number.
func mark(src l2.MAC, number uint32) frame.Packet {
	text := binary.BigEndian.AppendUint32([]byte(markText), number)
	return frame.Ethernet{Dst: l2.Broadcast, Src: src, Type: frame.Set(frame.TypeLocal)}.With(frame.Raw(text)).Padded(60)
}

// readMark finds a mark's number in a frame as it is, or in a VXLAN packet, whose sender it names.
func readMark(b []byte) (number uint32, vtep netip.Addr, ok bool) {
	p, err := frame.Parse(b)
	if err != nil {
		return 0, netip.Addr{}, false
	}
	if p.UDP != nil && p.UDP.DstPort == frame.VXLANPort {
		tunnel, err := frame.ParseVXLAN(b)
		if err != nil {
			return 0, netip.Addr{}, false
		}
		number, _, ok = readMark(tunnel.Inner)
		return number, tunnel.Src, ok
	}
	const end = len(markText)
	if p.EtherType() != frame.TypeLocal || len(p.Payload) < end+4 || string(p.Payload[:end]) != markText {
		return 0, netip.Addr{}, false
	}
	return binary.BigEndian.Uint32(p.Payload[end:]), netip.Addr{}, true
}

// markCapture counts marks on a link.
type markCapture struct {
	*lab.Capture
	where string
}

// watch captures the marks that arrive on a link; with a VTEP only those in tunnel packets from it.
func watch(where string, space *lab.NS, link string, vtep netip.Addr) (markCapture, error) {
	c, err := space.Capture(link, func(f lab.Frame) bool {
		_, from, ok := readMark(f.Data)
		return ok && (!vtep.IsValid() || from == vtep)
	})
	return markCapture{c, where}, err
}

// copies counts the marks with numbers from first to last, by number.
func (c markCapture) copies(first, last uint32) map[uint32]int {
	counts := make(map[uint32]int)
	for _, f := range c.Frames() {
		if n, _, _ := readMark(f.Data); n >= first && n <= last {
			counts[n]++
		}
	}
	return counts
}

// wait waits for one mark.
func (c markCapture) wait(number uint32) error {
	return lab.Wait(demoLimit, "a broadcast "+c.where, func() error {
		if c.copies(number, number)[number] == 0 {
			return errors.New("expected it to arrive, it did not")
		}
		return nil
	})
}

// wantCopies wants so many copies of each mark from first to last.
func (c markCapture) wantCopies(first, last uint32, want int) error {
	counts := c.copies(first, last)
	for n := first; n <= last; n++ {
		if counts[n] != want {
			return fmt.Errorf("expected %d copies of broadcast %d %s, got %d", want, n-first+1, c.where, counts[n])
		}
	}
	return nil
}

// finish ends captures. One that missed frames proves nothing.
func finish(captures ...markCapture) error {
	var errs []error
	for _, c := range captures {
		lost, err := c.Lost()
		if err == nil && lost > 0 {
			err = fmt.Errorf("expected to see every frame %s, the capture missed %d", c.where, lost)
		}
		errs = append(errs, err, c.Close())
	}
	return errors.Join(errs...)
}
