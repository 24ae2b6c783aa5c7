// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
)

func TestVLANIsReadAsWritten(t *testing.T) {
	const file = "gateway: {name: gw-a, underlay: {interface: eth1}}\nextensions:\n  a: {overlay: {vni: 1, peers: [192.0.2.1]}, attachment: {interface: eth2, vlan: %s}}\n"
	for _, text := range []string{"1", "4094", "100.200", "100.20", "100.2", "1.1", "4094.4094", "untagged", `"100.20"`, "'7'"} {
		c, err := Parse("f.yaml", fmt.Appendf(nil, file, text))
		want := text
		if text[0] == '"' || text[0] == '\'' {
			want = text[1 : len(text)-1]
		}
		if err != nil || c.Extensions[0].Attachment.VLAN.String() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"0", "4095", "0100", "0x10", "1e3", "+5", "-5", "1_000", "1.", ".1", "1.0", "1.4095", "1.2.3", "1.02", "abc", "Untagged",
		"true", "~", "[1]", "{a: 1}", `""`, "1 2", "18446744073709551617", ".inf", "0o17", "1.e2"} {
		if c, err := Parse("f.yaml", fmt.Appendf(nil, file, text)); err == nil {
			t.Errorf("%s was read as %s", text, c.Extensions[0].Attachment.VLAN)
		}
	}
}

// Every pair of numbers is read as it is written, or refused when it is out of range.
func TestVLANProperty(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		outer, inner := r.IntN(4200), r.IntN(4200)
		text := fmt.Sprintf("%d.%d", outer, inner)
		v, err := parseVLAN(text)
		valid := outer >= 1 && outer <= 4094 && inner >= 1 && inner <= 4094
		if valid != (err == nil) || valid && (int(v.Outer()) != outer || int(v.Inner()) != inner || v.String() != text) {
			t.Fatalf("%s was read as %s, %v", text, v, err)
		}
	}
}

func TestTagProtocols(t *testing.T) {
	const file = "gateway: {name: gw-a, underlay: {interface: eth1}}\nextensions:\n  a: {overlay: {vni: 1, peers: [192.0.2.1]}, attachment: {interface: eth2, %s}}\n"
	for text, want := range map[string]Attachment{
		"vlan: 5":                     {VLAN: l2.SingleTag(5)},
		"vlan: 5, tpid: 0x88A8":       {VLAN: l2.SingleTag(5).WithTPID(l2.TPIDService)},
		"tpid: 0x8100, vlan: 5.6":     {VLAN: l2.DoubleTag(5, 6).WithTPID(l2.TPIDCustomer)},
		"vlan: 5.6, pcp: from-dscp":   {VLAN: l2.DoubleTag(5, 6), PCP: PCPFromDSCP},
		"vlan: 5, pcp: 7":             {VLAN: l2.SingleTag(5), PCP: 7},
		"vlan: untagged":              {},
		"vlan: 5.6, tpid: \"0x88a8\"": {VLAN: l2.DoubleTag(5, 6)},
	} {
		want.Interface = "eth2"
		c, err := Parse("f.yaml", fmt.Appendf(nil, file, text))
		if err != nil || c.Extensions[0].Attachment != want {
			t.Errorf("%s: got %+v, %v", text, c, err)
		}
	}
}

func TestRates(t *testing.T) {
	good := map[string]StormRate{
		"200pps":                            {PacketRate: PacketRate{200, 200}},
		"200pps burst 400":                  {PacketRate: PacketRate{200, 400}},
		"200pps 1Mbps":                      {PacketRate: PacketRate{200, 200}, Bits: BitRate{1_000_000, time.Second}},
		"200pps burst 4 2.5Gbps burst 10ms": {PacketRate: PacketRate{200, 4}, Bits: BitRate{2_500_000_000, 10 * time.Millisecond}},
	}
	for text, want := range good {
		if got, err := parseStormRate(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", " ", "200", "0pps", "pps", "-1pps", "01pps", "1e3pps", "200 pps", "200pps burst", "200pps burst 0", "200pps burst 1s",
		"200pps burst 4 burst 5", "1Mbps", "200pps 0bps", "200pps 1MBps", "200pps 1.5bps", "200pps 1Mbps x", "1000000001pps", "200PPS"} {
		if got, err := parseStormRate(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
	bits := map[string]BitRate{
		"100Mbps":             {100_000_000, time.Second},
		"100Mbps burst 100ms": {100_000_000, 100 * time.Millisecond},
		"13kbps":              {13_000, time.Second},
		"0.5Gbps":             {500_000_000, time.Second},
		"1000Gbps":            {1_000_000_000_000, time.Second},
	}
	for text, want := range bits {
		if got, err := parseBitRate(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "100", "0Mbps", "0.0Gbps", "1001Gbps", "1bps", "1Mbps burst 1ms", "1Mbps burst", "1Mbps burst 2", "1Mbps burst 2h", "1.Mbps", ".5Mbps", "1.0000001Mbps"} {
		if got, err := parseBitRate(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
	if got := (BitRate{Bits: maxBits, Burst: maxBurst}).BurstBits(); got != maxBits*3600 {
		t.Errorf("the largest bucket is %d bits", got)
	}
}

func TestDurationsAndMoves(t *testing.T) {
	for text, want := range map[string]time.Duration{"300s": 300 * time.Second, "50ms": 50 * time.Millisecond, "30m": 30 * time.Minute, "2h": 2 * time.Hour} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "s", "1", "1.5s", "1h30m", "-1s", "1 s", "1us", "1d", "99999999999999h", "18446744073709551617s"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
	if got, err := parseMoves("5/180s"); err != nil || got != (MoveLimit{5, 180 * time.Second}) {
		t.Errorf("5/180s: %+v, %v", got, err)
	}
	for _, text := range []string{"5", "0/1s", "5/", "/1s", "5/0s", "1001/1s", "5/25h"} {
		if got, err := parseMoves(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func TestFewerMovesLowerTheFastDefault(t *testing.T) {
	c, err := Parse("f.yaml", []byte(guardText("macs: {moves: 2/500ms}")))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Extensions[0].Guard.MACs.FastMoves; got != (MoveLimit{2, 500 * time.Millisecond}) {
		t.Errorf("fast moves are %+v", got)
	}
}

func TestMACPrefixes(t *testing.T) {
	for text, want := range map[string]string{
		"03:bf:*": "03:bf:00:00:00:00/16", "01:00:5e:10:00:00/24": "01:00:5e:00:00:00/24", "01:00:5e:7f:00:00/25": "01:00:5e:00:00:00/25",
		"02:00:00:00:00:01": "02:00:00:00:00:01", "02:00:00:00:00:01/48": "02:00:00:00:00:01", "03:*": "03:00:00:00:00:00/8", "01:02:03:04:05:*": "01:02:03:04:05:00/40",
	} {
		if got, err := parsePrefix(text); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "*", ":*", "03", "03:bf", "03:b:*", "01:02:03:04:05:06:*", "01:00:5e:00:00:00/49", "01:00:5e:00:00:00/", "03:bf:*/16", "03*"} {
		if got, err := parsePrefix(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
	p := MACPrefix{MAC: l2.MAC{0x03, 0xbf}, Bits: 16}
	if !p.Contains(l2.MAC{0x03, 0xbf, 1, 2, 3, 4}) || p.Contains(l2.MAC{0x03, 0xbe, 1, 2, 3, 4}) {
		t.Error("03:bf:* holds the wrong addresses")
	}
}

func TestGuardWords(t *testing.T) {
	c, err := Parse("f.yaml", []byte(guardText("services: {fhrp: both}, profile: hosted, mode: observe, mss: 1400, cpu: 20%, inner-vlan: [20, 10], control-frames: {stp: tunnel, lldp: tunnel, cdp: drop}")))
	if err != nil {
		t.Fatal(err)
	}
	g := c.Extensions[0].Guard
	if g.Profile != Hosted || g.Mode != Observe || g.MSS != (MSS{Bytes: 1400}) || g.CPU != 20 {
		t.Errorf("got %+v", g)
	}
	if g.Services != (Services{DHCP: ServeCloud, Router: ServeCloud, FHRP: ServeBoth, Querier: ServeCloud}) {
		t.Errorf("the profile's services behind a service of its own: %+v", g.Services)
	}
	if fmt.Sprint(g.InnerVLAN.Allowed, g.ControlFrames) != "[10 20] [lldp stp]" {
		t.Errorf("got %v and %v", g.InnerVLAN, g.ControlFrames)
	}
}

func TestGroupsMergeSilently(t *testing.T) {
	c, err := Parse("f.yaml", []byte("peer-groups: {p1: [192.0.2.2, 192.0.2.1], p2: [192.0.2.1, 192.0.2.3]}\n"+head+
		"  a: {attachment: {interface: eth2, vlan: 1}, overlay: {vni: 1, peers: [p1, 192.0.2.3, p2]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Extensions[0].Overlay.Peers); got != "[192.0.2.2 192.0.2.1 192.0.2.3]" {
		t.Errorf("got %s", got)
	}
}
