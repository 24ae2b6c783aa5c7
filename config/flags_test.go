// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func host() (string, error) { return "gw-a", nil }

// Flags and a file that say the same give the same configuration.
func TestFlagsAgreeWithFile(t *testing.T) {
	flags := Flags{
		Underlay: "eth1,eth3", Address: "192.0.2.10", Port: "4790", Name: "gw-b", Engine: "tc", Socket: "/run/b.sock", State: "/var/lib/b",
		Attach: []string{"eth2:2301", "eth2:100.200", "eth4:untagged"}, VNI: []string{"10100", "10101", "10102"},
		Peer: []string{"192.0.2.20", "192.0.2.21"},
	}
	got, err := fromFlags(flags, host)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse("", []byte(`gateway:
  name: gw-b
  engine: tc
  underlay: {interface: [eth1, eth3], address: 192.0.2.10, port: 4790}
  api: {socket: /run/b.sock}
  state: /var/lib/b
extensions:
  eth2-2301: {attachment: {interface: eth2, vlan: 2301}, overlay: {vni: 10100, peers: [192.0.2.20, 192.0.2.21]}}
  eth2-100-200: {attachment: {interface: eth2, vlan: 100.200}, overlay: {vni: 10101, peers: [192.0.2.20, 192.0.2.21]}}
  eth4-untagged: {attachment: {interface: eth4, vlan: untagged}, overlay: {vni: 10102, peers: [192.0.2.20, 192.0.2.21]}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, compareConfigs); diff != "" {
		t.Errorf("(-file +flags):\n%s", diff)
	}
}

func TestFewFlagsSuffice(t *testing.T) {
	c, err := fromFlags(Flags{Underlay: "eth1", Attach: []string{"eth2:2301"}, VNI: []string{"10100"}, Peer: []string{"2001:db8::20"}}, host)
	if err != nil {
		t.Fatal(err)
	}
	if c.Gateway.Name != "gw-a" || c.Extensions[0].Name != "eth2-2301" || c.Extensions[0].Overlay.Peers[0] != netip.MustParseAddr("2001:db8::20") {
		t.Errorf("got %+v", c)
	}
}

func TestFaultsOfFlags(t *testing.T) {
	good := func(change func(*Flags)) Flags {
		f := Flags{Underlay: "eth1", Attach: []string{"eth2:1"}, VNI: []string{"1"}, Peer: []string{"192.0.2.20"}}
		change(&f)
		return f
	}
	tests := []struct {
		name  string
		flags Flags
		want  []string
	}{
		{"none", Flags{}, []string{"--underlay: it is missing", "--attach: it is missing", "--peer: it is missing"}},
		{"VLAN", good(func(f *Flags) { f.Attach[0] = "eth2:4095" }), []string{
			"--attach eth2:4095: extensions.eth2-4095.attachment.vlan: 4095 is out of range: 1–4094, outer.inner (100.200) or untagged is allowed"}},
		{"no VLAN", good(func(f *Flags) { f.Attach[0] = "eth2" }), []string{"--attach eth2: no VLAN was found"}},
		{"VNI", good(func(f *Flags) { f.VNI[0] = "0" }), []string{"--vni 0: extensions.eth2-1.overlay.vni: 0 is out of range"}},
		{"too few VNIs", good(func(f *Flags) { f.Attach = append(f.Attach, "eth2:2") }), []string{"--vni: 2 circuits and 1 VNI were found"}},
		{"peers are checked once", good(func(f *Flags) {
			f.Attach, f.VNI, f.Peer = []string{"eth2:1", "eth2:2"}, []string{"1", "2"}, []string{"192.0.2.20", "x", "2001:db8::1", "192.0.2.20"}
		}), []string{"--peer x: peer-groups.flags: \"x\" is not an IP address", "--peer 2001:db8::1: peer-groups.flags: 2001:db8::1 is of another IP family than 192.0.2.20 by --peer 192.0.2.20",
			"--peer 192.0.2.20: peer-groups.flags: 192.0.2.20 is there twice, first by --peer 192.0.2.20"}},
		{"circuit twice", good(func(f *Flags) { f.Attach, f.VNI = []string{"eth2:1", "eth2:1"}, []string{"1", "2"} }), []string{
			"--attach eth2:1: extensions.eth2-1-2.attachment.vlan: the circuit 1 on eth2 belongs to extension eth2-1 by --attach eth2:1"}},
		{"uplink", good(func(f *Flags) { f.Attach[0] = "eth1:1" }), []string{"--attach eth1:1: extensions.eth1-1.attachment.interface: eth1 is an uplink"}},
		{"the rest", good(func(f *Flags) { f.Name, f.Engine, f.Port, f.Address = "A", "x", "p", "1" }), []string{
			"--address 1: gateway.underlay.address: 1 is not an IP address", "--port p: gateway.underlay.port: ", "--name A: gateway.name: ", "--engine x: gateway.engine: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fromFlags(tt.flags, host)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("no faults, but %v", err)
			}
			checkFaultList(t, faults, "", tt.want)
		})
	}
}
