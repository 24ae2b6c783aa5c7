// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2"
)

func TestControlProtocols(t *testing.T) {
	cisco := l2.MAC{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc}
	snap := func(kind uint32) Layer { return SNAP{OUI: [3]byte{0, 0, 0x0c}, Type: Set(kind)} }
	body := Raw(make([]byte, 46))
	for _, c := range []struct {
		want  string
		dst   l2.MAC
		kind  uint32 // EtherType; 0: of the layers
		layer Layer
	}{
		{"", l2.Broadcast, 0x88b6, body}, {"", l2.MAC{2}, 0x0800, body}, {"", l2.MAC{0x01, 0x80, 0xc2, 0, 0, 0x10}, 0x88b6, body},
		{"", l2.MAC{0x01, 0x80, 0xc2, 0, 0, 0x40}, 0x88b6, body}, {"", l2.MAC{0x01, 0x80, 0xc2, 0, 1, 0}, 0x88b6, body},
		{"stp", l2.MAC{0x01, 0x80, 0xc2}, 0, LLC{0x42, 0x42, 3}}, {"pause", l2.MAC{2}, 0x8808, body}, {"lacp", l2.MAC{2}, 0x8809, body},
		{"lldp", l2.Broadcast, 0x88cc, body}, {"cfm", l2.MAC{2}, 0x8902, body}, {"cfm", l2.MAC{0x01, 0x80, 0xc2, 0, 0, 0x3f}, 0x88b6, body},
		{"eap", l2.MAC{0x01, 0x80, 0xc2, 0, 0, 3}, 0x888e, body}, {"mrp", l2.MAC{0x01, 0x80, 0xc2, 0, 0, 0x20}, 0x88f6, body},
		{"gvrp", l2.MAC{0x01, 0x80, 0xc2, 0, 0, 0x21}, 0, LLC{0x42, 0x42, 3}}, {"link-local control", l2.MAC{0x01, 0x80, 0xc2, 0, 0, 0x0d}, 0x88b6, body},
		{"pvst", l2.MAC{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}, 0, snap(0x010b)}, {"cdp", cisco, 0, snap(0x2000)}, {"vtp", cisco, 0, snap(0x2003)},
		{"dtp", cisco, 0, snap(0x2004)}, {"pagp", cisco, 0, snap(0x0104)}, {"udld", cisco, 0, snap(0x0111)}, {"cisco control", cisco, 0x88b6, body},
		{"isl", l2.MAC{0x01, 0x00, 0x0c}, 0x88b6, body}, {"edp", l2.MAC{0x00, 0xe0, 0x2b, 0, 0, 4}, 0x88b6, body},
	} {
		e := Ethernet{Dst: c.dst, Src: l2.MAC{2}}
		if c.kind != 0 {
			e.Type = Set(c.kind)
		}
		p, err := Parse(e.With(c.layer).Bytes())
		if p == nil {
			t.Fatal(err)
		}
		if got := p.Control(); got != c.want {
			t.Errorf("to %s, 0x%04x: %q, want %q", c.dst, c.kind, got, c.want)
		}
	}
}
