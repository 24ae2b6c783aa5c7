// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// Frames of the stream, by the third byte of their source address. What is at or above kindLimited crosses: within a
// budget, or in its own extension only. All others must never be seen on the other side.
const (
	kindControl byte = iota + 1
	kindForeignVLAN
	kindInnerTag
	kindRouter
	kindForeignVNI
	kindForeignVTEP
	kindReservedBits
	kindLimited byte = iota + 100
	kindTwin
)

// The storm budget of broadcasts: what of kindLimited may cross.
const (
	stormRate  = 50
	stormGuard = "{profile: hosted, storm: {broadcast: 50pps}, macs: {rate: 1000/s}}"
)

// faultStream sends frames that must be dropped, all the time, next to the load.
type faultStream struct {
	mu      sync.Mutex // held by a round; who holds it has silence
	senders []streamSender
	stop    chan struct{}
	done    chan struct{}

	start            time.Time
	toCloud, toLocal *lab.Witness
	seenBefore       map[string]uint64
}

type streamSender struct {
	*lab.Sender
	frames [][]byte
}

// startStream injects at the switch's trunk and at a hypervisor's uplink: bridges of Linux would eat some of it.
func (b *bench) startStream() *faultStream {
	b.Helper()
	s := &faultStream{stop: make(chan struct{}), done: make(chan struct{}), start: time.Now(), seenBefore: map[string]uint64{}}
	var err error
	s.toCloud, err = b.Underlay.Witness(lab.UnderlayPort(0))
	must(b.T, err)
	s.toLocal, err = b.Switch.Witness(lab.TrunkName(0))
	must(b.T, err)
	h := b.Hypervisors[0]
	for _, from := range []struct {
		at     *lab.NS
		link   string
		frames [][]byte
	}{
		{b.Switch.NS, lab.TrunkName(0), forbiddenFromCustomer()}, {h.NS, h.Uplink, b.forbiddenFromCloud()},
		{b.Host("twin", 0).NS, b.Host("twin", 0).Link, twins(1)}, {b.VM("twin", 0, 0).NS, b.VM("twin", 0, 0).Link, twins(2)},
	} {
		sender, err := from.at.Sender(from.link)
		must(b.T, err)
		s.senders = append(s.senders, streamSender{sender, from.frames})
	}
	go s.run()
	b.Cleanup(func() {
		close(s.stop)
		<-s.done
	})
	return s
}

func (s *faultStream) run() {
	defer close(s.done)
	for {
		select {
		case <-s.stop:
			return
		case <-time.After(20 * time.Millisecond):
			s.round()
		}
	}
}

// round sends each frame once. A link that is down refuses it: that is one of the faults.
func (s *faultStream) round() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sender := range s.senders {
		for _, b := range sender.frames {
			_ = sender.Send(b)
		}
	}
}

func witnessFrame(kind, number byte, dst l2.MAC, tags ...frame.Layer) []byte {
	ethernet := frame.Ethernet{Dst: dst, Src: lab.WitnessMAC(kind, number), Type: frame.Set(0x88b6)}
	return ethernet.With(append(tags, frame.Raw("forbidden"))...).Padded(64).Bytes()
}

func onVLAN(kind byte, vid l2.VID, dst l2.MAC, more ...frame.Layer) []byte {
	return frame.Ethernet{Dst: dst, Src: lab.WitnessMAC(kind, 1)}.With(append(frame.Tags(l2.SingleTag(vid), 0), more...)...).Padded(64).Bytes()
}

var (
	bridgeGroup = l2.MAC{0x01, 0x80, 0xc2, 0, 0, 0}
	allRouters  = l2.MAC{0x33, 0x33, 0, 0, 0, 1}
)

// forbiddenFromCustomer is sent on the trunk, with tags.
func forbiddenFromCustomer() [][]byte {
	payload := frame.Raw("forbidden")
	routerAddress := netip.MustParseAddr("fe80::1")
	advertisement := []frame.Layer{
		frame.IPv6{Src: routerAddress, Dst: netip.MustParseAddr("ff02::1"), HopLimit: 255},
		frame.ICMPv6{Type: frame.RouterAdvertisement}, frame.Raw(make([]byte, 8)),
	}
	frames := [][]byte{
		onVLAN(kindControl, 2301, bridgeGroup, payload),
		onVLAN(kindForeignVLAN, 998, l2.Broadcast, payload),
		onVLAN(kindInnerTag, 2301, l2.Broadcast, append(frame.Tags(l2.SingleTag(10), 0), payload)...),
		onVLAN(kindRouter, 2301, allRouters, advertisement...),
	}
	for range 4 {
		frames = append(frames, onVLAN(kindLimited, 2301, l2.Broadcast, payload))
	}
	return frames
}

// forbiddenFromCloud is sent by a hypervisor, in tunnels.
func (b *bench) forbiddenFromCloud() [][]byte {
	b.Helper()
	h := b.Hypervisors[0]
	gatewayMAC, err := b.Gateway.MAC(b.Gateway.Uplinks[0])
	must(b.T, err)
	hMAC, err := h.MAC(h.Uplink)
	must(b.T, err)
	in := func(src netip.Addr, v frame.VXLAN, inner []byte) []byte {
		return frame.Ethernet{Dst: gatewayMAC, Src: hMAC}.With(frame.IPv4{Src: src, Dst: b.Gateway.VTEP},
			frame.UDP{SrcPort: 50000, DstPort: frame.VXLANPort, Checksum: frame.Set(0)}, v, frame.Raw(inner)).Bytes()
	}
	ours := frame.VXLAN{VNI: 10100}
	tag := frame.Tags(l2.SingleTag(10), 0)
	tagged := frame.Ethernet{Dst: l2.Broadcast, Src: lab.WitnessMAC(kindInnerTag, 2)}.With(append(tag, frame.Raw("forbidden"))...).Padded(64).Bytes()
	frames := [][]byte{
		in(h.VTEP, ours, witnessFrame(kindControl, 2, bridgeGroup)),
		in(h.VTEP, ours, tagged),
		in(h.VTEP, frame.VXLAN{VNI: 77}, witnessFrame(kindForeignVNI, 2, l2.Broadcast)),
		in(netip.MustParseAddr("192.0.2.99"), ours, witnessFrame(kindForeignVTEP, 2, l2.Broadcast)),
		in(h.VTEP, frame.VXLAN{VNI: 10100, Reserved2: 1}, witnessFrame(kindReservedBits, 2, l2.Broadcast)),
	}
	for range 4 {
		frames = append(frames, in(h.VTEP, ours, witnessFrame(kindLimited, 2, l2.Broadcast)))
	}
	return frames
}

// twins are the neighbouring extension's frames.
func twins(number byte) [][]byte {
	return [][]byte{witnessFrame(kindTwin, number, l2.Broadcast)}
}

// unguarded counts the frames that crossed and must not since the last call, and says which.
func (s *faultStream) unguarded(b *bench) (count uint64, what string) {
	b.Helper()
	elapsed := time.Since(s.start)
	for way, w := range map[string]*lab.Witness{"to cloud": s.toCloud, "to customer": s.toLocal} {
		seen, err := w.Seen()
		must(b.T, err)
		for sight, n := range seen {
			allowed := uint64(0)
			switch {
			case sight.Kind == kindLimited && (sight.Segment == 10100 || sight.Segment == 2301):
				allowed = uint64(stormRate*elapsed.Seconds()*1.02) + stormRate + 2
			case sight.Kind == kindTwin && (sight.Segment == 10200 || sight.Segment == 2302):
				allowed = n
			}
			key := fmt.Sprintf("%s %+v", way, sight)
			if over := n - min(n, allowed); over > s.seenBefore[key] {
				count += over - s.seenBefore[key]
				what += fmt.Sprintf("%s: %d too many; ", key, over-s.seenBefore[key])
				s.seenBefore[key] = over
			}
		}
	}
	return count, what
}

// crossed: frames of both kinds that may cross have been seen both ways, so that the witnesses see.
func (s *faultStream) crossed(b *bench) error {
	for way, w := range map[string]*lab.Witness{"to cloud": s.toCloud, "to customer": s.toLocal} {
		seen, err := w.Seen()
		must(b.T, err)
		kinds := map[byte]bool{}
		for sight := range seen {
			kinds[sight.Kind] = true
		}
		if !kinds[kindLimited] || !kinds[kindTwin] {
			return fmt.Errorf("%s: the witness saw %v only", way, seen)
		}
	}
	return nil
}
