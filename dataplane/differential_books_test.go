// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/dataplane/model"
	"github.com/drawbridge-l2/drawbridge/state"
)

// compareBooks holds all counters and tables against the model's; "" when they agree.
func (t *trial) compareBooks() string {
	t.sweep()
	for _, x := range t.gateway.Extensions {
		for dir := range x.Counters {
			if what := t.compareCounters(x, dir); what != "" {
				return fmt.Sprintf("%s, direction %d: %s", x.Name, dir, what)
			}
		}
		if what := t.compareState(x); what != "" {
			return fmt.Sprintf("%s: %s", x.Name, what)
		}
	}
	for _, n := range t.gateway.NICs {
		if what := t.compareNIC(n); what != "" {
			return what
		}
	}
	for _, n := range t.gateway.Uplinks {
		if what := t.compareNIC(n); what != "" {
			return what
		}
	}
	return t.compareFDB()
}

func (t *trial) compareCounters(x *model.Extension, dir int) string {
	have := sumOfTallies(t.tallies(x, dir))
	want := &x.Counters[dir]
	for r := model.None + 1; r < model.Reasons; r++ {
		if have.Drops[r] != want.Drops[r] {
			return fmt.Sprintf("%d drops as %s, want %d", have.Drops[r], r, want.Drops[r])
		}
		if have.WouldDrop[r] != want.WouldDrop[r] {
			return fmt.Sprintf("%d would-drops as %s, want %d", have.WouldDrop[r], r, want.WouldDrop[r])
		}
	}
	for _, c := range []struct {
		name       string
		have, want uint64
	}{
		{"frames received", have.RxFrames, want.RxFrames}, {"bytes received", have.RxBytes, want.RxBytes},
		{"frames sent", have.TxFrames, want.TxFrames - t.handed[x.Number][dir].frames},
		{"bytes sent", have.TxBytes, want.TxBytes - t.handed[x.Number][dir].bytes},
		{"copies", have.Copies, want.Copies - t.handed[x.Number][dir].copies},
		{"generated", t.generated(have.Generated), t.generated(want.Generated)},
	} {
		if c.have != c.want {
			return fmt.Sprintf("%d %s, want %d", c.have, c.name, c.want)
		}
	}
	return ""
}

// generated: with engine xdp it is tc that answers, and counts that.
func (t *trial) generated(n uint64) uint64 {
	if t.rig.engine == state.EngineXDP {
		return 0
	}
	return n
}

func (t *trial) tallies(x *model.Extension, dir int) []abi.TcTally {
	index := 2*t.slot(x) + uint32(dir)
	t.rig.must(t.rig.plane.mapNamed("counters").Lookup(index, &t.perCPU))
	h, err := sumHits(t.rig.plane.mapNamed("hits"), index)
	t.rig.must(err)
	c := &t.perCPU[0]
	c.RxFrames, c.RxBytes, c.TxFrames, c.TxBytes = c.RxFrames+h.Frames, c.RxBytes+h.Bytes, c.TxFrames+h.Frames, c.TxBytes+h.Bytes
	return t.perCPU
}

func (t *trial) slot(x *model.Extension) uint32 { return t.rig.plane.slots.byName[string(x.Name)] }

func sumOfTallies(perCPU []abi.TcTally) (sum abi.TcTally) {
	for i := range perCPU {
		c := &perCPU[i]
		sum.RxFrames += c.RxFrames
		sum.RxBytes += c.RxBytes
		sum.TxFrames += c.TxFrames
		sum.TxBytes += c.TxBytes
		sum.Copies += c.Copies
		sum.Generated += c.Generated
		for r := range c.Drops {
			sum.Drops[r] += c.Drops[r]
			sum.WouldDrop[r] += c.WouldDrop[r]
		}
	}
	return sum
}

// nicCounts are a NIC's counters that the model has too.
func (t *trial) nicCounts(name string) (rx, passed uint64, drops [8]uint64) {
	var perCPU []abi.TcNicTally
	t.rig.must(t.rig.plane.mapNamed("nic_counters").Lookup(t.rig.plane.nics.byName[name], &perCPU))
	for i := range perCPU {
		rx += perCPU[i].RxFrames
		passed += perCPU[i].Passed
		for r, n := range perCPU[i].Drops {
			drops[r] += n
		}
	}
	return rx, passed, drops
}

// nicBase is what a NIC had counted before the trial.
type nicBase struct {
	rx, passed uint64
	drops      [8]uint64
}

func (t *trial) compareNIC(n *model.NIC) string {
	rx, passed, drops := t.nicCounts(n.Name)
	base := t.base[n.Name]
	if rx-base.rx != n.Rx || passed-base.passed != n.Passed {
		return fmt.Sprintf("%s: %d received, %d passed, want %d, %d", n.Name, rx-base.rx, passed-base.passed, n.Rx, n.Passed)
	}
	for r := model.NoCircuit; r <= model.UnknownVNI; r++ {
		if have := drops[r] - base.drops[r]; have != n.Drops[r] {
			return fmt.Sprintf("%s: %d drops as %s, want %d", n.Name, have, r, n.Drops[r])
		}
	}
	return ""
}
