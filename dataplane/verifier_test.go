// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"testing"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// verifiedLimit is the most instructions that the verifier may walk for a program: a quarter of what the kernel
// allows, so that other kernels and compilers have room.
const verifiedLimit = 250_000

// Each program by itself, so that what one costs is known.
func TestVerifierBudget(t *testing.T) {
	for _, load := range []func() (*ebpf.CollectionSpec, error){abi.LoadTc, abi.LoadXdp, abi.LoadAdmin} {
		spec, err := load()
		if err != nil {
			t.Fatal(err)
		}
		for name := range spec.Programs {
			one := spec.Copy()
			for other := range spec.Programs {
				if other != name {
					delete(one.Programs, other)
				}
			}
			verifyOne(t, name, one)
		}
	}
}

func verifyOne(t *testing.T, name string, spec *ebpf.CollectionSpec) {
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Errorf("load %s: %v", name, err)
		return
	}
	defer c.Close()
	info, err := c.Programs[name].Info()
	if err != nil {
		t.Errorf("ask about %s: %v", name, err)
		return
	}
	walked, ok := info.VerifiedInstructions()
	if !ok || walked > verifiedLimit {
		t.Errorf("the verifier walks %d instructions of %s: at most %d are allowed", walked, name, verifiedLimit)
	}
	t.Logf("%s: %d instructions walked", name, walked)
}
