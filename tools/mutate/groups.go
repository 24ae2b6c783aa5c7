// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

// against are the tests that hold an engine's programs against the model: they kill most, in a second or two.
var against = map[string][]string{
	"tc.bpf.c":  {"^TestProve$/^engines$/^tc$"},
	"xdp.bpf.c": {"^TestProve$/^engines$/^xdp$"},
}

// groups of tests run one after the other until one fails; a file's own test comes before all. Tests of one group share
// the loading of programs.
var groups = []string{
	"^(TestStages|TestGuards|TestAnswers|TestMutants|TestWitness|TestCircuits|TestDecapsulation|TestControlFramesAndSources|" +
		"TestFlowCache|TestReaper|TestIPv6Chains|TestOuterHeaders|TestAccounting|TestMutatedFrames)$",
	"^TestWire$",
	"^(TestFlowsChangeNothing|TestRecentFlows)$",
}

// slow ones run for what is left after that, when the user asks for them.
const slow = "^(TestFDB|TestCrossing|TestDisagreements|TestTrace|TestApply|TestLife|Test.*(Encapsulated|Cloud|Tagged|Dropped))$"

// byTime fail by chance on a busy machine, and would kill anything.
const byTime = "TestGuards/.*/(back-off|share_of_a_core)"

// own is the test that looks at a file.
var own = map[string]string{
	"admin.bpf.c": "TestFDB", "reap.h": "TestReaper", "fdb.h": "TestFDB", "decap.h": "TestDecapsulation", "vlan.h": "TestCircuits",
	"send_tc.h": "TestWire", "tc.bpf.c": "TestWire", "answer_tc.h": "TestWire", "hop.h": "TestHops",
	"plain.h": "TestFlowsChangeNothing", "flow_cache.h": "TestFlowsChangeNothing",
	"outer.h": "TestOuterHeaders", "count.h": "TestAccounting", "witness.h": "TestWitness", "loop.h": "TestWitness",
	"too_big.h": "TestAnswers", "path_mtu.h": "TestDecapsulation",
}

// groups are the tests for a mutant of a file. Where only engine xdp is another, only its tests see it.
func (t *trial) groups(file string, changed objects) []string {
	patterns := slices.Clone(groups)
	if own[file] != "" {
		patterns = slices.Insert(patterns, 0, "^"+own[file]+"$")
	}
	if t.thorough {
		patterns = append(patterns, slow)
	}
	if len(changed) == 1 && changed["xdp_bpfel.o"] != nil {
		for i := range patterns {
			patterns[i] += "/^xdp$"
		}
	}
	return patterns
}
