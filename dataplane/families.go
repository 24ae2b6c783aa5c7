// SPDX-License-Identifier: Apache-2.0

package dataplane

import "slices"

// Maps that are made anew together, since each makes sense only with the others of its generation. A map that is in no
// family stands for itself.
var families = [][]string{
	slices.Concat(configuration, []string{"recent_flows"}), // eras of flows are counted by the gateway's record
	{"fdb", "states", "untimed", "reaper"},                 // entries, the quota that they take, and those that wait for a timer
	{"counters", "hits", "carried"},
	{"nic_counters", "nic_carried"},
}

// configuration is what Apply writes as a whole: it is not carried over, but written again.
var configuration = []string{"gateways", "nics", "circuits", "segments", "extensions", "banks", "inner_vlans", "guards", "protected"}

// identities give numbers to names, up to a limit. All other maps speak of these numbers: they are carried over first, and
// when they cannot be, nothing is.
var identities = map[string]uint32{"names": maxExtensions, "nic_names": maxNICs, "vtep_ids": maxVTEPs}

// carriedWhole are carried over before programs use them, by how many elements an extension has; 0 for a table that
// has keys of its own.
var carriedWhole = map[string]uint32{
	"states": 1, "budgets": 1, "suspicions": 1, "prints": printRecords, "flight": flightRecords, "probes": 0,
}

// printRecords is PRINTS of bpf/abi.h.
const printRecords = 64

// needed are the fields without which a value must not be carried over: 0 would say something that is not so.
var needed = map[string][]string{
	"fdb":          {"seen", "since", "born", "place", "home", "flags"},
	"states":       {"half_raised_until"},
	"suspicions":   {"recorded"},
	"prints":       {"print", "first"},
	"probes":       {"sent", "slot"},
	"flight":       {"time", "size", "slot", "captured"},
	"counters":     {"rx_frames", "tx_frames", "drops[0]"},
	"hits":         {"frames"},
	"carried":      {"rx_frames", "tx_frames", "drops[0]"},
	"nic_counters": {"rx_frames", "passed", "drops[0]"},
	"nic_carried":  {"rx_frames", "passed", "drops[0]"},
	"gateways":     {"nonce", "tick", "generation"},
}

// spoken are maps whose records have no type of their own: where struct formats has it.
var spoken = map[string]string{"signals": "signal", "captures": "capture"}

// counted are maps that know reasons of drops by their number: other numbers make another layout.
var counted = []string{"counters", "carried", "nic_counters", "nic_carried", "flight"}
