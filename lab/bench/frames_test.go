// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
)

var encodings = []encoding{plain, tagged, tunnel}

// TestFramesAreRight: the kernel's gateway is measured with them, so that every length and checksum counts.
func TestFramesAreRight(t *testing.T) {
	for _, e := range encodings {
		for _, d := range []direction{toCloud, toCustomer} {
			for _, size := range []int{64, 128, 512, 570, 1518} {
				b := stream{direction: d, encoding: e}.frame(size)
				if want := size - fcsSize + e.overhead(); len(b) != want {
					t.Errorf("encoding %d size %d: frame of %d bytes, want %d", e, size, len(b), want)
				}
				verify := frame.Verify
				if e == tunnel {
					verify = frame.VerifyTunnel
				}
				if err := verify(b); err != nil {
					t.Errorf("encoding %d size %d: %v", e, size, err)
				}
				if got := binary.BigEndian.Uint32(b[markOffset+e.overhead():]); got != magic {
					t.Errorf("encoding %d size %d: the mark is %#x", e, size, got)
				}
			}
		}
	}
}

func TestMixes(t *testing.T) {
	imix, err := parseMix("imix")
	if err != nil {
		t.Fatal(err)
	}
	count := map[int]int{}
	for _, i := range imix.pattern {
		count[imix.sizes[i]]++
	}
	if count[64] != 7 || count[570] != 4 || count[1518] != 1 {
		t.Errorf("imix is %v, want 7:4:1", count)
	}
	for _, wrong := range []string{"", "63", "1519", "64x", "0100", "IMIX"} {
		if _, err := parseMix(wrong); err == nil {
			t.Errorf("size %q is taken", wrong)
		}
	}
}

func TestLayoutGivesEveryExtensionStations(t *testing.T) {
	for _, c := range []struct {
		layout   layout
		stations int
	}{{layout{1, 1}, 1}, {layout{1, 65536}, 65536}, {layout{4000, 1}, 4000}, {layout{4000, 65536}, 64000}} {
		if got := c.layout.stations(); got != c.stations {
			t.Errorf("%v has %d stations, want %d", c.layout, got, c.stations)
		}
	}
}
