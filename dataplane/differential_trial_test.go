// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// prover runs trials on one rig, one after the other.
type prover struct {
	*rig
	lastNow int64 // the clock never goes back
	traced  bool
	first   bool // the first disagreement is enough, and is not looked into
}

// prover makes a rig ready for frames that are the same in every run.
func (r *rig) prover() *prover {
	p := &prover{rig: r}
	p.fixedMACs()
	return p
}

// trial is programs and model side by side, with the same configuration, tables and clock, from the beginning
// of an episode.
type trial struct {
	rig      *prover
	runner   *runner
	scenario *scenario
	gateway  *model.Gateway
	now      int64
	swept    int64 // when what has aged was taken out last
	record   abi.TcGateway
	traced   bool
	fired    *[model.Reasons]uint64

	base     map[string]nicBase
	handed   [8][2]handed // by extension: what waits for tc
	perCPU   []abi.TcTally
	untagged []byte
}

// handed is what engine xdp has decided and left to tc to copy, count and send.
type handed struct{ frames, bytes, copies uint64 }

// begin sets both up with empty tables and stops the programs' clock, which goes on where the last trial left it.
func (p *prover) begin(s *scenario) *trial {
	p.t.Helper()
	p.plane.tick = 0
	p.restart(s.desired)
	t := &trial{rig: p, runner: p.newRunner(), scenario: s, gateway: model.New(s.desired, s.guards), base: map[string]nicBase{}, traced: p.traced}
	t.gateway.Unresolved = s.unresolved
	for _, name := range []string{"eth1", "eth2"} {
		rx, passed, drops := t.nicCounts(name)
		t.base[name] = nicBase{rx, passed, drops}
	}
	p.must(p.plane.mapNamed("gateways").Lookup(uint32(0), &t.record))
	t.record.Tick = 0
	t.now = max(p.lastNow, int64(time.Hour)) + int64(10*time.Minute)
	t.setClock()
	return t
}

// setClock tells the programs the time.
func (t *trial) setClock() {
	t.record.Stopped = uint64(t.now)
	t.rig.must(t.rig.plane.mapNamed("gateways").Put(uint32(0), &t.record))
	t.rig.lastNow = t.now
}

// sweepEvery is how often what has aged is taken out on both sides, as the entries' timers would: these go by the
// kernel's clock.
const sweepEvery = time.Second

// wait lets time pass on both sides.
func (t *trial) wait(d time.Duration) {
	if d == 0 {
		return
	}
	t.now += int64(d)
	if t.now-t.swept < int64(sweepEvery) {
		t.setClock()
		return
	}
	for t.agesNow() {
		t.now += int64(sweepEvery)
	}
	t.setClock()
	t.swept = t.now
	aged := false
	for _, x := range t.gateway.Extensions {
		aged = x.Sweep(t.now) || aged
	}
	if aged {
		t.sweep()
	}
}

// sweep takes out of the programs' table what has aged. It goes through a table of a million, so it waits until there is
// something, or until the tables are compared.
func (t *trial) sweep() {
	a := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_SWEEP, Now: uint64(t.swept)}
	_, err := t.rig.plane.runAdmin(&a)
	t.rig.must(err)
}

// agesNow reports whether an entry has aged, or has not, by when a stamp was written.
func (t *trial) agesNow() bool {
	for _, x := range t.gateway.Extensions {
		lag := stampLag(x.MACAge)
		for _, e := range x.FDB {
			age := t.now - max(e.Seen, e.FrozenUntil)
			if !e.Static && !e.Pinned && age > int64(x.MACAge-sweepEvery)-2*lag && age <= int64(x.MACAge)+lag {
				return true
			}
		}
	}
	return false
}

// step lets time pass and sends one frame to both; "" when they agree about it.
func (t *trial) step(a *model.Arrival) string {
	t.wait(a.Step)
	if a.Probe != 0 {
		t.probe(a.Probe)
	}
	if a.Work != 0 {
		t.work(a.Work)
	}
	if !t.runner.takes(a) {
		return ""
	}
	want := t.judge(a)
	if t.fired != nil {
		t.fired[want.Reason]++
	}
	verdict, out, err := t.runner.run(a.NIC, a.Bytes)
	if err != nil {
		return err.Error()
	}
	if want.Print != nil {
		t.place(want)
	}
	if t.traced {
		t.trace(a, want, verdict)
	}
	return t.compareFrame(a, want, verdict, out)
}

// prints is how many fingerprints of an extension the programs keep: PRINTS of bpf/abi.h.
const prints = 64

// place finds out where the programs keep a new fingerprint, and whose place it took. That they keep few is theirs to choose;
// which they forget is not the model's to know.
func (t *trial) place(want *model.Result) {
	var p struct {
		Print, First uint64
		Rest         [2]uint64
	}
	m := t.rig.plane.mapNamed("prints")
	for i := range uint32(prints) {
		t.rig.must(m.Lookup(t.slot(want.Extension)*prints+i, &p))
		if p.First == uint64(t.now) {
			want.Print.Slot = int(i)
			want.Extension.Loop.Displace(want.Print)
			return
		}
	}
	want.Print.Slot = -1
}

// probe sends a probe of the first extension. Its nonce is written as the machine does.
func (t *trial) probe(nonce uint64) {
	x := t.gateway.Extensions[0]
	t.rig.must(t.rig.plane.Probe(x.Name, bits.ReverseBytes64(nonce)))
	t.gateway.SendProbe(x, t.now, nonce)
}

// work uses of the first extension's share of a core. With a stopped clock frames take no time: it is written to the
// table, as if those before had.
func (t *trial) work(took time.Duration) {
	x := t.gateway.Extensions[0]
	x.Work(t.now, took)
	m, b := t.rig.plane.mapNamed("budgets"), budgets{}
	t.rig.must(m.Lookup(t.slot(x), &b))
	b.Way[0].CPU = x.CPU.Next << scheduleBits
	t.rig.must(m.Put(t.slot(x), &b))
}

func (t *trial) judge(a *model.Arrival) *model.Result {
	if a.Underlay {
		return t.gateway.FromUnderlay(t.now, a.NIC, a.Bytes)
	}
	want := t.gateway.FromCustomer(t.now, a.NIC, a.Bytes)
	if t.rig.engine == state.EngineXDP && want.Verdict == model.Forwarded && want.Flooded && len(want.Extension.Peers) > 1 {
		h := &t.handed[want.Extension.Number][l2.ToCloud]
		h.frames++
		h.bytes += uint64(want.Size)
		h.copies += uint64(len(want.Leaves))
	}
	return want
}

// describe says what a disagreement is about.
func (t *trial) describe(a *model.Arrival, what string) string {
	side := "the customer"
	if a.Underlay {
		side = "the underlay"
	}
	return fmt.Sprintf("%s\nfrom %s by %s at %d: % x", what, side, a.NIC, t.now, a.Bytes)
}

// trace prints what both did with a frame.
func (t *trial) trace(a *model.Arrival, want *model.Result, verdict string) {
	fmt.Printf("%d underlay %t: %s %s would %s changes %v signals %v; programs: %s\n",
		t.now, a.Underlay, want.Verdict, want.Reason, want.WouldDrop, want.Changes, want.Signals, verdict)
	if want.Extension == nil || len(a.Bytes) < 66 {
		return
	}
	src := a.Bytes[6:12]
	if a.Underlay {
		src = a.Bytes[14+20+8+8+6:]
		if t.gateway.Underlay.VTEP.Is6() {
			src = a.Bytes[14+40+8+8+6:]
		}
	}
	k := abi.TcFdbKey{Slot: t.slot(want.Extension), Mac: [6]uint8(src[:6])}
	var e abi.TcFdbEntry
	if t.rig.plane.mapNamed("fdb").Lookup(k, &e) == nil {
		fmt.Printf("    %x: %+v\n", k.Mac, e)
		if m := want.Extension.FDB[k.Mac]; m != nil {
			fmt.Printf("    model %+v\n", *m)
		}
	}
}
