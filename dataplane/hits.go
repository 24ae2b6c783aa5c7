// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/state"
)

// tallies are what the programs have counted of extensions, by the index of slot and direction. Frames of recent flows have
// counters of their own (struct hits of bpf/abi.h): whoever wants the whole must add both.
type tallies struct {
	judged lookup[abi.TcTally]
	hits   lookup[abi.TcHits]
}

func (p *Plane) talliesEach() tallies {
	return tallies{lookupEach[abi.TcTally](p.mapNamed("counters")), lookupEach[abi.TcHits](p.mapNamed("hits"))}
}

// talliesAll reads the counters of so many slots in batches.
func (p *Plane) talliesAll(slots uint32) (tallies, error) {
	judged, err := lookupAll[abi.TcTally](p.mapNamed("counters"), 2*slots, true)
	if err != nil {
		return tallies{}, err
	}
	hits, err := lookupAll[abi.TcHits](p.mapNamed("hits"), 2*slots, true)
	return tallies{judged, hits}, err
}

// sum is all that CPUs have counted, with what programs of another layout had.
func (t tallies) sum(index uint32, before carried) (state.Counters, error) {
	judged, err := t.judged(index)
	if err != nil {
		return state.Counters{}, err
	}
	hits, err := t.hits(index)
	if err != nil {
		return state.Counters{}, err
	}
	c := sumTallies(with(judged, before.tallies, index))
	for _, h := range hits {
		c.Rx.Frames += h.Frames
		c.Rx.Bytes += h.Bytes
		c.Tx.Frames += h.Frames
		c.Tx.Bytes += h.Bytes
	}
	return c, nil
}

// addHits adds what another layout has counted of recent flows to a tally, whose first numbers are frames and bytes received,
// then sent. A layout without such counters has them in the tally.
func addHits(sum []uint64, old *ebpf.Map, index uint32) error {
	if old == nil || old.ValueSize() != 16 {
		return nil
	}
	var perCPU []abi.TcHits
	if err := old.Lookup(index, &perCPU); err != nil {
		return ignoreMissing(err)
	}
	for _, h := range perCPU {
		sum[0] += h.Frames
		sum[1] += h.Bytes
		sum[2] += h.Frames
		sum[3] += h.Bytes
	}
	return nil
}
