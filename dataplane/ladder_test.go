// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestLadder(t *testing.T) {
	r := newRig(t, state.EngineXDP, false)
	known := l2.MAC{2, 0, 0, 0, 0, 9}
	r.fromCustomer(tagged(l2.Broadcast, known, arpRequest(known)))
	for _, c := range []struct {
		name string
		in   []byte
	}{
		{"no-circuit", frame.Ethernet{Dst: l2.Broadcast, Src: macHost}.With(frame.VLAN{ID: 7}, arpRequest(macHost)).Padded(64).Bytes()},
		{"malformed", frame.Ethernet{Dst: macVM, Src: macHost}.With(frame.VLAN{ID: 2301, Type: frame.Set(0x5ff)}).Padded(64).Bytes()},
		{"bad-source", tagged(macVM, l2.Broadcast, udp(20)...)},
		{"control-frame", tagged(l2.MAC{1, 0x80, 0xc2, 0, 0, 1}, macHost, udp(20)...)},
		{"same-side", tagged(known, macHost, udp(20)...)},
	} {
		o := ebpf.RunOptions{Data: c.in, Repeat: 1000000, Context: xdpContext{DataEnd: uint32(len(c.in)), IngressIfindex: uint32(r.eth["eth2"].Attrs().Index)}}
		start := time.Now()
		_, err := r.plane.objects.programs["xdp_customer"].Run(&o)
		r.must(err)
		t.Logf("%-14s %d ns", c.name, time.Since(start).Nanoseconds()/1000000)
	}
}
