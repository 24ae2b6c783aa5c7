// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// What a frame costs in engine xdp, by path and by guard, beyond a bare redirect of the same frame:
//
//	go test ./dataplane -run '^$' -bench Cost -benchtime 40x
//
// The kernel runs a program over one buffer many times and does not put the buffer right again. So a small program of
// our own does that first, then calls the one that is measured; what it takes itself is taken off with the bare
// redirect. Everything is in the first-level caches: a lower bound. The first quartile of the runs is reported.

// costRepeat is how often the kernel runs a program for one figure.
const costRepeat = 20_000

// costCase is one row: a path, and the row that it is compared with.
type costCase struct {
	name    string
	program string // of engine xdp, without "xdp_"
	verdict uint32
	setup   func(x *state.Extension, g *state.Guards)
	in      func(r *rig) []byte
	forget  bool // cached flows are forgotten before every frame
}

const xdpDrop, xdpRedirect = 1, 4

func BenchmarkCost(b *testing.B) {
	for _, c := range costCases() {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b, state.EngineXDP, false)
			c.measure(b, r)
		})
	}
}

func costCases() []costCase {
	udp := func(dst, src l2.MAC) []byte {
		return frame.Ethernet{Dst: dst, Src: src}.With(frame.IPv4{Src: peerA, Dst: peerB, DontFragment: true},
			frame.UDP{SrcPort: 5000, DstPort: 9, Checksum: frame.Set(0)}, make(frame.Raw, 18)).Bytes()
	}
	up := func(*rig) []byte { return withTag(udp(macVM, macHost)) }
	down := func(r *rig) []byte { return r.tunnelled(peerA, udp(macHost, macVM)) }
	broadcast := func(*rig) []byte { return withTag(udp(l2.Broadcast, macHost)) }
	fast := state.BitRate{PerSecond: 1_000_000_000_000, Burst: time.Second}
	wide := func(x *state.Extension, g *state.Guards) {
		for i := range g.Storm {
			g.Storm[i].Rate = state.Rate{PerSecond: 1 << 30, Burst: 1 << 30}
		}
		g.Fingerprint = false
	}
	cases := []costCase{
		{name: "known unicast to cloud", program: "customer", verdict: xdpRedirect, in: up},
		{name: "known unicast to customer", program: "underlay", verdict: xdpRedirect, in: down},
	}
	for _, way := range slices.Clone(cases) {
		add := func(name string, forget bool, setup func(x *state.Extension, g *state.Guards)) {
			c := way
			c.name, c.forget, c.setup = way.name+", "+name, forget, setup
			cases = append(cases, c)
		}
		add("not cached", true, nil)
		add("not cached, guards off", true, func(x *state.Extension, _ *state.Guards) { x.Mode = state.Off })
		add("bandwidth", false, func(_ *state.Extension, g *state.Guards) { g.ToCloud, g.ToCustomer = fast, fast })
		add("share of a core", false, func(_ *state.Extension, g *state.Guards) { g.CPU = 100 })
		add("protected addresses", false, func(_ *state.Extension, g *state.Guards) { g.Protected = []netip.Addr{stranger} })
	}
	return append(cases,
		costCase{name: "broadcast", program: "customer", verdict: xdpRedirect, in: broadcast, setup: wide},
		costCase{name: "broadcast, eye for loops", program: "customer", verdict: xdpRedirect, in: broadcast,
			setup: func(x *state.Extension, g *state.Guards) { wide(x, g); g.Fingerprint = true }},
		costCase{name: "broadcast, guards off", program: "customer", verdict: xdpRedirect, in: broadcast,
			setup: func(x *state.Extension, _ *state.Guards) { x.Mode = state.Off }},
		costCase{name: "dropped: storm", program: "customer", verdict: xdpDrop, in: broadcast},
		costCase{name: "dropped: raised", program: "customer", verdict: xdpDrop, in: up,
			setup: func(x *state.Extension, _ *state.Guards) { x.Raised = true }},
	)
}

func withTag(untagged []byte) []byte {
	tag := []byte{0x81, 0, 2301 >> 8, 2301 & 0xff}
	return slices.Concat(untagged[:12], tag, untagged[12:])
}

func (c costCase) measure(b *testing.B, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Guards = stretched()
		if c.setup != nil {
			c.setup(x, &x.Guards)
		}
	})
	in := c.in(r)
	r.fromCustomer(tagged(macVM, macHost)) // both stations are learnt, the neighbour is known
	r.fromCloud(r.tunnelled(peerA, ethernet(macHost, macVM)))
	bare := restored(b, r, in, c.forget, bareRedirect(b, r))
	full := restored(b, r, in, c.forget, r.plane.objects.programs["xdp_"+c.program])
	nic := map[string]string{"customer": "eth2", "underlay": "eth1"}[c.program]
	var costs []float64
	for b.Loop() {
		took := r.repeat(full, nic, in, c.verdict)
		costs = append(costs, took-r.repeat(bare, nic, in, xdpRedirect))
	}
	slices.Sort(costs)
	b.ReportMetric(costs[len(costs)/4], "ns/frame")
	b.ReportMetric(0, "ns/op")
}

// repeat runs a program many times over a frame and returns what one took, in ns of the thread's CPU time.
func (r *rig) repeat(p *ebpf.Program, nic string, in []byte, verdict uint32) float64 {
	r.t.Helper()
	o := ebpf.RunOptions{
		Data: in, Repeat: costRepeat, ContextOut: new(xdpContext),
		Context: xdpContext{DataEnd: uint32(len(in)), IngressIfindex: uint32(r.eth[nic].Attrs().Index)},
	}
	before := r.cpuTime()
	code, err := p.Run(&o)
	took := r.cpuTime() - before
	r.must(err)
	if code != verdict {
		r.t.Fatalf("the program returned %d: want %d", code, verdict)
	}
	return float64(took) / costRepeat
}

func (r *rig) cpuTime() int64 {
	var t unix.Timespec
	r.must(unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t))
	return t.Nano()
}

// bareRedirect is what a gateway cannot do without.
func bareRedirect(b *testing.B, r *rig) *ebpf.Program {
	return loadCost(b, asm.Instructions{
		asm.Mov.Imm(asm.R1, int32(r.eth["eth1"].Attrs().Index)),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
	})
}

func loadCost(b *testing.B, i asm.Instructions) *ebpf.Program {
	b.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Flags: unix.BPF_F_XDP_HAS_FRAGS, Instructions: i, License: "Dual BSD/GPL"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

// restored is a program that makes the buffer hold the frame again, whatever was done to it, and goes on with another.
func restored(b *testing.B, r *rig, in []byte, forget bool, next *ebpf.Program) *ebpf.Program {
	b.Helper()
	jump, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: next}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = jump.Close() })
	const data, end = 0, 4 // in struct xdp_md
	size := len(in) &^ 7
	i := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R6, end, asm.Word),
		asm.LoadMem(asm.R3, asm.R6, data, asm.Word),
		asm.Sub.Reg(asm.R2, asm.R3),
		asm.Sub.Imm(asm.R2, int32(len(in))),
		asm.FnXdpAdjustHead.Call(),
		asm.LoadMem(asm.R2, asm.R6, end, asm.Word),
		asm.LoadMem(asm.R7, asm.R6, data, asm.Word),
		asm.Mov.Reg(asm.R3, asm.R7),
		asm.Add.Imm(asm.R3, int32(size)),
		asm.JGT.Reg(asm.R3, asm.R2, "broken"),
	}
	for at := 0; at < size; at += 8 {
		i = append(i,
			asm.LoadImm(asm.R1, int64(binary.NativeEndian.Uint64(in[at:])), asm.DWord),
			asm.StoreMem(asm.R7, int16(at), asm.R1, asm.DWord))
	}
	if forget {
		i = append(i, forgetFlows(r)...)
	}
	i = append(i,
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.LoadMapPtr(asm.R2, jump.FD()),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnTailCall.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("broken"),
		asm.Return(),
	)
	return loadCost(b, i)
}

// forgetFlows is a change of the gateway's generation, as the daemon makes it.
func forgetFlows(r *rig) asm.Instructions {
	at := int16(unsafe.Offsetof(abi.TcGateway{}.Generation))
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, r.plane.objects.maps["gateways"].FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "broken"),
		asm.LoadMem(asm.R1, asm.R0, at, asm.Word),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, at, asm.R1, asm.Word),
	}
}
