// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"testing"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// TestBalancedFindsLoss: a frame that is nowhere is noticed, at an extension as on a NIC.
func TestBalancedFindsLoss(t *testing.T) {
	whole := func() *lab.Status {
		e := lab.ExtensionStatus{Name: "acme",
			ToCloud:    lab.Counters{Rx: lab.Count{Frames: 10}, Tx: lab.Count{Frames: 7}, Drops: map[string]uint64{"a": 1, "b": 2}},
			ToCustomer: lab.Counters{Rx: lab.Count{Frames: 5}, Tx: lab.Count{Frames: 5}}}
		e.Attachment.Interface = "eth2"
		return &lab.Status{Extensions: []lab.ExtensionStatus{e}, Interfaces: []lab.InterfaceStatus{
			{Name: "eth2", Role: "customer", Rx: lab.Count{Frames: 12}, Drops: map[string]uint64{"no-circuit": 2}},
			{Name: "eth1", Role: "underlay", Rx: lab.Count{Frames: 9}, Passed: 4},
		}}
	}
	if err := whole().Balanced(); err != nil {
		t.Errorf("a balanced status: %v", err)
	}
	for name, spoil := range map[string]func(*lab.Status){
		"drop uncounted":     func(s *lab.Status) { delete(s.Extensions[0].ToCloud.Drops, "a") },
		"doubled":            func(s *lab.Status) { s.Extensions[0].ToCustomer.Tx.Frames++ },
		"lost at the NIC":    func(s *lab.Status) { s.Interfaces[0].Rx.Frames++ },
		"lost at the uplink": func(s *lab.Status) { s.Interfaces[1].Passed-- },
	} {
		s := whole()
		spoil(s)
		if s.Balanced() == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}
