// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// FuzzFrames in short: the same checks on frames that are right but for a few bytes, or cut, or longer.
func TestMutatedFrames(t *testing.T) {
	r := newRig(t, state.EngineTC, false)
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Inner = state.InnerVLANs{Allowed: []l2.VID{10}}
		x.MACLimit = 64
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: peerA}}
	})
	random := rand.New(rand.NewPCG(1, 2))
	list := seeds(r)
	for n := range 3000 {
		in := slices.Clone(list[random.IntN(len(list))])
		nic := "eth2"
		switch n % 4 {
		case 0:
			in = r.onCircuit(in)
		case 1, 2:
			in, nic = packet{inner: in}.bytes(r), "eth1"
		}
		before := slices.Clone(in)
		in = mutate(random, in)
		fuzzOne(t, r, nic, in)
		if t.Failed() {
			t.Fatalf("frame %d by %s\n% x, made from\n% x", n, nic, in, before)
		}
	}
	r.engine = state.EngineTC
	r.checkBooks()
}

func mutate(random *rand.Rand, in []byte) []byte {
	for range random.IntN(4) {
		at := random.IntN(len(in))
		switch random.IntN(4) {
		case 0:
			in[at] ^= 1 << random.IntN(8)
		case 1:
			in[at] = byte(random.Uint32())
		case 2:
			in = in[:max(14, at)]
		case 3:
			in = append(in, make([]byte, random.IntN(40))...)
		}
	}
	return in
}
