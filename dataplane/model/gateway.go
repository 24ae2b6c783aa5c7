// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"slices"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Place is where a station is: the customer's side, or a VTEP by its number in the gateway.
type Place int

// Places that are no VTEP.
const (
	AtCustomer Place = 0
	InCloud    Place = -1 // at a VTEP not known yet
)

// Side is the side of a place.
func (p Place) Side() l2.Side {
	if p == AtCustomer {
		return l2.Customer
	}
	return l2.Cloud
}

// Gateway is one gateway: its configuration and all tables.
type Gateway struct {
	Underlay   state.Underlay
	NICs       map[string]*NIC
	Uplinks    map[string]*NIC
	Extensions []*Extension
	Unresolved map[netip.Addr]bool // VTEPs that have no next hop

	circuits map[circuit]*Extension
	segments map[l2.VNI]*Extension
	vteps    []netip.Addr // by Place; the first is none
	places   map[netip.Addr]Place

	walk    walk
	scratch []byte
}

// NIC is a customer's NIC or an uplink, with its counters.
type NIC struct {
	Name        string
	MAC         l2.MAC
	Passthrough bool
	Rx, Passed  uint64
	Drops       [UnknownVNI + 1]uint64
}

// circuit is what leads a customer's frame to its extension.
type circuit struct {
	nic          string
	tpid         uint16
	outer, inner uint16
}

// Extension is one extension: what is configured, and its tables.
type Extension struct {
	state.Extension
	Guards        Guards
	Number        int // its place in the configuration
	MaxToCloud    int // longest inner frame in bytes, without the circuit's tags and FCS
	MaxToCustomer int

	Counters [2]Counters // by direction
	FDB      map[l2.MAC]*Entry
	Learnt   [2]int     // entries that count, by side: customer, cloud
	Budgets  [2]Budgets // by direction
	CPU      Bucket     // used of its share of a core, ns
	Loop     Loop
	Hold     Hold

	own   []l2.MAC
	peers []Place
	down  bool
	price prices
}

// Counters count one direction.
type Counters struct {
	RxFrames, RxBytes, TxFrames, TxBytes, Copies, Generated uint64
	Drops, WouldDrop                                        [Reasons]uint64
}

// Overhead in front of the inner frame, inside the outer IP packet: IP, UDP and VXLAN headers (RFC 7348 §5).
const (
	overheadIPv4 = 20 + 8 + 8
	overheadIPv6 = 40 + 8 + 8
)

const ethernetHeader = 14

// New makes a gateway of what is desired, with empty tables. An extension without guards gets Defaults.
func New(d *state.Desired, guards map[l2.Name]Guards) *Gateway {
	g := &Gateway{
		Underlay: d.Underlay, NICs: map[string]*NIC{}, Uplinks: map[string]*NIC{}, Unresolved: map[netip.Addr]bool{},
		circuits: map[circuit]*Extension{}, segments: map[l2.VNI]*Extension{},
		vteps: []netip.Addr{{}}, places: map[netip.Addr]Place{},
	}
	for _, n := range d.NICs {
		g.NICs[n.Name] = &NIC{Name: n.Name, MAC: n.MAC, Passthrough: n.Passthrough}
	}
	for _, u := range d.Underlay.Uplinks {
		g.Uplinks[u.Name] = &NIC{Name: u.Name, MAC: u.MAC}
	}
	for i := range d.Extensions {
		settings, ok := guards[d.Extensions[i].Name]
		if !ok {
			settings = Defaults()
		}
		g.add(d, &d.Extensions[i], settings)
	}
	return g
}

func (g *Gateway) add(d *state.Desired, desired *state.Extension, settings Guards) {
	x := &Extension{Extension: *desired, Guards: settings, Number: len(g.Extensions), FDB: map[l2.MAC]*Entry{}}
	x.price = pricesOf(&settings, x.MACLimit)
	x.MaxToCloud = d.Underlay.MTU - overheadIPv4
	if d.Underlay.VTEP.Is6() {
		x.MaxToCloud = d.Underlay.MTU - overheadIPv6
	}
	x.down = x.Down
	nic := slices.IndexFunc(d.NICs, func(n state.NIC) bool { return n.Name == x.NIC })
	if nic < 0 {
		x.down = true
	} else {
		x.own = append(x.own, d.NICs[nic].MAC)
		x.MaxToCustomer = longestToCustomer(d, d.NICs[nic].MTU, x.VLAN)
		g.circuits[circuitOf(x)] = x
	}
	for _, u := range d.Underlay.Uplinks {
		x.own = append(x.own, u.MAC)
	}
	for _, addr := range x.Peers {
		x.peers = append(x.peers, g.placeOf(addr))
	}
	g.segments[x.VNI] = x
	g.Extensions = append(g.Extensions, x)
	g.addStatics(x)
}

// longestToCustomer: a device takes one tag beyond its MTU; with engine xdp both tags of a pair are in the
// frame, and the second takes its room.
func longestToCustomer(d *state.Desired, mtu int, vlan l2.VLAN) int {
	if d.Engine == state.EngineXDP && vlan.Depth() == 2 {
		mtu -= tagSize
	}
	return mtu + ethernetHeader
}

func circuitOf(x *Extension) circuit {
	return circuit{x.NIC, uint16(x.VLAN.TPID()), uint16(x.VLAN.Outer()), uint16(x.VLAN.Inner())}
}

// placeOf numbers VTEPs.
func (g *Gateway) placeOf(addr netip.Addr) Place {
	p, ok := g.places[addr]
	if !ok {
		p = Place(len(g.vteps))
		g.vteps = append(g.vteps, addr)
		g.places[addr] = p
	}
	return p
}

// VTEP is the address at a place; invalid when the place is no VTEP.
func (g *Gateway) VTEP(p Place) netip.Addr {
	if p <= 0 {
		return netip.Addr{}
	}
	return g.vteps[p]
}
