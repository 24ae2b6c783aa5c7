// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Trace runs frames through the programs of an extension, loaded beside the live ones over copies of their maps, and
// says what became of each. Nothing live is changed and nothing is sent. One frame follows the other at the times
// that the request gives, so that what a frame teaches and spends counts for the next. An error that matches
// state.ErrTraceRequest says that the request is at fault.
func (p *Plane) Trace(ctx context.Context, ext l2.Name, r state.TraceRequest) (results []state.TraceResult, err error) {
	s, err := p.scene(ext)
	if err != nil {
		return nil, err
	}
	w, err := p.newWorld(ctx, s, r.Direction)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for i := range r.Frames {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		one, err := w.trace(&r, &r.Frames[i])
		if err != nil {
			return nil, fmt.Errorf("frame %d: %w", i+1, err)
		}
		results = append(results, one)
	}
	return results, nil
}

// traced is one frame's way, and what was known before it.
type traced struct {
	*world
	dir     l2.Direction
	wire    []byte // as the program got it
	inner   []byte // without the circuit's tags and outer headers
	parsed  *frame.Parsed
	from    netip.Addr // to customer: the VTEP
	vni     uint32     // to customer
	ifindex uint32
	nicSlot uint32

	before, after glance
	source        *abi.TcFdbEntry // before; nil: not known
	learnt        *abi.TcFdbEntry // after
	target        *abi.TcFdbEntry // of the destination
	elsewhere     l2.Name         // whose frame it is, when it is another extension's
	verdict       uint32
	out           []byte
}

const xdpPass = 2 // enum xdp_action

func (w *world) trace(r *state.TraceRequest, f *state.TraceFrame) (state.TraceResult, error) {
	b, err := traceBytes(f)
	if err != nil {
		return state.TraceResult{}, err
	}
	t := &traced{world: w, dir: r.Direction}
	if r.Direction == l2.ToCloud {
		err = t.fromCircuit(b)
	} else {
		err = t.fromTunnel(b, r)
	}
	if err == nil {
		err = t.walk(f.After)
	}
	if err != nil {
		return state.TraceResult{}, err
	}
	return t.result(), nil
}

// fromCircuit makes the frame one of the customer's wire.
func (t *traced) fromCircuit(b []byte) error {
	t.ifindex = t.record().extension.NicIfindex
	nic, ok := t.tables.nics[t.ifindex]
	if !ok {
		return refusedTrace("interface %s is not there, or not fit for a circuit: status says why", t.x.NIC)
	}
	tags := 0
	t.wire, tags = onWire(t.x.VLAN, b)
	t.inner = append(append([]byte{}, t.wire[:12]...), t.wire[12+tags:]...)
	t.nicSlot = nic.Slot
	t.elsewhere = t.ownerOf(t.wire)
	return nil
}

// ownerOf names another extension whose circuit takes the frame: find_circuit of bpf/vlan.h.
func (t *traced) ownerOf(b []byte) l2.Name {
	var tpid, vid [2]uint16
	for i := range 2 {
		at := 12 + 4*i
		if len(b) < at+6 || !frame.IsTag(binary.BigEndian.Uint16(b[at:])) {
			break
		}
		tpid[i], vid[i] = binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])&0xfff
	}
	key := abi.TcCircuitKey{Ifindex: t.ifindex, Tpid: tpid[0], Outer: vid[0]}
	if tpid[1] == frame.TypeVLAN && vid[0] != 0 && vid[1] != 0 {
		pair := key
		pair.Inner = vid[1]
		if slot, ok := t.tables.circuits[pair]; ok {
			return t.other(slot)
		}
	}
	if slot, ok := t.tables.circuits[key]; ok {
		return t.other(slot)
	}
	return ""
}

// other is the name of the extension in a slot unless it is the traced one.
func (t *traced) other(slot uint32) l2.Name {
	if slot == t.slot {
		return ""
	}
	return l2.Name(t.slots[slot])
}

// fromTunnel puts the frame into a tunnel packet, unless it is one for our VTEP.
func (t *traced) fromTunnel(b []byte, r *state.TraceRequest) error {
	u := &t.desired.Underlay
	if len(u.Uplinks) == 0 || !u.VTEP.IsValid() {
		return refusedTrace("the underlay is down: there is no VTEP address that tunnel packets could come to")
	}
	t.ifindex, t.nicSlot = uint32(u.Uplinks[0].Ifindex), t.gateway.Uplink[0].NicSlot
	if outer, err := frame.ParseVXLAN(b); err == nil && outer.Dst == u.VTEP && outer.Outer.UDP.DstPort == u.Port && len(outer.Inner) >= traceShortest {
		t.wire, t.inner, t.from, t.vni = b, outer.Inner, outer.Src, outer.VXLAN.VNI
		return nil
	}
	t.inner, t.from, t.vni = b, r.From, r.VNI
	if t.vni == 0 {
		t.vni = uint32(t.x.VNI)
	}
	if !t.from.IsValid() {
		from, err := t.usualVTEP(l2.MAC(b[6:12]))
		if err != nil {
			return err
		}
		t.from = from
	}
	if t.from.Is6() != u.VTEP.Is6() {
		return refusedTrace("VTEP %s: the underlay's address %s is of another family", t.from, u.VTEP)
	}
	t.wire = t.encapsulated(u)
	return nil
}

// usualVTEP is where a source is known to be, else the first peer.
func (t *traced) usualVTEP(source l2.MAC) (netip.Addr, error) {
	e, err := t.entry(source)
	if err != nil {
		return netip.Addr{}, err
	}
	if e != nil {
		if addr, ok := t.vteps.byIndex[uint32(e.Place)]; ok {
			return addr, nil
		}
	}
	if len(t.x.Peers) == 0 {
		return netip.Addr{}, refusedTrace("extension %s has no peers: say with from which VTEP sends", t.x.Name)
	}
	return t.x.Peers[0], nil
}

func (t *traced) encapsulated(u *state.Underlay) []byte {
	e := frame.Ethernet{Dst: u.Uplinks[0].MAC, Src: l2.MAC{2, 0, 0, 0, 0, 2}}
	udp, vxlan := frame.UDP{SrcPort: 50000, DstPort: u.Port}, frame.VXLAN{VNI: t.vni}
	if u.VTEP.Is6() {
		return e.With(frame.IPv6{Src: t.from, Dst: u.VTEP}, udp, vxlan, frame.Raw(t.inner)).Bytes()
	}
	return e.With(frame.IPv4{Src: t.from, Dst: u.VTEP, DontFragment: true}, udp, vxlan, frame.Raw(t.inner)).Bytes()
}

// walk runs the frame and looks at what changed.
func (t *traced) walk(after time.Duration) error {
	t.parsed, _ = frame.Parse(t.inner) // what cannot be parsed is told as bytes
	if t.elsewhere != "" {
		return nil
	}
	if err := errors.Join(t.setTime(after), t.clear(t.nicSlot)); err != nil {
		return err
	}
	var errs [4]error
	t.before, errs[0] = t.look(t.nicSlot)
	t.source, errs[1] = t.entry(l2.MAC(t.inner[6:12]))
	t.target, errs[2] = t.entry(l2.MAC(t.inner[:6]))
	t.verdict, t.out, errs[3] = t.run(tracePrograms[t.desired.Engine][t.dir], t.ifindex, t.wire)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	t.after, errs[0] = t.look(t.nicSlot)
	t.learnt, errs[1] = t.entry(l2.MAC(t.inner[6:12]))
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	t.elsewhere = t.otherSegment()
	return nil
}

// otherSegment names the extension that the tunnel packet was for, when another one took it.
func (t *traced) otherSegment() l2.Name {
	if t.dir == l2.ToCloud || t.nicReason() != "" || t.after.nic.Passed > 0 || t.counted().RxFrames > 0 {
		return ""
	}
	slot, ok := t.tables.segments[abi.TcVniKey{Vni: t.vni}]
	if !ok {
		return ""
	}
	return t.other(slot)
}

// counted is what the programs counted of the frame.
func (t *traced) counted() *abi.TcTally { return &t.after.counters[t.dir] }

// nicReason is why it was dropped before its extension was known.
func (t *traced) nicReason() string {
	for reason, n := range t.after.nic.Drops {
		if n > 0 {
			return reasonName(reason)
		}
	}
	return ""
}

// reason is why it was dropped; empty when it was not.
func (t *traced) reason() string {
	for reason, n := range t.counted().Drops {
		if n > 0 {
			return reasonName(reason)
		}
	}
	return t.nicReason()
}

// would is what a guard in mode observe had against it.
func (t *traced) would() string {
	for reason, n := range t.counted().WouldDrop {
		if n > 0 {
			return reasonName(reason)
		}
	}
	return ""
}

// answered says that the frame's sender is told that it was too long: by the program itself, or by engine xdp's
// other half, to which the frame is left.
func (t *traced) answered() bool {
	back := &t.after.counters[1-t.dir]
	return back.Generated > 0 || t.handedOver()
}

// handedOver says that engine xdp left the frame to tc: to be copied, to ask for a neighbour, or to be answered.
func (t *traced) handedOver() bool {
	return t.desired.Engine == state.EngineXDP && t.verdict == xdpPass && t.after.nic.Passed == 0
}
