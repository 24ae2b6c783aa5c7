// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var byValue = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b l2.VLAN) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

// planOf plans acme on the fake host's links, after a change of both.
func planOf(change func(c *config.Config, h *fakeHost, in *Inputs)) Plan {
	c, h := gatewayConfig(acme()), newFakeHost(&steps{})
	in := Inputs{Config: c, Links: h.links}
	if change != nil {
		change(c, h, &in)
	}
	return MakePlan(in)
}

func TestPlanOfAFitHost(t *testing.T) {
	got := planOf(func(c *config.Config, _ *fakeHost, _ *Inputs) {
		c.Extensions[0].Guard.MACs.Static = []config.StaticMAC{{MAC: l2.MAC{2, 1}, Side: l2.Customer}}
		c.Extensions[0].Guard.MACs.Pinned = []l2.MAC{{2, 2}}
		c.Extensions[0].Guard.Mode = config.Observe
		c.Extensions[0].Guard.InnerVLAN.Allowed = []l2.VID{10}
	})
	want := Plan{
		Desired: state.Desired{
			Gateway: "gw-a", Engine: state.EngineTC,
			Underlay: state.Underlay{
				Uplinks: []state.Uplink{{Name: "eth1", Ifindex: 2, MAC: l2.MAC{2, 0, 0, 0, 0, 2}}},
				VTEP:    netip.MustParseAddr("192.0.2.10"), Port: 4789, MTU: 1500,
			},
			NICs: []state.NIC{{Name: "eth2", Ifindex: 3, MAC: l2.MAC{2, 0, 0, 0, 0, 3}, MTU: 1500}},
			Extensions: []state.Extension{{
				Name: "acme", NIC: "eth2", VLAN: vlan("2301"), VNI: 10100, Peers: addrs("192.0.2.20"),
				MACLimit: 1024, MACAge: 300 * time.Second, Mode: state.Observe,
				Static: []state.StaticMAC{{MAC: l2.MAC{2, 1}, Side: l2.Customer}, {MAC: l2.MAC{2, 2}, Side: l2.Cloud, Pinned: true}},
				Inner:  state.InnerVLANs{Allowed: []l2.VID{10}},
				Guards: defaultGuards,
			}},
		},
		EngineReason: "eth1 is a veth, where xdp would lose segmentation offload",
		Bridges:      []Bridge{{Name: "acme", State: state.Lowered, Kind: event.Link, Severity: event.Info}},
	}
	if diff := cmp.Diff(want, got, byValue); diff != "" {
		t.Error("plan differs (-want +got):\n" + diff)
	}
}

func TestPlanSaysWhyAnExtensionIsDown(t *testing.T) {
	tests := []struct {
		name    string
		change  func(c *config.Config, h *fakeHost, in *Inputs)
		reason  string // of acme
		kind    event.Kind
		served  bool // eth2 is among the NICs
		refused bool // a reload would be refused
	}{
		{"no NIC", func(_ *config.Config, h *fakeHost, _ *Inputs) { h.remove("eth2") },
			"interface eth2 does not exist", event.Link, false, false},
		{"NIC set down", func(_ *config.Config, h *fakeHost, _ *Inputs) { h.change("eth2", func(l *Link) { l.AdminUp = false }) },
			"interface eth2 is down", event.Link, true, false},
		{"no carrier", func(_ *config.Config, h *fakeHost, _ *Inputs) { h.change("eth2", func(l *Link) { l.Carrier = false }) },
			"interface eth2 has no carrier", event.Link, true, false},
		{"NIC with an address", func(_ *config.Config, h *fakeHost, _ *Inputs) {
			h.change("eth2", func(l *Link) { l.Addrs = prefixes("10.0.0.1/24") })
		}, "interface eth2 has the address 10.0.0.1/24, and a customer's NIC must have none: ip addr del 10.0.0.1/24 dev eth2, or use another NIC",
			event.Link, false, true},
		{"NIC of ours with an address", func(_ *config.Config, h *fakeHost, in *Inputs) {
			in.Held = map[string]int{"eth2": 3}
			h.change("eth2", func(l *Link) { l.Addrs = prefixes("10.0.0.1/24") })
		}, "interface eth2 has the address 10.0.0.1/24, and a customer's NIC must have none: ip addr del 10.0.0.1/24 dev eth2, or use another NIC",
			event.Link, true, true},
		{"another NIC of the same name with an address", func(_ *config.Config, h *fakeHost, in *Inputs) {
			in.Held = map[string]int{"eth2": 99}
			h.change("eth2", func(l *Link) { l.Addrs = prefixes("10.0.0.1/24") })
		}, "interface eth2 has the address 10.0.0.1/24, and a customer's NIC must have none: ip addr del 10.0.0.1/24 dev eth2, or use another NIC",
			event.Link, false, true},
		{"port of a bridge", func(_ *config.Config, h *fakeHost, _ *Inputs) { h.change("eth2", func(l *Link) { l.Master = "br0" }) },
			"interface eth2 is a port of br0, and a customer's NIC must be free: ip link set eth2 nomaster", event.Link, false, true},
		{"NIC that could not be prepared", func(_ *config.Config, _ *fakeHost, in *Inputs) {
			in.Unfit = map[string]string{"eth2": "prepare eth2: no"}
		},
			"prepare eth2: no", event.Link, false, false},
		{"no uplink", func(_ *config.Config, h *fakeHost, _ *Inputs) { h.remove("eth1") },
			"underlay: interface eth1 does not exist", event.Link, true, false},
		{"uplinks without carrier", func(c *config.Config, h *fakeHost, _ *Inputs) {
			c.Gateway.Underlay.Interfaces = []string{"eth1", "eth3"}
			h.change("eth1", func(l *Link) { l.Carrier = false })
		}, "underlay: interface eth1 has no carrier, interface eth3 does not exist", event.Link, true, false},
		{"no VTEP address", func(_ *config.Config, h *fakeHost, _ *Inputs) { h.change("eth1", func(l *Link) { l.Addrs = nil }) },
			"underlay: eth1 has no global address: give it one, or set underlay.address to one of lo", event.Link, true, false},
		{"several VTEP addresses", func(_ *config.Config, h *fakeHost, _ *Inputs) {
			h.change("eth1", func(l *Link) { l.Addrs = prefixes("192.0.2.11/24", "192.0.2.10/24", "fe80::1/64") })
		}, "underlay: eth1 has the addresses 192.0.2.10, 192.0.2.11: set underlay.address to one of them", event.Link, true, false},
		{"VTEP address elsewhere", func(c *config.Config, h *fakeHost, _ *Inputs) {
			c.Gateway.Underlay.Address = netip.MustParseAddr("192.0.2.99")
			h.add(veth("eth9", 9, "192.0.2.99/24"))
		}, "underlay: address 192.0.2.99 is neither on eth1 nor on lo", event.Link, true, false},
		{"peer is ourselves", func(c *config.Config, _ *fakeHost, _ *Inputs) { c.Extensions[0].Overlay.Peers = addrs("192.0.2.10") },
			"extension acme has the peer 192.0.2.10, which is this gateway itself (on eth1): remove it from the peers", event.ConfigError, true, true},
		{"forced xdp, untagged on veth", func(c *config.Config, _ *fakeHost, _ *Inputs) {
			c.Gateway.Engine, c.Extensions[0].Attachment.VLAN = "xdp", l2.Untagged
		}, "extension acme is untagged on eth2, a veth, where engine xdp takes the tagged frames of a sender with txvlan on for untagged ones: use engine tc, or a tagged circuit",
			event.ConfigError, true, true},
		{"forced xdp, bond", func(c *config.Config, h *fakeHost, _ *Inputs) {
			c.Gateway.Engine = "xdp"
			h.change("eth2", func(l *Link) { l.Kind = "bond" })
		}, "interface eth2 is a bond, and engine xdp does not serve bonds: use engine tc, or auto", event.Link, false, true},
		{"forced xdp, uplink is a bond", func(c *config.Config, h *fakeHost, _ *Inputs) {
			c.Gateway.Engine = "xdp"
			h.change("eth1", func(l *Link) { l.Kind = "bond" })
		}, "interface eth1 is a bond, and engine xdp does not serve bonds: use engine tc, or auto", event.ConfigError, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(tt.change)
			b := p.Bridges[0]
			if b.State != state.Down || b.Reason != tt.reason || b.Kind != tt.kind {
				t.Errorf("acme is %s, %s %q; want down, %s %q", b.State, b.Kind, b.Reason, tt.kind, tt.reason)
			}
			if !p.Desired.Extensions[0].Down {
				t.Error("the kernel is not told that acme is down")
			}
			if served := len(p.Desired.NICs) == 1; served != tt.served {
				t.Errorf("eth2 served: %v, want %v", served, tt.served)
			}
			if refused := len(p.Refusals) > 0; refused != tt.refused {
				t.Errorf("refusals %q, want some: %v", p.Refusals, tt.refused)
			}
		})
	}
}

func TestPlanLeavesTheOthersUp(t *testing.T) {
	p := planOf(func(c *config.Config, h *fakeHost, _ *Inputs) {
		c.Extensions = append(c.Extensions, ext("beta", "eth5", "10", 10200, "192.0.2.20"), ext("self", "eth2", "11", 10300, "192.0.2.10"))
	})
	var got []string
	for _, b := range p.Bridges {
		got = append(got, string(b.Name)+" "+b.State.String())
	}
	if diff := cmp.Diff([]string{"acme lowered", "beta down", "self down"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPlanOfUplinks(t *testing.T) {
	two := func(c *config.Config, h *fakeHost, _ *Inputs) {
		c.Gateway.Underlay.Interfaces = []string{"eth1", "eth3"}
		l := veth("eth3", 4)
		l.MTU = 1400
		h.add(l)
	}
	p := planOf(two)
	if len(p.Desired.Underlay.Uplinks) != 2 || p.Desired.Underlay.MTU != 1400 {
		t.Errorf("uplinks %v with MTU %d, want two with the smaller MTU 1400", p.Desired.Underlay.Uplinks, p.Desired.Underlay.MTU)
	}
	p = planOf(func(c *config.Config, h *fakeHost, in *Inputs) {
		two(c, h, in)
		h.remove("eth3")
		c.Gateway.Underlay.MTU = 1450
	})
	if p.Bridges[0].State != state.Lowered || p.Desired.Underlay.MTU != 1450 {
		t.Errorf("with one of two uplinks acme is %s and the MTU %d; want lowered and 1450", p.Bridges[0].State, p.Desired.Underlay.MTU)
	}
	p = planOf(func(c *config.Config, h *fakeHost, _ *Inputs) {
		c.Gateway.Underlay.Address = netip.MustParseAddr("2001:db8::1")
		h.change("lo", func(l *Link) { l.Addrs = append(l.Addrs, prefixes("2001:db8::1/128")...) })
	})
	if p.UnderlayDown != "" || p.Desired.Underlay.VTEP.String() != "2001:db8::1" {
		t.Errorf("VTEP on lo: %q, %s", p.UnderlayDown, p.Desired.Underlay.VTEP)
	}
}

func TestPlanKeepsTheOperatorsWord(t *testing.T) {
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	raise := func(_ *config.Config, _ *fakeHost, in *Inputs) {
		in.Raised = map[l2.Name]Latch{"acme": {Reason: "ticket 12", Since: since}, "gone": {}}
	}
	p := planOf(raise)
	if b := p.Bridges[0]; b.State != state.RaisedUp || b.Reason != "raised by the operator: ticket 12" || !p.Desired.Extensions[0].Raised {
		t.Errorf("raised acme is %s (%q), raised in the kernel: %v", b.State, b.Reason, p.Desired.Extensions[0].Raised)
	}
	p = planOf(func(c *config.Config, h *fakeHost, in *Inputs) {
		raise(c, h, in)
		h.remove("eth2")
	})
	if b := p.Bridges[0]; b.State != state.Down || !strings.Contains(b.Reason, "does not exist; raised by the operator") || !p.Desired.Extensions[0].Raised {
		t.Errorf("raised acme without its NIC is %s (%q)", b.State, b.Reason)
	}
}

func TestPassthroughNICMayBelongToTheHost(t *testing.T) {
	p := planOf(func(c *config.Config, h *fakeHost, _ *Inputs) {
		c.Interfaces = map[string]config.Interface{"eth2": {Passthrough: true}}
		h.change("eth2", func(l *Link) { l.Addrs = prefixes("10.0.0.1/24") })
	})
	if p.Bridges[0].State != state.Lowered || len(p.Desired.NICs) != 1 || !p.Desired.NICs[0].Passthrough {
		t.Errorf("acme is %s on %v", p.Bridges[0].State, p.Desired.NICs)
	}
}

func TestChooseEngine(t *testing.T) {
	both := func(a, b Link) map[string]Link { return map[string]Link{"eth1": a, "eth2": b} }
	mlx := func(name string) Link { return nic(name, 2, "mlx5_core") }
	noRedirect := nic("eth2", 3, "ice")
	noRedirect.NativeXDP = false
	bond := veth("eth2", 3)
	bond.Kind = "bond"
	tests := []struct {
		name   string
		wanted string
		links  map[string]Link
		keep   state.Engine
		want   state.Engine
		reason string
	}{
		{"all native", "auto", both(mlx("eth1"), mlx("eth2")), 0, state.EngineXDP, "every NIC has a driver with native XDP"},
		{"a veth", "auto", both(mlx("eth1"), veth("eth2", 3)), 0, state.EngineTC, "eth2 is a veth, where xdp would lose segmentation offload"},
		{"virtio", "auto", both(nic("eth1", 2, "virtio_net"), mlx("eth2")), 0, state.EngineTC, "eth1 is a virtio_net NIC, where xdp would lose segmentation offload"},
		{"a bond", "auto", both(mlx("eth1"), bond), 0, state.EngineTC, "eth2 is a bond, and tc serves bonds"},
		{"unknown driver", "auto", both(mlx("eth1"), nic("eth2", 3, "e1000")), 0, state.EngineTC, "eth2's driver e1000 is not known to serve native XDP without loss"},
		{"kernel without", "auto", both(mlx("eth1"), noRedirect), 0, state.EngineTC, "eth2's driver ice does not redirect with native XDP on this kernel"},
		{"NIC missing at start", "auto", map[string]Link{"eth1": mlx("eth1")}, 0, state.EngineTC, "interface eth2 does not exist yet, and tc serves every NIC"},
		{"NIC missing while xdp runs", "auto", map[string]Link{"eth1": mlx("eth1")}, state.EngineXDP, state.EngineXDP, "every NIC has a driver with native XDP"},
		{"native NICs while tc runs", "auto", both(mlx("eth1"), mlx("eth2")), state.EngineTC, state.EngineTC, "it runs already, and is changed at the next reload only"},
		{"a veth while xdp runs", "auto", both(mlx("eth1"), veth("eth2", 3)), state.EngineXDP, state.EngineTC, "eth2 is a veth, where xdp would lose segmentation offload"},
		{"tc forced", "tc", both(mlx("eth1"), mlx("eth2")), 0, state.EngineTC, "configured"},
		{"xdp forced", "xdp", both(mlx("eth1"), mlx("eth2")), 0, state.EngineXDP, "configured"},
		{"xdp forced on veth", "xdp", both(mlx("eth1"), veth("eth2", 3)), 0, state.EngineXDP,
			"configured; the senders behind eth2 must have checksum and VLAN offload off, and GRO on: ethtool -K NIC tx off txvlan off tx-vlan-stag-hw-insert off gro on"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := chooseEngine(tt.wanted, []string{"eth1", "eth2"}, tt.links, tt.keep)
			if got.engine != tt.want || got.reason != tt.reason {
				t.Errorf("%s (%s), want %s (%s)", got.engine, got.reason, tt.want, tt.reason)
			}
		})
	}
}
