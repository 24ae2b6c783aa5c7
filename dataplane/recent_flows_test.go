// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// A cached flow spares lookups and no guard: what the stages would say of its next frame holds.
func TestRecentFlows(t *testing.T) {
	lightSuite(t, []part{
		{"what is kept", keptFlows}, {"frames that are not like the others", oddFramesOfFlows}, {"ends", endsOfFlows}, {"eras", erasOfFlows}, {"the first moment of an era", firstMomentOfEra}, {"a full set", fullSetOfFlows},
		{"room for them", fittingFlows},
	})
}

// warm makes two stations known and their flows cached, both ways, on one CPU.
func (r *rig) warm(change func(x *state.Extension, g *state.Guards)) (host, vm l2.MAC) {
	r.t.Helper()
	var one unix.CPUSet
	one.Set(0)
	r.must(unix.SchedSetaffinity(0, &one)) // the thread ends with the subtest
	host, vm = station(1), station(2)
	r.guarded(change)
	r.flood("eth2", l2.Broadcast, host, 1)
	r.flood("eth1", l2.Broadcast, vm, 1)
	r.wantFates("to cloud", r.flood("eth2", vm, host, 3), map[string]int{"sent": 3})
	r.wantFates("to customer", r.flood("eth1", host, vm, 3), map[string]int{"sent": 3})
	return host, vm
}

const flowToCustomer = 0x8000 // FLOW_TO_CUSTOMER

// liveFlows counts the flows that programs would believe now.
func (r *rig) liveFlows() (live int) {
	r.t.Helper()
	g := r.gateway()
	cpus, err := ebpf.PossibleCPU()
	r.must(err)
	size := int(unsafe.Sizeof(abi.TcFlowSet{}))
	memory, err := unix.Mmap(r.plane.mapNamed("recent_flows").FD(), 0, size*int(g.FlowSets)*cpus, unix.PROT_READ, unix.MAP_SHARED)
	r.must(err)
	defer func() { r.must(unix.Munmap(memory)) }()
	now := uint64(r.now())
	for cpu := range cpus {
		for i := range int(g.FlowMask) + 1 {
			set := *(*abi.TcFlowSet)(unsafe.Pointer(&memory[size*(cpu*int(g.FlowSets)+i)]))
			if set.Era != g.Generation+uint32(now>>flowEra) {
				continue
			}
			for _, f := range set.Flow {
				if f.Life&flowEnd > uint32(now>>flowUnit)&127 && f.Life>>8 == r.recordGeneration(f.Record)&(1<<24-1) {
					live++
				}
			}
		}
	}
	return live
}

// recordGeneration grows when an entry of the extension moves.
func (r *rig) recordGeneration(record uint16) uint32 {
	var x abi.TcExtension
	r.must(r.plane.mapNamed("extensions").Lookup(uint32(record&^flowToCustomer), &x))
	return x.Generation
}

func (r *rig) wantFlows(name string, want int) {
	r.t.Helper()
	if got := r.liveFlows(); got != want {
		r.t.Errorf("%s: %d flows are believed, want %d", name, got, want)
	}
}

func keptFlows(_ *testing.T, r *rig) {
	host, vm := r.warm(nil)
	r.wantFlows("one each way", 2)
	r.flood("eth2", station(77), host, 3)
	r.flood("eth1", l2.Broadcast, vm, 3)
	r.wantFlows("floods are not kept", 2)
	r.warm(func(_ *state.Extension, g *state.Guards) {
		g.ToCloud = state.BitRate{PerSecond: 1e9, Burst: time.Second}
	})
	r.wantFlows("nor what is metered", 0)
}

func oddFramesOfFlows(_ *testing.T, r *rig) {
	host, vm := r.warm(func(_ *state.Extension, g *state.Guards) { g.Refused.FromCustomer.DHCP = true })
	dhcp := frame.UDP{SrcPort: 67, DstPort: 68}
	tests := []struct {
		name, want string
		in         []byte
	}{
		{"control frame", "control-frame", slices.Concat(ethernet(vm, host)[:12], typed(0x88cc, make([]byte, 46))[12:])},
		{"inner tag", "inner-vlan", ethernet(vm, host, frame.VLAN{ID: 7}, frame.IPv4{Src: peerA, Dst: peerB}, dhcp)},
		{"too long", "too-big", slices.Concat(ethernet(vm, host)[:12], typed(0x9000, make([]byte, 1600))[12:])},
		{"header cut short", "malformed", ethernet(vm, host, frame.IPv4{Src: peerA, Dst: peerB, TotalLength: frame.Set(9000)}, make(frame.Raw, 40))},
		{"DHCP server", "service-dhcp", ethernet(vm, host, frame.IPv4{Src: peerA, Dst: peerB}, dhcp, append(frame.Raw{2}, make([]byte, 250)...))},
	}
	for _, test := range tests {
		r.expect(test.name, "eth2", r.onCircuit(test.in), test.want)
	}
	r.wantFlows("and the flows are still there", 2)
}

func endsOfFlows(_ *testing.T, r *rig) {
	host, vm := r.warm(nil)
	r.advance(4 * time.Second)
	r.wantFlows("before the source's stamp is due", 2)
	r.advance(time.Second)
	r.wantFlows("then", 0)
	r.wantFates("again", r.flood("eth2", vm, host, 2), map[string]int{"sent": 2})
	r.wantFlows("again", 1)
	// The station behind the VTEP moves to the customer's side: at once nothing is sent to where it was.
	r.flood("eth2", l2.Broadcast, vm, 1)
	r.wantFates("moved", r.flood("eth2", vm, host, 2), map[string]int{"same-side": 2})
	host, vm = r.warm(nil)
	r.change(func(x *state.Extension, _ *state.Desired) { x.Raised = true })
	r.wantFates("raised", r.flood("eth2", vm, host, 2), map[string]int{"raised": 2})
	r.change(func(x *state.Extension, _ *state.Desired) { x.Raised = false })
	host, vm = r.warm(func(x *state.Extension, _ *state.Guards) { x.MACAge = 2 * time.Second })
	before := r.counters("acme").ToCloud.Copies
	r.wait(10 * time.Second)
	r.flood("eth2", vm, host, 1)
	if after := r.counters("acme").ToCloud.Copies; after != before+1 {
		r.t.Errorf("a frame to an aged destination: %d copies, want 1", after-before)
	}
}

// advance moves the programs' clock on, and nothing else: wait ends all flows too.
func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	r.plane.stopped += uint64(d)
	g := r.gateway()
	g.Stopped = r.plane.stopped
	r.must(r.plane.mapNamed("gateways").Put(uint32(0), g))
}

// era is how long deadlines are counted before they begin anew: FLOW_ERA of bpf/abi.h.
const era = 1 << flowEra * time.Nanosecond

// A flow of one era means nothing in another, at the same place in it; and none lives longer than its era.
func erasOfFlows(_ *testing.T, r *rig) {
	host, vm := r.warm(func(x *state.Extension, _ *state.Guards) { x.MACAge = 10 * time.Second })
	r.wantFlows("in its era", 2)
	before := r.counters("acme").ToCloud.Copies
	r.advance(era)
	r.wantFlows("an era later", 0)
	r.flood("eth2", vm, host, 1)
	if after := r.counters("acme").ToCloud.Copies; after != before+1 {
		r.t.Errorf("a frame to an aged destination, an era later: %d copies, want 1", after-before)
	}
	host, vm = r.warm(func(x *state.Extension, _ *state.Guards) { x.MACAge = 64 * time.Second })
	r.advance(era - r.now()%era - 300*time.Millisecond) // a flow's deadline, in a second, is in the next one
	r.flood("eth1", host, vm, 2)
	r.wantFates("known again", r.flood("eth2", vm, host, 3), map[string]int{"sent": 3})
	r.wantFlows("before the end of an era", 2)
	r.advance(250 * time.Millisecond)
	r.wantFlows("to its end", 2)
	r.advance(100 * time.Millisecond)
	r.wantFlows("and not beyond", 0)
	r.wantFates("but forwarded", r.flood("eth2", vm, host, 3), map[string]int{"sent": 3})
	r.wantFlows("and kept anew", 1)
}

// oneSet leaves one set for all flows, until undo.
func (r *rig) oneSet() (undo func()) {
	r.t.Helper()
	g := r.plane.tables.gateway
	g.FlowMask = 0
	r.must(r.plane.writeGateway(g))
	return func() { r.must(r.plane.writeGateway(r.plane.tables.gateway)) }
}

// A set that enters an era keeps no flow of the last one, in none of its places and not for a moment: frames would be sent to where
// a station was seconds ago, or where a former configuration had it.
func firstMomentOfEra(_ *testing.T, r *rig) {
	_, vm := r.warm(nil)
	defer r.oneSet()()
	for n := range 3 {
		r.flood("eth2", vm, station(100+n), 3)
	}
	r.wantFlows("all places are taken", 3)
	r.advance(era - r.now()%era)
	r.wantFlows("of the era before", 0)
	r.wantFates("another", r.flood("eth2", vm, station(103), 3), map[string]int{"sent": 3})
	r.wantFlows("the only one of this era", 1)
}

// Where both sets of a flow are full, one that is there ends, and all are forwarded.
func fullSetOfFlows(_ *testing.T, r *rig) {
	_, vm := r.warm(nil)
	defer r.oneSet()()
	for n := range 6 {
		r.wantFates("more than there are places", r.flood("eth2", vm, station(100+n), 3), map[string]int{"sent": 3})
		r.wantFlows("as many as there are places", min(n+1, 3))
	}
}

// What is used of the recent flows grows with them at once, and shrinks when there were few for a minute.
func TestFit(t *testing.T) {
	tests := []struct {
		name       string
		used, room uint32
		taken      float64
		stations   uint64
		want       uint32
	}{
		{"none", firstSets, 1 << 18, 0, 0, firstSets},
		{"many stations that are silent", firstSets, 1 << 18, 0.75, 1 << 20, firstSets},
		{"more than three of four", firstSets, 1 << 18, 0.76, 10, 2 * firstSets},
		{"and many stations", firstSets, 1 << 18, 0.76, 100_000, 1 << 15},
		{"more than there is room for", 1 << 17, 1 << 18, 0.76, 1 << 23, 1 << 18},
		{"full, and all that there is room for", 1 << 18, 1 << 18, 1, 1 << 23, 1 << 18},
		{"a small machine", 1 << 10, 1 << 10, 0, 0, 1 << 10},
		{"a sixteenth", 1 << 14, 1 << 18, 0.0625, 0, 1 << 14},
		{"less", 1 << 14, 1 << 18, 0.06, 1 << 20, 1 << 13},
	}
	for _, test := range tests {
		p := &Plane{}
		got, stations := test.used, func() (uint64, error) { return test.stations, nil }
		for range sparseLooks {
			if got != test.used {
				t.Errorf("%s: shrinks before its time", test.name)
			}
			got, _ = p.fit(test.used, test.room, test.taken, stations)
			if got > test.used {
				break
			}
		}
		if got != test.want {
			t.Errorf("%s: %d sets, want %d", test.name, got, test.want)
		}
	}
	p := &Plane{}
	for look := range 10 * sparseLooks {
		taken := float64(look % sparseLooks / (sparseLooks - 1))
		if got, _ := p.fit(1<<14, 1<<14, taken, nil); got < 1<<14 {
			t.Fatalf("look %d: shrinks though flows came back", look)
		}
	}
}

func (r *rig) gateway() (g abi.TcGateway) {
	r.t.Helper()
	r.must(r.plane.mapNamed("gateways").Lookup(uint32(0), &g))
	return g
}

func (r *rig) checkPlane() {
	r.t.Helper()
	_, err := r.plane.Check()
	r.must(err)
}

// The daemon's look at the kernel makes room for the flows that there are, and takes nothing away from frames.
func fittingFlows(_ *testing.T, r *rig) {
	host, vm := r.warm(func(x *state.Extension, g *state.Guards) { x.MACLimit, g.Learn = 8*firstSets, state.Rate{} })
	before := r.gateway()
	r.checkPlane()
	if few := r.gateway(); few != before {
		r.t.Errorf("there is room: %+v, was %+v", few, before)
	}
	for i := range 5 * firstSets / 2 { // of three places a set
		r.flood("eth2", vm, station(100+i), 2) // learnt, then kept
	}
	r.checkPlane()
	after := r.gateway()
	if after.FlowMask+1 != 2*(before.FlowMask+1) || after.Generation == before.Generation {
		r.t.Errorf("%d sets of generation %d, were %d of %d", after.FlowMask+1, after.Generation, before.FlowMask+1, before.Generation)
	}
	r.wantFlows("all have ended", 0)
	r.wantFates("and go on", r.flood("eth2", vm, host, 3), map[string]int{"sent": 3})
	r.wantFlows("anew", 1)
	r.checkPlane()
	r.apply()
	if again := r.gateway(); again != after {
		r.t.Errorf("nothing changed: %+v, was %+v", again, after)
	}
}
