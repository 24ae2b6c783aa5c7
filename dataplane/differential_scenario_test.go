// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// scenario is a setup on this rig: for the programs, for the model, and for the generator of frames.
type scenario struct {
	desired    *state.Desired
	guards     map[l2.Name]model.Guards
	unresolved map[netip.Addr]bool
	world      model.World
}

// No route leads to these VTEPs.
var (
	stray  = netip.MustParseAddr("198.51.100.7")
	stray6 = netip.MustParseAddr("2001:db8:ffff::7")
)

// fixedMACs gives the NICs addresses that are the same in every run, or frames in files would mean nothing.
func (p *prover) fixedMACs() {
	p.t.Helper()
	for i, name := range []string{"eth1", "eth2"} {
		mac := net.HardwareAddr{0x02, 0, 0, 0, 0xee, byte(1 + i)}
		p.must(netlink.LinkSetHardwareAddr(p.eth[name], mac))
		p.eth[name].Attrs().HardwareAddr = mac
	}
	for ip, mac := range map[netip.Addr]l2.MAC{peerA: macPeerA, peerB: macPeerB, peerA6: macPeerA, peerB6: macPeerB} {
		p.must(netlink.NeighSet(&netlink.Neigh{ // a new address has flushed them
			LinkIndex: p.eth["eth1"].Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.IP(ip.AsSlice()), HardwareAddr: mac[:],
		}))
	}
	p.desired = p.defaultDesired(p.desired.Underlay.TunnelIfindex, false)
	p.apply()
}

func (p *prover) scenarioOf(s setup) *scenario {
	p.t.Helper()
	d := p.defaultDesired(p.desired.Underlay.TunnelIfindex, s.IPv6)
	d.Extensions = nil
	d.Underlay.MTU, d.Underlay.IgnoreReservedBits, d.Underlay.ZeroChecksum6 = s.MTU, s.IgnoreReserved, s.ZeroChecksum6
	d.NICs[0].Passthrough = s.Passthrough
	n := &scenario{
		desired: d, guards: map[l2.Name]model.Guards{}, unresolved: map[netip.Addr]bool{stray: true, stray6: true},
		world: p.worldOf(d),
	}
	n.world.Loops, n.world.Pace, n.world.Pause = s.Loops, s.Pace, s.Pause
	n.world.Busy = s.Extensions[0].Guards.CPU > 0
	for i := range s.Extensions {
		p.addExtension(n, i, &s.Extensions[i])
	}
	return n
}

func (p *prover) addExtension(n *scenario, i int, s *extensionSetup) {
	p.t.Helper()
	vlan, err := l2.ParseVLAN(s.VLAN)
	p.must(err)
	x := state.Extension{
		Name: l2.Name(fmt.Sprintf("x%d", i)), NIC: "eth2", VLAN: vlan.WithTPID(l2.TPID(s.TPID)), PCP: s.PCP, VNI: l2.VNI(10100 + 256*i),
		Peers: peersFor(n.desired, s), Raised: s.Raised, Down: s.Down, MACLimit: s.MACLimit, MACAge: s.MACAge,
		Inner: state.InnerVLANs{AllowAll: s.AllowAll, Allowed: s.Inner}, Mode: s.Mode,
	}
	if s.Static {
		x.Static = []state.StaticMAC{
			{MAC: n.world.Stations[0][0], Side: l2.Customer}, {MAC: n.world.Stations[1][0], Side: l2.Cloud, VTEP: x.Peers[0]},
			{MAC: n.world.Stations[1][1], Side: l2.Cloud, Pinned: true},
		}
	}
	guards := s.Guards
	if s.MACLimit < 100 {
		// A cached flow hides from the guard that its source is heard where there is no room for it.
		guards.Moves.Count, guards.FastMoves.Count = 0, 0
	}
	guards.MSS = largestSegments(n.desired, &x, s.MSS)
	x.Guards = desiredGuards(&guards, s)
	n.guards[x.Name] = guards
	n.desired.Extensions = append(n.desired.Extensions, x)
	n.world.Circuits = append(n.world.Circuits, model.Attachment{NIC: x.NIC, VLAN: x.VLAN})
	n.world.VNIs = append(n.world.VNIs, x.VNI)
	n.world.Peers = append(n.world.Peers, x.Peers...)
}

// desiredGuards says the same to the programs.
func desiredGuards(g *model.Guards, s *extensionSetup) state.Guards {
	out := state.Guards{
		Flood: state.Rate(g.Flood.Rate), ToCloud: bitRate(g.Bandwidth[l2.ToCloud]), ToCustomer: bitRate(g.Bandwidth[l2.ToCustomer]),
		Learn: state.Rate{PerSecond: uint64(g.LearnRate), Burst: uint64(s.MACLimit)},
		Moves: state.MoveLimit(g.Moves), FastMoves: state.MoveLimit(g.FastMoves), Protected: g.Protect,
		Refused: state.Refused{FromCustomer: refused(g, model.CustomerSide), FromCloud: refused(g, model.CloudSide)},
		MSS:     state.MSS{Off: s.MSS == 1},
		CPU:     g.CPU, Fingerprint: g.Loops, Trip: g.Trip,
	}
	if s.MSS > 1 {
		out.MSS.Bytes = s.MSS
	}
	for c, r := range g.Storm {
		out.Storm[c] = state.StormRate{Rate: state.Rate(r.Frames), Bits: bitRate(r.Bytes)}
	}
	for _, p := range g.Flood.Allow {
		out.FloodAllow = append(out.FloodAllow, state.MACPrefix{MAC: p.MAC, Bits: uint8(p.Bits)})
	}
	for i, name := range []string{"cdp", "dtp", "pagp", "udld", "vtp", "pvst", "cfm", "eap", "gvrp", "lacp", "lldp", "mrp", "stp"} {
		if g.Tunnelled&(1<<i) != 0 {
			out.Tunnelled = append(out.Tunnelled, name)
		}
	}
	return out
}

func bitRate(r model.Rate) state.BitRate {
	if r.PerSecond == 0 {
		return state.BitRate{}
	}
	return state.BitRate{PerSecond: 8 * r.PerSecond, Burst: time.Second * time.Duration(r.Burst) / time.Duration(r.PerSecond)}
}

// refused are the services that may not be served from a side.
func refused(g *model.Guards, side model.Sides) state.Services {
	no := func(s model.Service) bool { return g.Serve[s]&side == 0 }
	return state.Services{DHCP: no(model.ServeDHCP), Router: no(model.ServeRouter), FHRP: no(model.ServeFHRP), Querier: no(model.ServeQuerier)}
}

func peersFor(d *state.Desired, s *extensionSetup) []netip.Addr {
	usual, other := []netip.Addr{peerA, peerB}, stray
	if d.Underlay.VTEP.Is6() {
		usual, other = []netip.Addr{peerA6, peerB6}, stray6
	}
	peers := append([]netip.Addr(nil), usual[:s.Peers]...)
	if s.Stray {
		peers = append(peers, other)
	}
	return peers
}

// largestSegments are what TCP may agree on over IPv4 and IPv6: what fits both ways in IP and TCP headers without
// options, or as configured.
func largestSegments(d *state.Desired, x *state.Extension, configured uint16) [2]uint16 {
	switch configured {
	case 0:
	case 1:
		return [2]uint16{}
	default:
		return [2]uint16{configured, configured}
	}
	fits := d.Underlay.MTU - 36 - 14
	if d.Underlay.VTEP.Is6() {
		fits = d.Underlay.MTU - 56 - 14
	}
	customer := d.NICs[0].MTU
	if d.Engine == state.EngineXDP && x.VLAN.Depth() == 2 {
		customer -= 4
	}
	fits = min(fits, customer)
	return [2]uint16{uint16(fits - 20 - 20), uint16(fits - 40 - 20)}
}

func (p *prover) worldOf(d *state.Desired) model.World {
	w := model.World{
		Uplink: "eth1", Gateway: p.mac("eth1"), VTEP: d.Underlay.VTEP, Port: d.Underlay.Port, Stranger: stranger,
		Own:     []l2.MAC{p.mac("eth2"), p.mac("eth1")},
		Longest: min(d.Underlay.MTU-36, d.NICs[0].MTU) + 14,
		IPs: []netip.Addr{ipHost, ipVM, netip.MustParseAddr("10.1.0.3"), netip.MustParseAddr("0.0.0.0"),
			vtep6, peerA6, peerB6, netip.MustParseAddr("fe80::1"), netip.MustParseAddr("::")},
	}
	if d.Underlay.VTEP.Is6() {
		w.Stranger = netip.MustParseAddr("2001:db8::66")
	}
	for i := range 8 {
		w.Stations[0] = append(w.Stations[0], mac(0x11, i))
		w.Stations[1] = append(w.Stations[1], mac(0x22, i))
	}
	return w
}
