// SPDX-License-Identifier: Apache-2.0

package tune

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

var (
	begin = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	host  = l2.MAC{2, 0, 0, 0, 0, 1}
	vm    = l2.MAC{2, 0, 0, 0, 1, 1}
	video = l2.MAC{1, 0, 0x5e, 1, 1, 1}
)

// world plays an extension to a Watch.
type world struct {
	*testing.T
	watch *Watch
	mode  string
	now   time.Time
	ring  []Frame
	taken uint32
	state Counters
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, watch: New(begin), mode: "observe", now: begin}
	w.state.Limit = 1024
	w.look()
	return w
}

// send floods a frame; the recorder keeps its last 32, and of each the first 104 bytes.
func (w *world) send(dir l2.Direction, word string, b []byte) {
	f := Frame{At: w.now, ToCustomer: dir == l2.ToCustomer, WouldDrop: word, Size: len(b), Bytes: b[:min(len(b), 104)]}
	w.ring = append(w.ring, f)
	w.ring = w.ring[max(0, len(w.ring)-32):]
	w.taken++
}

func (w *world) look() {
	w.watch.Flight(w.now, Flight{Mode: w.mode, Taken: w.taken, Frames: w.ring})
	w.watch.Counters(w.now, w.state)
}

// wait looks ten times a second.
func (w *world) wait(d time.Duration) {
	for range d / (100 * time.Millisecond) {
		w.now = w.now.Add(100 * time.Millisecond)
		w.look()
	}
}

func (w *world) wants(lines ...string) {
	w.Helper()
	p := w.watch.Proposal()
	text := p.YAML("acme")
	for _, want := range lines {
		if !strings.Contains(text, want) {
			w.Errorf("no %q in\n%s", want, text)
		}
	}
}

func opaque(dst, src l2.MAC) []byte {
	return frame.Ethernet{Dst: dst, Src: src}.With(frame.Raw(make([]byte, 46))).Bytes()
}

func udp(dst, src l2.MAC, srcPort, dstPort uint16, payload ...frame.Layer) []byte {
	return frame.Ethernet{Dst: dst, Src: src}.With(frame.IPv4{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")},
		frame.UDP{SrcPort: srcPort, DstPort: dstPort}).With(payload...).Bytes()
}

func TestPeaks(t *testing.T) {
	w := newWorld(t)
	for second := range 10 {
		for range second {
			w.send(l2.ToCloud, "", frame.GratuitousARP(host, netip.MustParseAddr("10.0.0.1")).Bytes())
		}
		w.send(l2.ToCustomer, "", opaque(l2.Broadcast, vm))
		w.wait(time.Second)
	}
	w.wants("arp-nd: 36pps    # to-cloud peak 9/s at 2026-11-27T10:00:09Z, p99.9 9/s, 45 frames", "broadcast: 10pps    # to-customer peak 1/s",
		"# storm.multicast: (as it is)    # none was seen", "mode observe", "4 times the busiest second")
}

// What the recorder overwrote before it was read counts all the same.
func TestWhatWasOverwrittenCounts(t *testing.T) {
	w := newWorld(t)
	for range 200 {
		w.send(l2.ToCloud, "", opaque(l2.Broadcast, host))
	}
	w.wait(time.Second)
	w.wants("broadcast: 800pps    # to-cloud peak 200/s", "Of 200 frames that flooded 32 were read")
}

// What was there before is nobody's second, and the counter wraps.
func TestOldFramesAndWrapping(t *testing.T) {
	w := &world{T: t, watch: New(begin), now: begin, taken: ^uint32(0) - 2}
	for range 32 {
		w.ring = append(w.ring, Frame{At: begin, Size: 60, Bytes: opaque(video, host)})
	}
	w.look()
	for range 5 {
		w.send(l2.ToCloud, "", opaque(l2.Broadcast, host))
	}
	w.wait(time.Second)
	w.wants("# storm.multicast: (as it is)", "broadcast: 20pps    # to-cloud peak 5/s")
}

// Guards count exactly what they would drop; samples of it are not counted once more.
func TestGuardsWordsCount(t *testing.T) {
	w := newWorld(t)
	w.wait(time.Second)
	for range 3 {
		w.send(l2.ToCloud, "storm-broadcast", opaque(l2.Broadcast, host))
	}
	w.state.ToCloud = []map[string]uint64{{"storm-broadcast": 600}, {"storm-broadcast": 100}}
	w.send(l2.ToCloud, "storm-source", opaque(video, host))
	w.wait(time.Second)
	w.state.ToCloud = []map[string]uint64{{"storm-broadcast": 700, "storm-source": 30}}
	w.wait(time.Second)
	w.state.ToCustomer = []map[string]uint64{{"storm-source": 9, "mac-move": 4}}
	w.wait(time.Second)
	w.wants("broadcast: 2800pps    # to-cloud peak 700/s", "multicast: 120pps", "9 frames to-customer were beyond their source's share", "mac-move")
}

// Words that say no class are spread over the classes of their samples.
func TestSamplesSayTheClass(t *testing.T) {
	w := newWorld(t)
	w.wait(time.Second)
	w.send(l2.ToCloud, "storm-source", opaque(video, host))
	for range 3 {
		w.send(l2.ToCloud, "storm-source", opaque(l2.Broadcast, host))
	}
	w.send(l2.ToCloud, "service-dhcp", udp(l2.Broadcast, host, 67, 68, frame.DHCPv4{Type: frame.DHCPOffer}))
	w.send(l2.ToCloud, "service-router", frame.Advertise(host, netip.MustParseAddr("fe80::1"), vm, netip.MustParseAddr("fe80::2")).Bytes())
	w.state.ToCloud = []map[string]uint64{{"storm-source": 400, "service-dhcp": 50, "service-router": 60}}
	w.wait(time.Second)
	w.wants("broadcast: 1200pps    # to-cloud peak 300/s", "multicast: 400pps    # to-cloud peak 100/s", "dhcp: 200pps    # to-cloud peak 50/s", "# storm.arp-nd: (as it is)")
}

func TestFloodsThatAreWanted(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		for range 20 {
			w.send(l2.ToCloud, "", opaque(video, host))
			w.now = w.now.Add(5 * time.Millisecond)
			w.look()
		}
	}
	w.wants(`allow: ["01:00:5e:01:01:01"]    # 01:00:5e:01:01:01 is behind 400 of 400 frames of multicast`, "rate: ", "from 02:00:00:00:00:01", "is that wanted?", "multicast: 10pps")
}

func TestServicesAndTags(t *testing.T) {
	w := newWorld(t)
	w.send(l2.ToCustomer, "", udp(l2.Broadcast, vm, 67, 68, frame.DHCPv4{Type: frame.DHCPOffer, ClientMAC: host}))
	w.send(l2.ToCloud, "", udp(l2.Broadcast, host, 68, 67, frame.DHCPv4{Type: frame.DHCPDiscover, ClientMAC: host}))
	w.send(l2.ToCloud, "", frame.RouterAdvert(host, netip.MustParseAddr("fe80::1"), 1800).Bytes())
	w.send(l2.ToCustomer, "", frame.RouterAdvert(vm, netip.MustParseAddr("fe80::2"), 1800).Bytes())
	w.send(l2.ToCloud, "service-fhrp", udp(l2.MAC{1, 0, 0x5e, 0, 0, 2}, host, 1985, 1985))
	w.send(l2.ToCloud, "inner-vlan", frame.Ethernet{Dst: l2.Broadcast, Src: host}.With(frame.VLAN{ID: 20}, frame.Raw(make([]byte, 46))).Bytes())
	w.send(l2.ToCloud, "control-frame", frame.Ethernet{Dst: l2.MAC{1, 0x80, 0xc2, 0, 0, 0x0e}, Src: host, Type: frame.Set(0x88cc)}.With(frame.Raw(make([]byte, 46))).Bytes())
	w.wait(time.Second)
	w.wants("dhcp: cloud    # 1 messages of 02:00:00:00:01:01 in the cloud", "router: both", "fhrp: customer", "# services.querier: none",
		"inner-vlan: [20]    # seen among samples, 20: 1 frames", "# control-frames.lldp: tunnel    # 1 samples were seen", "dhcp: 10pps    # to-cloud peak 1/s")
}

func TestMACs(t *testing.T) {
	w := newWorld(t)
	w.wait(time.Second)
	w.state.Customer, w.state.Cloud = 31, 3
	w.wait(time.Second)
	w.state.Customer = 30
	w.wait(time.Second)
	w.wants("limit: 130    # at most 31 on the customer's side, 3 in the cloud", "rate: 130/s    # at least 31 new in a second")
	w.state.Cloud = 1024
	w.wait(time.Second)
	w.wants("The limit of 1024 MACs was reached")
}

func TestModesAreTold(t *testing.T) {
	w := newWorld(t)
	w.wants("{} # nothing was seen that a number could be made of", "Only 1s were watched")
	w.mode = ModeEnforce
	w.wait(time.Second)
	w.wants("The mode is enforce", "`guard: {mode: observe}`, reload, and tune again")
	w.mode = ModeOff
	w.wait(time.Second)
	w.wants("The mode is off")
}

// A customer who invents addresses fills no memory.
func TestInventedAddressesAreBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 3000 {
		mac := l2.MAC{2, 1, 0, 0, byte(i >> 8), byte(i)}
		w.send(l2.ToCloud, "", opaque(mac, mac))
		if i%16 == 0 {
			w.wait(100 * time.Millisecond)
		}
	}
	w.wants(fmt.Sprintf("more than %d destinations", maxTargets))
	if n := len(w.watch.targets); n > maxTargets {
		t.Errorf("%d destinations are kept", n)
	}
}

func TestQuantile(t *testing.T) {
	var s series
	for i := range 1000 {
		s.add(begin.Add(time.Duration(i)*time.Second), float64(i))
	}
	for seconds, want := range map[int]float64{1000: 998, 1: 999, 500000: 499} {
		if got := s.quantile(0.999, seconds); got != want {
			t.Errorf("of %d seconds: %v, want %v", seconds, got, want)
		}
	}
	if (&series{}).quantile(0.999, 10) != 0 {
		t.Error("nothing has a quantile")
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(udp(l2.Broadcast, host, 67, 68), 400)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if k, ok := classify(b, size); ok && (k.class < 0 || k.class >= state.StormClasses) {
			t.Errorf("class %d", k.class)
		}
	})
}
