// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// The tests of the gateway drive the real program: DRAWBRIDGE_BIN names it, otherwise it is built. They are short forms;
// these make them longer: LAB_KILLS (5) times kill -9 under load, LAB_SILENCE_SECONDS (5) of watching the customer's
// wire, LAB_CALM_SECONDS (1) of harmless traffic, LAB_LOOPS (1) of each kind, LAB_RATE (50000) frames a second;
// LAB_STORM_REQUESTS (25) of ARP in each storm, 25 a second, LAB_ROUNDS (5) of measuring latency and throughput, LAB_MACS (100000)
// invented addresses, LAB_SEEDS (1) of LAB_FRAMES (10000) evasions and as many honest frames.

// prefix starts the names of all namespaces that these tests make.
const prefix = "dblabtest"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer lab.CloseOnSignal()()
	defer removeBinaries()
	if err := lab.Sweep(prefix); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build makes a network that goes away with the test.
func build(t *testing.T, c lab.Config) *lab.Lab {
	t.Helper()
	needRoot(t)
	c.Prefix = prefix
	l, err := lab.Build(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
}

// must stops the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
