// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// scene is what the daemon knows of a gateway when a trace begins. Nothing in it changes.
type scene struct {
	desired *state.Desired
	x       *state.Extension // the one that is traced
	slot    uint32
	tables  tables
	vteps   vteps
	slots   map[uint32]string
}

func (p *Plane) scene(ext l2.Name) (*scene, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.desired == nil {
		return nil, errors.New("nothing is set up yet")
	}
	s := &scene{
		desired: p.desired, tables: p.tables,
		vteps: vteps{byAddr: maps.Clone(p.vteps.byAddr), byIndex: maps.Clone(p.vteps.byIndex)},
		slots: maps.Clone(p.slots.byNumber),
	}
	for i := range s.desired.Extensions {
		if s.desired.Extensions[i].Name == ext {
			s.x = &s.desired.Extensions[i]
		}
	}
	slot, ok := p.slots.byName[string(ext)]
	if _, inForce := s.tables.records[slot]; s.x == nil || !ok || !inForce {
		return nil, fmt.Errorf("extension %s is not in the data plane", ext)
	}
	s.slot = slot
	return s, nil
}

// record is the traced extension's.
func (s *scene) record() *record {
	return s.tables.records[s.slot]
}

// world is the programs once more, over copies of what they read. The traced extension has slot 0 in it; of the
// others there is only what finds them. Its clock stands still, at the programs' time.
type world struct {
	*scene
	maps     map[string]*ebpf.Map
	programs map[string]*ebpf.Program
	gateway  abi.TcGateway
	now      uint64 // ns, when the copies were made
}

// tracePrograms are what a frame meets first, by engine and direction.
var tracePrograms = map[state.Engine][2]string{
	state.EngineTC:  {"tc_customer", "tc_underlay"},
	state.EngineXDP: {"xdp_customer", "xdp_underlay"},
}

// newWorld loads the programs of the directions, since the verifier takes its time for each, and copies. The live
// maps are only read.
func (p *Plane) newWorld(ctx context.Context, s *scene, directions ...l2.Direction) (*world, error) {
	w := &world{scene: s, gateway: s.tables.gateway}
	entries, err := p.copyFDB(ctx, s.slot)
	if err != nil {
		return nil, err
	}
	if err := w.load(len(entries), directions); err != nil {
		return nil, errors.Join(fmt.Errorf("load the programs once more: %w", err), w.close())
	}
	if err := w.fill(p, entries); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the tables: %w", err), w.close())
	}
	return w, ctx.Err()
}

func (p *Plane) copyFDB(ctx context.Context, slot uint32) (map[abi.TcFdbKey]abi.TcFdbEntry, error) {
	entries := map[abi.TcFdbKey]abi.TcFdbEntry{}
	err := eachEntry(p.mapNamed("fdb"), func(k abi.TcFdbKey, e abi.TcFdbEntry) {
		if k.Slot == slot {
			k.Slot = 0
			entries[k] = e
		}
	})
	return entries, errors.Join(err, ctx.Err())
}

// load makes fresh maps, as small as one extension needs them, and the programs over them.
func (w *world) load(macs int, directions []l2.Direction) error {
	open := abi.LoadTc
	if w.desired.Engine == state.EngineXDP {
		open = abi.LoadXdp
	}
	spec, err := open()
	if err != nil {
		return err
	}
	page := uint32(4096) // a ring buffer has at least one; nobody reads these
	records := uint32(len(w.tables.records))
	for name, entries := range map[string]uint32{
		"extensions": records, "guards": records, "banks": 1, "states": 1, "budgets": 1, "counters": 2, "hits": 2,
		"suspicions": 1, "prints": tracePrints, "flight": flightRecords, "fdb": uint32(macs) + 1<<10, "untimed": 1 << 10, "probes": 1 << 10,
		"captures": page, "signals": page,
	} {
		if m := spec.Maps[name]; m != nil {
			m.MaxEntries = entries
		}
	}
	wanted := map[string]*ebpf.ProgramSpec{}
	for _, dir := range directions {
		name := tracePrograms[w.desired.Engine][dir]
		wanted[name] = spec.Programs[name]
		wanted[name].Instructions = withoutSending(wanted[name].Instructions)
	}
	spec.Programs = wanted
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		return err
	}
	w.maps, w.programs = c.Maps, c.Programs
	return nil
}

// tracePrints is PRINTS of bpf/abi.h.
const tracePrints = 64

// withoutSending replaces the one helper that sends also in a test run, bpf_clone_redirect, by its success. The
// live programs need no switch for it then, which all frames would pass.
func withoutSending(instructions asm.Instructions) asm.Instructions {
	out := append(asm.Instructions(nil), instructions...)
	for i := range out {
		if isSending(&out[i]) {
			quiet := asm.Mov.Imm(asm.R0, 0)
			quiet.Metadata = out[i].Metadata
			out[i] = quiet
		}
	}
	return out
}

func isSending(i *asm.Instruction) bool {
	return i.IsBuiltinCall() && i.Constant == int64(asm.FnCloneRedirect)
}

// fill copies what the programs read. Deadlines keep their time, and budgets, which the live programs reckon by
// another clock, get this one's.
func (w *world) fill(p *Plane, entries map[abi.TcFdbKey]abi.TcFdbEntry) error {
	ahead, err := w.stopClock(p)
	if err != nil {
		return err
	}
	index, err := w.putRecords()
	if err != nil {
		return err
	}
	errs := []error{
		putAll(w.maps["nics"], w.tables.nics, func(n abi.TcNic) any { return n }),
		putAll(w.maps["circuits"], w.tables.circuits, func(slot uint32) any { return index[slot] }),
		putAll(w.maps["segments"], w.tables.segments, func(slot uint32) any { return index[slot] }),
		putAll(w.maps["vtep_ids"], vtepKeys(w.vteps), func(i uint32) any { return i }),
		w.putKeyed(),
		w.copyOne(p, "suspicions", w.slot, 0, new(abi.TcSuspicion)),
		w.copyStates(p),
		w.copyBudgets(p, ahead),
	}
	for i := range uint32(tracePrints) {
		errs = append(errs, w.copyOne(p, "prints", w.slot*tracePrints+i, i, new(abi.TcPrint)))
	}
	for i := range w.vteps.byIndex {
		errs = append(errs, w.copyOne(p, "vteps", i, i, new(abi.TcVtep)))
	}
	for k, e := range entries {
		for i := range e.Share {
			e.Share[i] = shift(e.Share[i], ahead)
		}
		errs = append(errs, w.maps["fdb"].Put(k, e))
	}
	return errors.Join(errs...)
}

// stopClock notes the programs' time, and how far it is ahead of the clock of rates, in schedules' units.
func (w *world) stopClock(p *Plane) (ahead int64, err error) {
	w.now = p.stopped
	if p.tick != 0 {
		m, err := p.now()
		if err != nil {
			return 0, err
		}
		w.now = m.ticks * p.tick
		ahead = int64(w.now-m.monotonic) << scheduleBits
	}
	w.gateway.Tick = 0
	return ahead, w.setTime(0)
}

// setTime sets the clock to some time after the copies were made.
func (w *world) setTime(after time.Duration) error {
	w.gateway.Stopped = w.now + uint64(after)
	return w.maps["gateways"].Put(uint32(0), w.gateway)
}

// shift moves a schedule to another clock. 0 was never used.
func shift(due uint64, ahead int64) uint64 {
	if due == 0 {
		return 0
	}
	return uint64(max(0, int64(due)+ahead))
}

// putRecords numbers the extensions' records, the traced one's 0, and returns the numbers by slot.
func (w *world) putRecords() (map[uint32]uint32, error) {
	index := map[uint32]uint32{w.slot: 0}
	for slot, r := range w.tables.records {
		x := r.extension
		if slot != w.slot {
			index[slot] = uint32(len(index))
			x.Slot = 1 // of which there are neither counters nor state
		} else {
			x.Slot = 0
		}
		x.Record = index[slot]
		if err := errors.Join(w.maps["extensions"].Put(x.Record, x), w.maps["guards"].Put(x.Record, r.guards.Value())); err != nil {
			return nil, err
		}
	}
	return index, nil
}

// putKeyed puts what has the extension's slot in its key.
func (w *world) putKeyed() error {
	var errs []error
	for k, v := range w.tables.inner {
		if k.Slot == w.slot {
			k.Slot = 0
			errs = append(errs, w.maps["inner_vlans"].Put(k, v))
		}
	}
	for k, v := range w.tables.shielded {
		if k.Slot == w.slot {
			k.Slot = 0
			errs = append(errs, w.maps["protected"].Put(k, v))
		}
	}
	return errors.Join(errs...)
}

// copyOne copies an element of an array.
func (w *world) copyOne(p *Plane, name string, from, to uint32, value any) error {
	if err := p.mapNamed(name).Lookup(from, value); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return w.maps[name].Put(to, value)
}

// copyStates also makes the programs believe that somebody listens, which keeps frames away from the cache of flows:
// each is judged.
func (w *world) copyStates(p *Plane) error {
	var s abi.TcExtensionState
	if err := p.mapNamed("states").Lookup(w.slot, &s); err != nil {
		return fmt.Errorf("read states: %w", err)
	}
	s.RecordUntil = math.MaxUint64
	return w.maps["states"].Put(uint32(0), s)
}

func (w *world) copyBudgets(p *Plane, ahead int64) error {
	var s abi.TcSpending
	if err := p.mapNamed("budgets").Lookup(w.slot, &s); err != nil {
		return fmt.Errorf("read budgets: %w", err)
	}
	for i := range s.Way {
		b := &s.Way[i]
		for class := range b.Open {
			b.Reserved[class] = shift(b.Reserved[class], ahead)
			b.Open[class] = shift(b.Open[class], ahead)
			b.Bytes[class] = shift(b.Bytes[class], ahead)
			b.Pressed[class] = shift(b.Pressed[class], ahead>>scheduleBits)
		}
		for _, due := range []*uint64{&b.Flood, &b.Bandwidth, &b.Cpu, &b.Learn, &b.Answers} {
			*due = shift(*due, ahead)
		}
	}
	return w.maps["budgets"].Put(uint32(0), s)
}

func vtepKeys(v vteps) map[abi.TcAddress]uint32 {
	keys := make(map[abi.TcAddress]uint32, len(v.byAddr))
	for addr, i := range v.byAddr {
		keys[keyOf(addr)] = i
	}
	return keys
}

// putAll puts a whole table, its values changed. A map that the programs do not use is not there.
func putAll[K comparable, V any](m *ebpf.Map, table map[K]V, value func(V) any) error {
	if m == nil {
		return nil
	}
	for k, v := range table {
		if err := m.Put(k, value(v)); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) close() error {
	var errs []error
	for _, m := range w.maps {
		errs = append(errs, m.Close())
	}
	for _, p := range w.programs {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// glance is all that a run changes and that a result is made of.
type glance struct {
	counters [2]abi.TcTally
	nic      abi.TcNicTally
	passage  abi.TcPassage // of the frame that was run last
	spending abi.TcSpending
	state    abi.TcExtensionState
}

// clear makes the counters and the passage zero, so that they tell of one frame.
func (w *world) clear(nicSlot uint32) error {
	return errors.Join(
		resetPerCPU[abi.TcTally](w.maps["counters"], 0), resetPerCPU[abi.TcTally](w.maps["counters"], 1),
		resetPerCPU[abi.TcNicTally](w.maps["nic_counters"], nicSlot),
		resetPerCPU[abi.TcPassage](w.maps["passages"], 0),
	)
}

func (w *world) look(nicSlot uint32) (g glance, err error) {
	var tallies []abi.TcTally
	for dir := range g.counters {
		if err := w.maps["counters"].Lookup(uint32(dir), &tallies); err != nil {
			return g, err
		}
		for i := range tallies {
			if tallies[i] != (abi.TcTally{}) {
				g.counters[dir] = tallies[i]
			}
		}
	}
	var nics []abi.TcNicTally
	if err := w.maps["nic_counters"].Lookup(nicSlot, &nics); err != nil {
		return g, err
	}
	for i := range nics {
		if nics[i] != (abi.TcNicTally{}) {
			g.nic = nics[i]
		}
	}
	var passages []abi.TcPassage
	if err := w.maps["passages"].Lookup(uint32(0), &passages); err != nil {
		return g, err
	}
	for i := range passages {
		if passages[i].Now != 0 {
			g.passage = passages[i]
		}
	}
	return g, errors.Join(w.maps["budgets"].Lookup(uint32(0), &g.spending), w.maps["states"].Lookup(uint32(0), &g.state))
}

// entry is what the FDB has of a MAC; nil: nothing.
func (w *world) entry(mac l2.MAC) (*abi.TcFdbEntry, error) {
	var e abi.TcFdbEntry
	err := w.maps["fdb"].Lookup(abi.TcFdbKey{Mac: mac}, &e)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, nil
	}
	return &e, err
}

// run runs one program on one frame.
func (w *world) run(program string, ifindex uint32, in []byte) (verdict uint32, out []byte, err error) {
	o := ebpf.RunOptions{Data: in, DataOut: make([]byte, 2*traceLongest)}
	if w.desired.Engine == state.EngineXDP {
		o.Context = xdpContext{DataEnd: uint32(len(in)), IngressIfindex: ifindex}
		o.ContextOut = new(xdpContext)
	} else {
		o.Context = skbContext{Ifindex: ifindex}
		o.ContextOut = new(skbContext)
	}
	verdict, err = w.programs[program].Run(&o)
	if err != nil {
		return 0, nil, fmt.Errorf("run the frame through %s: %w (is the interface up?)", program, err)
	}
	return verdict, o.DataOut, nil
}
