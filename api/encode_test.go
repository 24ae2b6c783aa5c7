// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

// What is written by hand is what encoding/json makes of the same types, also of text that needs escaping.
func TestStatusIsEncodedAsByReflection(t *testing.T) {
	for seed := range uint64(500) {
		s := dice{rand.New(rand.NewPCG(seed, 0))}.status()
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := string(appendStatus(nil, &s)) + "\n"; got != want.String() {
			t.Fatalf("seed %d:\ngot  %s\nwant %s", seed, got, want.String())
		}
	}
}

// dice throws documents.
type dice struct{ *rand.Rand }

func (d dice) text() string {
	all := []string{"", "eth2", "ACME, order 4711", `a"b\`, "<&>", "\u2028\x00\n", "\xff", "ä", "\x7f"}
	return all[d.IntN(len(all))] + all[d.IntN(len(all))]
}

func (d dice) texts() []string {
	out := []string{}
	for range d.IntN(3) {
		out = append(out, d.text())
	}
	return out
}

func (d dice) reasons() map[string]uint64 {
	out := map[string]uint64{}
	for range d.IntN(4) {
		out[d.text()] = d.Uint64()
	}
	return out
}

func (d dice) count() Count { return Count{d.Uint64(), d.Uint64()} }

func (d dice) counters() Counters {
	return Counters{Rx: d.count(), Tx: d.count(), Copies: d.Uint64(), Generated: d.Uint64(), Drops: d.reasons(), WouldDrop: d.reasons()}
}

func (d dice) status() Status {
	s := Status{
		Gateway:    GatewayInfo{Name: d.text(), Underlay: Underlay{Interfaces: d.texts()}},
		Interfaces: []Interface{{Name: d.text(), Rx: d.count(), Drops: d.reasons()}},
		Extensions: []Extension{},
	}
	for range d.IntN(3) {
		s.Extensions = append(s.Extensions, Extension{
			Name: d.text(), Bridge: d.text(), Reason: d.text(), Since: time.Unix(d.Int64N(1<<35), d.Int64N(2)*5e8).UTC(),
			Attachment: Attachment{d.text(), d.text()}, Overlay: Overlay{d.text(), d.Uint32(), d.texts()},
			MACs:    MACCounts{d.Int(), -d.Int(), d.Int()},
			ToCloud: d.counters(), ToCustomer: d.counters(), Description: d.text(),
		})
	}
	return s
}
