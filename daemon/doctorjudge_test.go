// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/host"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// fit is what doctor sees of a good machine with hardware that this one does not have.
func fit(t *testing.T) *examined {
	t.Helper()
	c, err := config.Parse("a.yaml", []byte(`
gateway: {name: gw-a, underlay: {interface: [eth1, eth3], address: 192.0.2.10}}
extensions:
  acme:
    attachment: {interface: eth2, vlan: 2301}
    overlay: {vni: 10100, peers: [192.0.2.20]}
`))
	if err != nil {
		t.Fatal(err)
	}
	nic := func(name string, index int, driver string) host.Link {
		return host.Link{Name: name, Ifindex: index, MTU: 1600, Kind: host.KindDevice, Driver: driver, AdminUp: true, Carrier: true, NativeXDP: true}
	}
	x := &examined{config: c, engine: state.EngineXDP, links: map[string]host.Link{}, offloads: map[string]map[string]host.Offload{},
		rpFilter: map[string]int{}, foreign: map[string]bool{}, probed: 1600}
	for i, name := range []string{"eth1", "eth2", "eth3"} {
		x.links[name] = nic(name, i+1, "mlx5_core")
		x.offloads[name] = map[string]host.Offload{host.OffloadGRO: {On: true}, host.OffloadRxChecksum: {On: true}}
	}
	customer := x.links["eth2"]
	customer.MTU = 1500
	x.links["eth2"] = customer
	vtep := netip.MustParseAddr("192.0.2.10")
	x.plan = gateway.Plan{Desired: state.Desired{Underlay: state.Underlay{VTEP: vtep, MTU: 1600,
		Uplinks: []state.Uplink{{Name: "eth1", Ifindex: 1}, {Name: "eth3", Ifindex: 3}}}}}
	peer := netip.MustParseAddr("192.0.2.20")
	way := host.Way{Peer: peer, Uplink: "eth1"}
	x.paths = []host.Path{{Way: way, Size: 1600, Exact: true, Echo: true}}
	x.hops = []host.NextHop{{Peer: peer, Uplink: 1, Addr: peer, MAC: [6]byte{2}}, {Peer: peer, Uplink: 3, Addr: peer, MAC: [6]byte{2}}}
	now := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	x.system = host.System{Facts: host.Facts{Release: "6.12.0", BTF: true, Filesystems: "nodev\tbpf\n"}, BPFFSMounted: true, JIT: true,
		Memlock: host.Unlimited, MemAvailable: 8 << 30, Clock: host.Clock{Now: now, Synchronised: true}}
	return x
}

func TestAFitMachineHasNoFinding(t *testing.T) {
	for _, f := range judge(fit(t)) {
		if f.Severity != fine || f.Consequence != "" || f.Remedy != "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestEachFaultIsNamedWithItsRemedy(t *testing.T) {
	on, fixed := host.Offload{On: true}, host.Offload{On: true, Fixed: true}
	change := func(x *examined, name string, f func(*host.Link)) {
		l := x.links[name]
		f(&l)
		x.links[name] = l
	}
	for _, tt := range []struct {
		name           string
		fault          func(*examined)
		check, subject string
		severity       severity
		what, remedy   string
	}{
		{"old kernel", func(x *examined) { x.system.Release = "6.1.0" }, "kernel", "", severe, "too old", "6.6"},
		{"no BTF", func(x *examined) { x.system.BTF = false }, "btf", "", severe, "BTF", "CONFIG_DEBUG_INFO_BTF"},
		{"no bpffs", func(x *examined) { x.system.Filesystems = "" }, "bpffs", "", severe, "no BPF file system", "CONFIG_BPF_SYSCALL"},
		{"bpffs not mounted", func(x *examined) { x.system.BPFFSMounted = false }, "bpffs", "", warning, "not mounted", "mount -t bpf"},
		{"no JIT", func(x *examined) { x.system.JIT = false }, "jit", "", warning, "interprets", "bpf_jit_enable"},
		{"little memory", func(x *examined) { x.system.MemAvailable = 100 << 20 }, "memory", "", warning, "100 MiB", "more memory"},
		{"clock not kept", func(x *examined) { x.system.Clock.Synchronised = false }, "clock", "", warning, "nothing keeps it right", "timedatectl"},
		{"clock far off", func(x *examined) { x.system.Clock.Built = x.system.Clock.Now.AddDate(1, 0, 0) }, "clock", "", warning, "before the kernel was built", "timedatectl"},
		{"no certificate", func(x *examined) { x.tls = &certificate{err: errors.New("open gw.crt: no such file")} }, "certificate", "", severe, "gw.crt", "api.tls"},
		{"certificate at its end", func(x *examined) { x.tls = &certificate{until: x.system.Clock.Now} }, "certificate", "", severe, "was valid until", "renew"},
		{"certificate near its end", func(x *examined) { x.tls = &certificate{until: x.system.Clock.Now.AddDate(0, 0, 17)} }, "certificate", "", warning, "only", "renew"},
		{"LRO before the start", func(x *examined) { x.offloads["eth2"][host.OffloadLRO] = on }, "offloads", "eth2", warning, "LRO", "doctor --fix"},
		{"LRO while running", func(x *examined) { x.running = true; x.offloads["eth2"][host.OffloadLRO] = on }, "offloads", "eth2", severe, "LRO", "ethtool -K eth2 lro off"},
		{"LRO fixed on", func(x *examined) { x.offloads["eth1"][host.OffloadLRO] = fixed }, "offloads", "eth1", severe, "does not let it be changed", "another NIC"},
		{"rxvlan", func(x *examined) { x.running = true; x.offloads["eth2"][host.OffloadRxVLAN] = on }, "vlan-stripping", "eth2", severe, "rxvlan is on", "ethtool -K eth2 rxvlan off"},
		{"rxvlan fixed on", func(x *examined) { x.offloads["eth2"][host.OffloadRxVLAN] = fixed }, "vlan-stripping", "eth2", severe, "does not let it be changed", "engine: tc"},
		{"LRO of a bond's member", func(x *examined) {
			x.engine, x.running = state.EngineTC, true
			change(x, "eth2", func(l *host.Link) { l.Kind, l.Driver = "bond", "bond" })
			x.links["eth8"] = host.Link{Name: "eth8", Kind: host.KindDevice, Master: "eth2"}
			x.offloads["eth8"] = map[string]host.Offload{host.OffloadLRO: on}
		}, "offloads", "eth8", severe, "LRO", "ethtool -K eth8 lro off"},
		{"no GRO under tc", func(x *examined) { x.engine = state.EngineTC; x.offloads["eth1"][host.OffloadGRO] = host.Offload{} }, "offloads", "eth1", notice, "GRO is off", "gro on"},
		{"a bond under xdp", func(x *examined) { change(x, "eth2", func(l *host.Link) { l.Kind = "bond" }) }, "engine", "eth2", severe, "is a bond", "auto, or tc"},
		{"no native XDP", func(x *examined) { change(x, "eth1", func(l *host.Link) { l.NativeXDP = false }) }, "engine", "eth1", severe, "no native XDP", "auto, or tc"},
		{"a foreign XDP program", func(x *examined) { x.foreign["eth2"] = true }, "engine", "eth2", severe, "somebody else", "bpftool net show"},
		{"an uplink is down", func(x *examined) { change(x, "eth3", func(l *host.Link) { l.AdminUp = false }) }, "nic", "eth3", severe, "is down", "ip link set eth3 up"},
		{"no carrier", func(x *examined) { change(x, "eth2", func(l *host.Link) { l.Carrier = false }) }, "nic", "eth2", severe, "no carrier", "cable"},
		{"two addresses, none chosen", func(x *examined) {
			x.config.Gateway.Underlay.Address, x.plan.Desired.Underlay.VTEP = netip.Addr{}, netip.Addr{}
			change(x, "eth1", func(l *host.Link) {
				l.Addrs = []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24"), netip.MustParsePrefix("192.0.2.11/24")}
			})
		}, "vtep", "", severe, "192.0.2.10, 192.0.2.11", "underlay.address"},
		{"no address at all", func(x *examined) {
			x.config.Gateway.Underlay.Address, x.plan.Desired.Underlay.VTEP = netip.Addr{}, netip.Addr{}
		}, "vtep", "", severe, "no global address", "underlay.address"},
		{"underlay.mtu above the NIC's", func(x *examined) { x.config.Gateway.Underlay.MTU = 9000 }, "mtu", "eth1", severe, "underlay.mtu is 9000", "mtu 9000"},
		{"a router refuses", func(x *examined) {
			x.paths[0] = host.Path{Way: x.paths[0].Way, Size: 1500, Exact: true, Refused: true}
		}, "path-mtu", "192.0.2.20", severe, "carries 1500 bytes", "underlay.mtu: 1500"},
		{"measured in part", func(x *examined) { x.paths[0] = host.Path{Way: x.paths[0].Way, Size: 1500} }, "path-mtu", "192.0.2.20", warning, "at least 1500", "--timeout"},
		{"a silent peer", func(x *examined) { x.paths[0] = host.Path{Way: x.paths[0].Way} }, "path-mtu", "192.0.2.20", warning, "not measured", "ping -M do -I 192.0.2.10 -s 1522"},
		{"no time left", func(x *examined) {
			x.paths[0] = host.Path{Way: x.paths[0].Way, Late: true}
			x.hops[0].MAC, x.hops[1].MAC = l2.MAC{}, l2.MAC{}
		},
			"path-mtu", "192.0.2.20", warning, "the path by eth1 was not measured in time", "--timeout"},
		{"one uplink's path", func(x *examined) {
			x.paths = append(x.paths, host.Path{Way: host.Way{Peer: x.paths[0].Peer, Uplink: "eth3"}, Size: 1500, Exact: true})
		}, "path-mtu", "192.0.2.20", severe, "the path by eth3 carries 1500 bytes", "underlay.mtu: 1500"},
		{"a firewall", func(x *examined) {
			x.engine = state.EngineTC
			x.chains = []host.Chain{{Name: "inet filter input", Drops: true, Rules: 3}}
		}, "firewall", "inet filter input", warning, "3 rules", "nft insert rule inet filter input udp dport 4789 accept"},
		{"a former firewall", func(x *examined) { x.chains = []host.Chain{{Name: "iptables INPUT", Drops: true}} },
			"firewall", "iptables INPUT", notice, "4789", "iptables -I INPUT -p udp --dport 4789 -j ACCEPT"},
		{"conntrack", func(x *examined) { x.conntrack = host.Conntrack{Tracks: true, Count: 10, Max: 1000} }, "conntrack", "", notice, "10 of 1000", "notrack"},
		{"conntrack full", func(x *examined) { x.conntrack = host.Conntrack{Tracks: true, Count: 950, Max: 1000} }, "conntrack", "", warning, "950 of 1000", "notrack"},
		{"strict rp_filter", func(x *examined) {
			x.engine, x.rpFilter["eth3"], x.hops[1].Addr = state.EngineTC, 1, netip.Addr{}
		}, "rp-filter", "eth3", warning, "192.0.2.20", "rp_filter=2"},
		{"another VLAN", func(x *examined) { x.meanwhile("eth2", "no-circuit", 12, 0, 1) }, "strangers", "eth2", warning,
			"12 frames whose tags fit no circuit came in while doctor looked, and nothing for acme", "`tcpdump -eni eth2`"},
		{"other VLANs", func(x *examined) { x.meanwhile("eth2", "no-circuit", 12, 1, 0) }, "strangers", "eth2", notice, "12 frames", "none, unless"},
		{"once another VLAN", func(x *examined) { x.meanwhile("eth2", "no-circuit", 0, 0, 0) }, "strangers", "eth2", notice, "5 frames whose tags fit no circuit came in so far, none", "none, unless"},
		{"a missing peer", func(x *examined) { x.meanwhile("eth1", "unknown-vtep", 12, 1, 0) }, "strangers", "eth1", warning,
			"12 tunnel packets from VTEPs that are no peer of their extension came in while doctor looked, and nothing for acme", "overlay.peers"},
		{"somebody's scan", func(x *examined) { x.meanwhile("eth1", "unknown-vtep", 12, 0, 1) }, "strangers", "eth1", notice, "12 tunnel packets", "overlay.peers"},
		{"peers with reserved bits", func(x *examined) { x.meanwhile("eth1", "tunnel-header", 12, 1, 0) }, "strangers", "eth1", warning, "header that is not as it must be", "reserved-bits: ignore"},
		{"another VNI", func(x *examined) { x.meanwhile("eth1", "unknown-vni", 12, 1, 0) }, "strangers", "eth1", warning, "VNI that no extension has", "overlay.vni"},
		{"equal routes", func(x *examined) { x.spread = []netip.Addr{x.hops[0].Peer} }, "spread", "", notice, "fib_multipath_hash_policy is 0", "net.ipv4.fib_multipath_hash_policy=1"},
		{"two tags", func(x *examined) { x.config.Extensions[0].Attachment.VLAN = l2.DoubleTag(100, 200) }, "mtu", "eth2", warning,
			"at most 1496 bytes", "ip link set eth2 mtu 1504"},
		{"VMware", func(x *examined) { change(x, "eth2", func(l *host.Link) { l.Driver = "vmxnet3" }) }, "virtual-nic", "eth2", notice, "cannot be seen from here alone", "forged transmits"},
		{"AWS", func(x *examined) { change(x, "eth2", func(l *host.Link) { l.Driver = "ena" }) }, "virtual-nic", "eth2", severe, "AWS", "tunnel"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := fit(t)
			tt.fault(x)
			wantFinding(t, judge(x), tt.check, tt.subject, tt.severity, tt.what, tt.remedy)
		})
	}
}

// meanwhile makes a gateway run, of which one NIC had counted five frames that no extension got, and counts more between
// two readings; acme gets what is said.
func (x *examined) meanwhile(nic, reason string, strangers, toCloud, toCustomer uint64) {
	reading := func(strangers, toCloud, toCustomer uint64) *api.Status {
		role := map[bool]string{true: "customer", false: "underlay"}[nic == "eth2"]
		return &api.Status{
			Interfaces: []api.Interface{{Name: nic, Role: role, Drops: map[string]uint64{reason: strangers}}},
			Extensions: []api.Extension{{Name: "acme", Attachment: api.Attachment{Interface: "eth2"},
				ToCloud: api.Counters{Rx: api.Count{Frames: toCloud}}, ToCustomer: api.Counters{Rx: api.Count{Frames: toCustomer}}}},
		}
	}
	x.status, x.later = reading(5, 7, 9), reading(5+strangers, 7+toCloud, 9+toCustomer)
}

// A rule that accepts the port, and a strict filter with routes back by every uplink, are nothing to report.
func TestWhatIsMendedIsNoFinding(t *testing.T) {
	x := fit(t)
	x.engine = state.EngineTC
	x.chains = []host.Chain{{Name: "inet filter input", Drops: true, Accepts: true, Rules: 1}, {Name: "inet filter output"}}
	x.rpFilter["eth1"] = 1
	x.offloads["eth2"][host.OffloadRxVLAN] = host.Offload{On: true} // tc sees tags that were taken off
	x.foreign["eth2"] = true                                        // beside a tc program an XDP program may stay
	for _, f := range judge(x) {
		if f.Severity != fine {
			t.Errorf("%+v", f)
		}
	}
}
