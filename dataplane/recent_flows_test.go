// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"slices"
	"testing"
	"time"

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
		{"what is kept", keptFlows}, {"frames that are not like the others", oddFramesOfFlows}, {"ends", endsOfFlows},
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
	var g abi.TcGateway
	r.must(r.plane.mapNamed("gateways").Lookup(uint32(0), &g))
	cpus, err := ebpf.PossibleCPU()
	r.must(err)
	used := (g.FlowMask + 1) * uint32(cpus)
	at, err := lookupAll[abi.TcFlowSet](r.plane.mapNamed("recent_flows"), used, false)
	r.must(err)
	now := uint64(r.now())
	for index := range used {
		set, err := at(index)
		r.must(err)
		for _, f := range set[0].Flow {
			if f.Expires <= now || f.GatewayGeneration != g.Generation {
				continue
			}
			var x abi.TcExtension
			r.must(r.plane.mapNamed("extensions").Lookup(uint32(f.Record&^flowToCustomer), &x))
			if f.Generation == x.Generation {
				live++
			}
		}
	}
	return live
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
	r.wait(1100 * time.Millisecond)
	r.wantFlows("after a second", 0)
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
