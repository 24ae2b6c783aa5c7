// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/google/go-cmp/cmp"
)

// compareConfigs looks into what a Config does not export.
var compareConfigs = cmp.Options{
	cmp.AllowUnexported(Config{}),
	cmp.Comparer(func(a, b l2.VLAN) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func vid(t *testing.T, n int) l2.VID {
	t.Helper()
	v, err := l2.NewVID(n)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestReferenceFile(t *testing.T) {
	got, err := Load("testdata/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	limit := BitRate{Bits: 100_000_000, Burst: time.Second}
	pps := func(n uint64) StormRate { return StormRate{PacketRate: PacketRate{Packets: n, Burst: n}} }
	want := &Config{
		File: "testdata/reference.yaml",
		Gateway: Gateway{
			Name:     "gw-a",
			Engine:   "auto",
			Underlay: Underlay{Interfaces: []string{"eth1"}, Address: netip.MustParseAddr("192.0.2.10"), Port: 4789},
			API:      API{Socket: "/run/drawbridge/api.sock"},
			State:    "/var/lib/drawbridge",
		},
		Interfaces: map[string]Interface{"eth2": {}},
		Extensions: []Extension{{
			Name:        "acme",
			Description: "ACME, order 4711",
			Attachment:  Attachment{Interface: "eth2", VLAN: l2.SingleTag(vid(t, 2301))},
			Overlay: Overlay{Encapsulation: "vxlan", VNI: 10100,
				Peers: []netip.Addr{netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("192.0.2.21")}},
			Guard: Guard{
				Bandwidth: Bandwidth{ToCloud: limit, ToCustomer: limit},
				Storm:     Storm{ARPND: pps(500), DHCP: pps(50), Broadcast: pps(200), Multicast: pps(500), UnknownUnicast: pps(200)},
				Flood: Flood{Allow: []MACPrefix{{MAC: l2.MAC{0x01, 0x00, 0x5e}, Bits: 24}},
					Rate: PacketRate{Packets: 20000, Burst: 20000}},
				MACs: MACs{Limit: 1024, Rate: 100, Age: 300 * time.Second,
					Moves: MoveLimit{5, 180 * time.Second}, FastMoves: MoveLimit{3, time.Second}},
				Protect:  []netip.Addr{netip.MustParseAddr("10.1.0.1")},
				Services: Services{DHCP: ServeBoth, Router: ServeBoth, FHRP: ServeNone, Querier: ServeBoth},
				Loop:     Loop{Probe: 50 * time.Millisecond, Fingerprint: true},
				Trip:     Trip{Auto: true},
			},
		}},
	}
	if diff := cmp.Diff(want, got, compareConfigs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the reference file calls a default must be what a file without it gets.
func TestReferenceFileShowsTheDefaults(t *testing.T) {
	full, err := Load("testdata/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	small, err := Load("testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	g := full.Extensions[0].Guard
	g.Bandwidth, g.Flood.Allow, g.Protect = Bandwidth{}, nil, nil // examples
	if diff := cmp.Diff(small.Extensions[0].Guard, g, compareConfigs); diff != "" {
		t.Errorf("guard (-minimal +reference):\n%s", diff)
	}
	full.Gateway.Underlay.Address = netip.Addr{} // an example
	if diff := cmp.Diff(small.Gateway, full.Gateway, compareConfigs); diff != "" {
		t.Errorf("gateway (-minimal +reference):\n%s", diff)
	}
}

func TestMinimalFile(t *testing.T) {
	c, err := Load("testdata/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile("testdata/minimal.yaml"); strings.Count(string(data), "\n") > 10 {
		t.Error("the minimal file has more than ten lines")
	}
	want := l2.DoubleTag(vid(t, 100), vid(t, 20))
	if got := c.Extensions[0].Attachment.VLAN; got != want {
		t.Errorf("vlan 100.20 was read as %s", got)
	}
}

func TestTwelveFaultsAreTwelve(t *testing.T) {
	_, err := Load("testdata/twelve.yaml")
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("err is %v", err)
	}
	want := []string{
		`2:9: gateway.name: "GW_A" is not a name`,
		`3:11: gateway.engine: "dpdk" was found: auto, xdp or tc is allowed`,
		`7:10: gateway.underlay.mtu: 100 is out of range: auto or 576 to 65535 is allowed`,
		`10:22: peer-groups.pod1: 192.0.2.300 is not an IP address`,
		`14:41: extensions.acme.attachment.vlan: 4095 is out of range: 1–4094, outer.inner (100.200) or untagged is allowed`,
		`14:47: extensions.acme.attachment: unknown key "tpdi", did you mean tpid?: interface, vlan, tpid or pcp is allowed`,
		`15:20: extensions.acme.overlay.vni: 0 is out of range: 1 to 16777215 is allowed`,
		`15:37: extensions.acme.overlay.peers: "pod2" is no IP address, and no peer group has this name (there are pod1)`,
		`17:23: extensions.acme.guard.storm.arp-nd: 0pps lets nothing through`,
		`19:29: extensions.beta.attachment.interface: eth1 is an uplink (gateway.underlay.interface in line 5)`,
		`20:20: extensions.beta.overlay.vni: 0x10 is not a whole number: 1 to 16777215 is allowed`,
		`20:34: extensions.beta.overlay.peers: 192.0.2.10 is the gateway itself`,
	}
	checkFaultList(t, faults, "testdata/twelve.yaml:", want)
	if got := strings.Count(err.Error(), "\n"); got != 11 {
		t.Errorf("the error has %d lines, want 12", got+1)
	}
}

// checkFaultList compares faults with the beginnings of their texts.
func checkFaultList(t *testing.T, faults Faults, prefix string, want []string) {
	t.Helper()
	for i, f := range faults {
		switch {
		case i >= len(want):
			t.Errorf("not wanted: %s", f)
		case !strings.HasPrefix(f.String(), prefix+want[i]):
			t.Errorf("fault %d:\n got %s\nwant %s%s", i, f, prefix, want[i])
		}
	}
	for _, w := range want[min(len(faults), len(want)):] {
		t.Errorf("missing: %s", w)
	}
}

func TestLoadOfAMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	var faults Faults
	if !errors.Is(err, os.ErrNotExist) || errors.As(err, &faults) {
		t.Errorf("err is %v, want one that wraps os.ErrNotExist", err)
	}
}

func TestGatewayNameFromHost(t *testing.T) {
	text := []byte("gateway: {underlay: {interface: eth1}}\n")
	for host, want := range map[string]l2.Name{"gw-a": "gw-a", "GW_A.example.net": "gw-a", "Rack 7": "rack-7"} {
		c, err := parse("f.yaml", text, func() (string, error) { return host, nil })
		if err != nil || c.Gateway.Name != want {
			t.Errorf("%s: %v, want %s", host, err, want)
		}
	}
	for _, host := range []string{"", strings.Repeat("a", 33)} {
		_, err := parse("f.yaml", text, func() (string, error) { return host, nil })
		if err == nil || !strings.HasPrefix(err.Error(), "f.yaml:1:1: gateway.name is missing") || !strings.Contains(err.Error(), "set gateway.name") {
			t.Errorf("%q: %v", host, err)
		}
	}
	_, err := parse("f.yaml", text, func() (string, error) { return "", errors.New("no name") })
	if err == nil || !strings.Contains(err.Error(), "no name") {
		t.Errorf("host without a name: %v", err)
	}
}

func TestExtensionsAreSortedAndOptional(t *testing.T) {
	const gateway = "gateway: {name: gw-a, underlay: {interface: [eth1, eth3]}}\n"
	for _, text := range []string{gateway, gateway + "extensions:\n", gateway + "extensions: {}\n"} {
		c, err := Parse("f.yaml", []byte(text))
		if err != nil || len(c.Extensions) != 0 || !slices.Equal(c.Gateway.Underlay.Interfaces, []string{"eth1", "eth3"}) {
			t.Errorf("%q: %v", text, err)
		}
	}
	c, err := Parse("f.yaml", []byte(gateway+"extensions:\n"+
		"  b: {attachment: {interface: eth2, vlan: 1}, overlay: {vni: 1, peers: [192.0.2.1]}}\n"+
		"  a: {attachment: {interface: eth2, vlan: 2}, overlay: {vni: 2, peers: [192.0.2.1]}}\n"))
	if err != nil || c.Extensions[0].Name != "a" || c.Extensions[1].Name != "b" {
		t.Errorf("order: %+v, %v", c, err)
	}
}
