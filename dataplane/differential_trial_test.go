// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// trial is programs and model side by side, with the same configuration, tables and clock, from the beginning
// of an episode.
type trial struct {
	rig      *rig
	runner   *runner
	scenario *scenario
	gateway  *model.Gateway
	now      int64
	stopped  bool // the programs' clock is ours
	fired    *[model.Reasons]uint64

	base     map[string]nicBase
	handed   [8][2]handed // by extension: what waits for tc
	perCPU   []abi.TcTally
	untagged []byte
}

// handed is what engine xdp has decided and left to tc to copy, count and send.
type handed struct{ frames, bytes, copies uint64 }

// begin sets both up with empty tables.
func (r *rig) begin(s *scenario) *trial {
	r.restart(s.desired)
	t := &trial{rig: r, runner: r.newRunner(), scenario: s, gateway: model.New(s.desired, s.guards), base: map[string]nicBase{}}
	t.gateway.Unresolved = s.unresolved
	for _, name := range []string{"eth1", "eth2"} {
		rx, passed, drops := t.nicCounts(name)
		t.base[name] = nicBase{rx, passed, drops}
	}
	t.now = int64(r.clock())
	return t
}

// step lets time pass and sends one frame to both; "" when they agree about it.
func (t *trial) step(a *model.Arrival) string {
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
	return t.compareFrame(a, want, verdict, out)
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
