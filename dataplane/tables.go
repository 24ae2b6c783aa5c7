// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unique"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// tables are the contents of the maps that only the daemon writes.
type tables struct {
	gateway  abi.TcGateway
	nics     map[uint32]abi.TcNic
	circuits map[abi.TcCircuitKey]uint32 // the slot
	segments map[abi.TcVniKey]uint32     // the slot
	records  map[uint32]*record          // by slot; never changed in place
	inner    map[abi.TcInnerKey]uint32
	statics  map[abi.TcFdbKey]staticEntry
	shielded map[abi.TcProtectedKey]uint32
}

// record is all that programs know of an extension's configuration.
type record struct {
	extension abi.TcExtension             // its Record is 0 here: the bank decides; so is its Generation, which is the programs'
	guards    unique.Handle[abi.TcLimits] // a kilobyte, and mostly the same for thousands of extensions
}

type staticEntry struct{ place, flags uint16 }

func newTables() tables {
	return tables{
		nics:     map[uint32]abi.TcNic{},
		circuits: map[abi.TcCircuitKey]uint32{},
		segments: map[abi.TcVniKey]uint32{},
		records:  map[uint32]*record{},
		inner:    map[abi.TcInnerKey]uint32{},
		statics:  map[abi.TcFdbKey]staticEntry{},
		shielded: map[abi.TcProtectedKey]uint32{},
	}
}

// readTables reads back what the maps hold.
func readTables(m map[string]*ebpf.Map) (tables, error) {
	t := newTables()
	if err := m["gateways"].Lookup(uint32(0), &t.gateway); err != nil {
		return t, fmt.Errorf("read gateway: %w", err)
	}
	err := errors.Join(
		readAll(m["nics"], t.nics),
		readAll(m["circuits"], t.circuits),
		readAll(m["segments"], t.segments),
		readAll(m["inner_vlans"], t.inner),
		readAll(m["protected"], t.shielded),
		readStatics(m["fdb"], t.statics),
	)
	for _, index := range t.segments {
		r, guards := &record{}, abi.TcLimits{}
		if err := m["extensions"].Lookup(index, &r.extension); err != nil {
			return t, fmt.Errorf("read extension: %w", err)
		}
		if err := m["guards"].Lookup(index, &guards); err != nil {
			return t, fmt.Errorf("read guards: %w", err)
		}
		r.guards = unique.Make(guards)
		r.extension.Record, r.extension.Generation = 0, 0
		t.records[index/2] = r
	}
	halve(t.circuits)
	halve(t.segments)
	return t, err
}

// halve turns records into slots: a slot has two.
func halve[K comparable](m map[K]uint32) {
	for k, record := range m {
		m[k] = record / 2
	}
}

func readAll[K comparable, V any](m *ebpf.Map, into map[K]V) error {
	var k K
	var v V
	it := m.Iterate()
	for it.Next(&k, &v) {
		into[k] = v
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read %s: %w", m.String(), err)
	}
	return nil
}

func readStatics(m *ebpf.Map, into map[abi.TcFdbKey]staticEntry) error {
	return eachEntry(m, func(k abi.TcFdbKey, e abi.TcFdbEntry) {
		if e.Flags&(fdbStatic|fdbPinned) != 0 {
			into[k] = staticEntry{e.Place, e.Flags}
		}
	})
}

// The flags and places of bpf/abi.h.
const (
	extRaised      = 1
	extDown        = 2
	extProtects    = 4
	extMetered     = 8 // to cloud; shifted by the direction
	extCPU         = 32
	extFingerprint = 64
	extTrip        = 128

	gwIPv6           = 1
	gwIgnoreReserved = 2
	gwZeroChecksum6  = 4
	gwReady          = 8

	nicPassthrough = 1

	fdbStatic = 1
	fdbPinned = 2

	placeCustomer = 0
	placeCloud    = 0xffff

	innerDrop  = 0
	innerAllow = 1
	innerList  = 2
)

// Bytes of the outer headers inside the outer IP packet, in front of the inner frame: IP, UDP, VXLAN.
const (
	anyLength    = 1 << 17
	overheadIPv4 = 20 + 8 + 8
	overheadIPv6 = 40 + 8 + 8
	etherHeader  = 14
)

// compile turns what is desired of the host and of some extensions into table contents. It takes slots and indices, which is
// no change that traffic notices.
func (p *Plane) compile(d *state.Desired, extensions []*state.Extension) (tables, error) {
	t := newTables()
	g, err := p.compileGateway(d)
	if err != nil {
		return t, err
	}
	t.gateway = g
	nics := map[string]state.NIC{}
	for _, n := range d.NICs {
		slot, err := p.nics.take(n.Name)
		if err != nil {
			return t, err
		}
		nics[n.Name] = n
		record := abi.TcNic{Slot: slot}
		if n.Passthrough {
			record.Flags = nicPassthrough
		}
		t.nics[uint32(n.Ifindex)] = record
	}
	for _, x := range extensions {
		if err := p.compileExtension(&t, d, x, nics); err != nil {
			return t, fmt.Errorf("extension %s: %w", x.Name, err)
		}
	}
	return t, nil
}

func (p *Plane) compileGateway(d *state.Desired) (abi.TcGateway, error) {
	u := d.Underlay
	room, err := p.objects.flowSets()
	if err != nil {
		return abi.TcGateway{}, err
	}
	used := min(max(p.tables.gateway.FlowMask+1, firstSets), room)
	g := abi.TcGateway{FlowMask: used - 1, FlowSets: room, Nonce: p.nonce, Tick: p.tick, Stopped: p.stopped, TunnelIfindex: uint32(u.TunnelIfindex), Port: u.Port}
	if len(u.Uplinks) > maxUplinks {
		return g, fmt.Errorf("underlay has %d uplinks: at most %d are allowed", len(u.Uplinks), maxUplinks)
	}
	for i, up := range u.Uplinks {
		slot, err := p.nics.take(up.Name)
		if err != nil {
			return g, err
		}
		g.Uplink[i] = abi.TcUplink{Ifindex: uint32(up.Ifindex), NicSlot: slot, Mac: macWord(up.MAC)}
	}
	g.UplinkCount = uint16(len(u.Uplinks))
	if u.VTEP.IsValid() && len(u.Uplinks) > 0 {
		g.Vtep = keyOf(u.VTEP)
		g.Flags |= gwReady
		if u.VTEP.Is6() {
			g.Flags |= gwIPv6
		}
	}
	if u.IgnoreReservedBits {
		g.Flags |= gwIgnoreReserved
	}
	if u.ZeroChecksum6 {
		g.Flags |= gwZeroChecksum6
	}
	return g, nil
}

func (p *Plane) compileExtension(t *tables, d *state.Desired, x *state.Extension, nics map[string]state.NIC) error {
	slot, err := p.slots.take(string(x.Name))
	if err != nil {
		return err
	}
	r := abi.TcExtension{
		Slot:     slot,
		Vni:      uint32(x.VNI),
		MacLimit: x.MACLimit,
		MacAge:   uint32(x.MACAge.Milliseconds()),
		Tpid:     uint16(x.VLAN.TPID()),
		Outer:    uint16(x.VLAN.Outer()),
		Inner:    uint16(x.VLAN.Inner()),
		Depth:    uint8(x.VLAN.Depth()),
		Pcp:      x.PCP,
		Mode:     uint8(x.Mode),
	}
	if x.Raised {
		r.Flags |= extRaised
	}
	nic, present := nics[x.NIC]
	if x.Down || !present {
		r.Flags |= extDown
	}
	guards := compileGuards(&x.Guards)
	if err := p.compilePeers(&guards, x); err != nil {
		return err
	}
	r.PeerCount = uint16(len(x.Peers))
	compileInner(t, &r, x)
	compileProtected(t, &r, x)
	r.MaxToCloud = uint32(max(0, d.Underlay.MTU-overhead(d)))
	r.MaxToCustomer = anyLength // without a NIC there is no way, whatever the length
	for i, u := range d.Underlay.Uplinks {
		guards.MacOwn[1+i] = macWord(u.MAC)
	}
	if present {
		r.NicIfindex = uint32(nic.Ifindex)
		r.NicSlot = t.nics[uint32(nic.Ifindex)].Slot
		guards.MacOwn[0] = macWord(nic.MAC)
		r.MaxToCustomer = uint32(longestToCustomer(d.Engine, nic, x.VLAN))
		key := abi.TcCircuitKey{Ifindex: uint32(nic.Ifindex), Tpid: r.Tpid, Outer: r.Outer, Inner: r.Inner}
		t.circuits[key] = slot
	}
	t.segments[abi.TcVniKey{Vni: r.Vni}] = slot
	compileFlags(&r, &x.Guards)
	r.Mss = compileMSS(&r, x.Guards.MSS)
	t.records[slot] = &record{extension: r, guards: p.limits.of(&guards)}
	return p.compileStatics(t, x, slot)
}

// canonical knows limits by what they are; the last ones again without a look at the others, which most extensions share.
type canonical struct {
	last   abi.TcLimits
	handle unique.Handle[abi.TcLimits]
}

func (c *canonical) of(l *abi.TcLimits) unique.Handle[abi.TcLimits] {
	if c.handle == (unique.Handle[abi.TcLimits]{}) || c.last != *l {
		c.last, c.handle = *l, unique.Make(*l)
	}
	return c.handle
}

func (p *Plane) compilePeers(l *abi.TcLimits, x *state.Extension) error {
	if len(x.Peers) > maxPeers {
		return fmt.Errorf("%d VTEPs: at most %d are allowed", len(x.Peers), maxPeers)
	}
	for i, addr := range x.Peers {
		index, err := p.vteps.take(p.objects, addr)
		if err != nil {
			return err
		}
		l.Peer[i] = index
	}
	return nil
}

func compileInner(t *tables, r *abi.TcExtension, x *state.Extension) {
	switch {
	case x.Inner.AllowAll:
		r.InnerVlan = innerAllow
	case len(x.Inner.Allowed) > 0:
		r.InnerVlan = innerList
		for _, vid := range x.Inner.Allowed {
			t.inner[abi.TcInnerKey{Slot: r.Slot, Vid: uint32(vid)}] = 1
		}
	default:
		r.InnerVlan = innerDrop
	}
}

func (p *Plane) compileStatics(t *tables, x *state.Extension, slot uint32) error {
	for _, s := range x.Static {
		e := staticEntry{place: placeCustomer, flags: fdbStatic}
		switch {
		case s.Pinned:
			e = staticEntry{place: placeCloud, flags: fdbPinned}
		case s.Side == l2.Cloud:
			index, ok := p.vteps.byAddr[s.VTEP]
			if !ok || !slices.Contains(x.Peers, s.VTEP) {
				return fmt.Errorf("static MAC %s: VTEP %s is not among the peers", s.MAC, s.VTEP)
			}
			e.place = uint16(index)
		}
		t.statics[abi.TcFdbKey{Slot: slot, Mac: s.MAC}] = e
	}
	return nil
}

func overhead(d *state.Desired) int {
	if d.Underlay.VTEP.Is6() {
		return overheadIPv6
	}
	return overheadIPv4
}

// longestToCustomer is the longest frame, tags not counted, that the customer's NIC takes. A device takes
// one tag beyond its MTU. With engine tc the outermost tag is not in the frame; with xdp both tags of a
// pair are, and the second is taken off the payload.
func longestToCustomer(e state.Engine, nic state.NIC, vlan l2.VLAN) int {
	longest := nic.MTU + etherHeader
	if e == state.EngineXDP && vlan.Depth() == 2 {
		longest -= 4
	}
	return longest
}

func macWord(m l2.MAC) [8]uint8 {
	var w [8]uint8
	copy(w[:], m[:])
	return w
}

// equal reports whether nothing differs.
func (t tables) equal(o tables) bool {
	return t.gateway == o.gateway && maps.Equal(t.nics, o.nics) && maps.Equal(t.circuits, o.circuits) &&
		maps.Equal(t.segments, o.segments) && maps.EqualFunc(t.records, o.records, func(r, s *record) bool { return *r == *s }) &&
		maps.Equal(t.inner, o.inner) && maps.Equal(t.statics, o.statics) && maps.Equal(t.shielded, o.shielded)
}

// of is what t has of some extensions, beside all that is not an extension's.
func (t tables) of(slots map[uint32]bool) tables {
	return tables{
		gateway: t.gateway, nics: t.nics,
		circuits: pick(t.circuits, func(_ abi.TcCircuitKey, slot uint32) bool { return slots[slot] }),
		segments: pick(t.segments, func(_ abi.TcVniKey, slot uint32) bool { return slots[slot] }),
		records:  pick(t.records, func(slot uint32, _ *record) bool { return slots[slot] }),
		inner:    pick(t.inner, func(k abi.TcInnerKey, _ uint32) bool { return slots[k.Slot] }),
		statics:  pick(t.statics, func(k abi.TcFdbKey, _ staticEntry) bool { return slots[k.Slot] }),
		shielded: pick(t.shielded, func(k abi.TcProtectedKey, _ uint32) bool { return slots[k.Slot] }),
	}
}

func pick[K comparable, V any](m map[K]V, wanted func(K, V) bool) map[K]V {
	some := map[K]V{}
	for k, v := range m {
		if wanted(k, v) {
			some[k] = v
		}
	}
	return some
}

// with is t where a part of it has given way to another. What it shares with t is not changed.
func (t tables) with(from, to tables) tables {
	return tables{
		gateway: to.gateway, nics: to.nics,
		circuits: exchanged(t.circuits, from.circuits, to.circuits),
		segments: exchanged(t.segments, from.segments, to.segments),
		records:  exchanged(t.records, from.records, to.records),
		inner:    exchanged(t.inner, from.inner, to.inner),
		statics:  exchanged(t.statics, from.statics, to.statics),
		shielded: exchanged(t.shielded, from.shielded, to.shielded),
	}
}

func exchanged[K comparable, V any](all, from, to map[K]V) map[K]V {
	if len(from) == 0 && len(to) == 0 {
		return all
	}
	all = maps.Clone(all)
	for k := range from {
		delete(all, k)
	}
	maps.Copy(all, to)
	return all
}
