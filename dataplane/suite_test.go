// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/state"
)

// sub is a subtest on the same rig: it enters the rig's namespace.
func (r *rig) sub(name string, test func(t *testing.T)) {
	outer := r.t
	outer.(*testing.T).Run(name, func(t *testing.T) {
		runtime.LockOSThread() // never unlocked: the thread ends with the subtest
		if err := unix.Setns(r.ns, unix.CLONE_NEWNET); err != nil {
			t.Fatalf("enter network namespace: %v", err)
		}
		r.t = t
		defer func() { r.t = outer }()
		test(t)
	})
}

// part is a subtest that starts with the rig's first configuration and empty tables.
type part struct {
	name string
	test func(*testing.T, *rig)
}

// suite runs subtests, all of one engine on one rig.
func suite(t *testing.T, parts []part) {
	engines(t, func(_ *testing.T, r *rig) { r.runParts(parts) })
}

// lightSuite is a suite that leaves NICs and pins as they are: all of these share one rig of each engine, since to load
// the programs takes most of a short test's time.
func lightSuite(t *testing.T, parts []part) {
	for _, e := range []state.Engine{state.EngineTC, state.EngineXDP} {
		t.Run(e.String(), func(t *testing.T) {
			r := sharedRig(t, e)
			r.t = t
			r.runParts(parts)
		})
	}
}

func (r *rig) runParts(parts []part) {
	for _, p := range parts {
		r.sub(p.name, func(t *testing.T) {
			r.restart(r.first)
			p.test(t, r)
			r.checkBooks()
		})
	}
}

var shared = map[state.Engine]*rig{}

// sharedRig lives until all tests are over. Tests that use it are not parallel.
func sharedRig(t *testing.T, engine state.Engine) *rig {
	if shared[engine] == nil {
		shared[engine] = makeRig(t, engine, false)
		shared[engine].apply()
	}
	return shared[engine]
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, r := range shared {
		if err := r.close(); err != nil {
			fmt.Fprintln(os.Stderr, "clean up:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}
