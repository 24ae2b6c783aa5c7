// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/core/tune"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// What tune proposes is what a configuration may have: all of it at once, pasted into a file.
func TestProposalsAreConfiguration(t *testing.T) {
	begin := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	host, video := l2.MAC{2, 0, 0, 0, 0, 1}, l2.MAC{1, 0, 0x5e, 1, 1, 1}
	w := tune.New(begin)
	w.Flight(begin, tune.Flight{Mode: "observe"})
	w.Counters(begin, tune.Counters{Limit: 1024})
	frames := []tune.Frame{}
	add := func(word string, b []byte) {
		frames = append(frames, tune.Frame{At: begin, WouldDrop: word, Size: len(b), Bytes: b})
	}
	add("", frame.GratuitousARP(host, netip.MustParseAddr("10.0.0.1")).Bytes())
	add("", frame.Ethernet{Dst: l2.Broadcast, Src: host}.With(frame.Raw(make([]byte, 46))).Bytes())
	add("", frame.RouterAdvert(host, netip.MustParseAddr("fe80::1"), 1800).Bytes())
	add("inner-vlan", frame.Ethernet{Dst: l2.Broadcast, Src: host}.With(frame.VLAN{ID: 20}, frame.Raw(make([]byte, 46))).Bytes())
	add("control-frame", frame.Ethernet{Dst: l2.Broadcast, Src: host, Type: frame.Set(0x88cc)}.With(frame.Raw(make([]byte, 46))).Bytes())
	for range 100 {
		add("", frame.Ethernet{Dst: video, Src: host}.With(frame.Raw(make([]byte, 46))).Bytes())
	}
	w.Flight(begin.Add(time.Second), tune.Flight{Mode: "observe", Taken: uint32(len(frames)), Frames: frames})
	w.Counters(begin.Add(time.Second), tune.Counters{Customer: 3, Cloud: 5, Limit: 1024, ToCloud: []map[string]uint64{{"mac-move": 1}}})
	p := w.Proposal()
	_, guard, found := strings.Cut(p.YAML("acme"), "    guard:\n")
	if !found {
		t.Fatal(p.YAML("acme"))
	}
	text := `gateway: {name: gw-a, underlay: {interface: eth1}}
extensions:
  acme:
    attachment: {interface: eth2, vlan: 2301}
    overlay: {vni: 10100, peers: [192.0.2.20]}
    guard:
` + guard
	c, err := config.Parse("proposal", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	g := c.Extensions[0].Guard
	if g.Storm.ARPND.Packets != 10 || len(g.Flood.Allow) != 1 || g.Flood.Rate.Packets != 400 || g.MACs.Limit != 20 || g.Services.Router != config.ServeCustomer || len(g.InnerVLAN.Allowed) != 1 {
		t.Errorf("%+v\n%s", g, text)
	}
}
