// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// verdict is what became of a mutant.
type verdict string

const (
	killed    verdict = "killed"           // a test failed
	unloaded  verdict = "refused"          // the verifier does not load it
	hung      verdict = "timeout"          // the tests did not end
	survived  verdict = "SURVIVED"         // no test noticed
	same      verdict = "same code"        // the compiler makes the same of it
	malformed verdict = "does not compile" // the compiler makes nothing of it
)

// groups of tests run one after the other until one fails. What says most in the least time comes first; a mutant's own
// test comes before all.
var groups = []string{
	"^(TestStages|TestGuards)$",
	"^(TestMutatedFrames|TestCircuits|TestDecapsulation)$",
	"^(TestControlFramesAndSources|TestCrossing|TestIPv6Chains|TestOuterHeaders|TestAccounting|TestMutants.*)$",
}

// slow ones run for what is left after that, when the user asks for them: they wait for real time and real NICs.
const slow = "^(TestFDB|TestWire|TestApply|Test.*(Encapsulated|Cloud|Tagged|Dropped))$"

// own is the test that looks at a file.
var own = map[string]string{
	"admin.bpf.c": "TestFDB", "fdb.h": "TestFDB", "decap.h": "TestDecapsulation", "vlan.h": "TestCircuits",
	"ipv6_chain.h": "TestIPv6Chains", "control.h": "TestControlFramesAndSources", "outer.h": "TestOuterHeaders",
	"ecn.h": "TestOuterHeaders", "send_tc.h": "TestWire", "tc.bpf.c": "TestWire", "xdp.bpf.c": "TestOuterHeaders",
	"hop.h": "TestOuterHeaders", "count.h": "TestAccounting", "parse.h": "TestMutatedFrames",
}

// trial runs the tests over one mutant. It has a directory of its own.
type trial struct {
	root, dir string
	tests     *testBinary
	base      objects
	limit     time.Duration
	thorough  bool
	skip      string
}

// newTrial copies the data plane's sources into a directory.
func newTrial(o options, dir string, tests *testBinary, base objects) (*trial, error) {
	t := &trial{root: o.root, dir: dir, tests: tests, base: base, limit: o.limit, thorough: o.thorough, skip: o.skip}
	if err := os.CopyFS(t.sources(), os.DirFS(filepath.Join(t.root, "bpf"))); err != nil {
		return nil, fmt.Errorf("copy bpf: %w", err)
	}
	return t, nil
}

func (t *trial) sources() string { return filepath.Join(t.dir, "bpf") }

// judge says what becomes of a mutant, and by what.
func (t *trial) judge(m mutant) (verdict, string, error) {
	path := filepath.Join(t.sources(), m.file)
	source, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	if err := os.WriteFile(path, []byte(m.apply(string(source))), 0o644); err != nil {
		return "", "", err
	}
	changed, err := compile(t.sources(), m.file)
	if restore := os.WriteFile(path, source, 0o644); restore != nil {
		return "", "", restore
	}
	if errors.Is(err, errRefused) {
		return malformed, "", nil
	}
	if err != nil {
		return "", "", err
	}
	if equal, err := sameCode(t.base, changed); err != nil || equal {
		return same, "", err
	}
	return t.run(m.file, changed)
}

func (t *trial) run(file string, changed objects) (verdict, string, error) {
	binary := filepath.Join(t.dir, "dataplane.test")
	if err := t.tests.write(binary, changed); err != nil {
		return "", "", err
	}
	patterns := slices.Clone(groups)
	if own[file] != "" {
		patterns = slices.Insert(patterns, 0, "^"+own[file]+"$")
	}
	if t.thorough {
		patterns = append(patterns, slow)
	}
	for _, pattern := range patterns {
		v, by := t.runGroup(binary, pattern)
		if v != survived {
			return v, by, nil
		}
	}
	return survived, "", nil
}

// runGroup runs some tests until one fails.
func (t *trial) runGroup(binary, pattern string) (verdict, string) {
	ctx, cancel := context.WithTimeout(context.Background(), t.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.failfast", "-test.run", pattern, "-test.skip", t.skip)
	cmd.Dir = filepath.Join(t.root, "dataplane")
	cmd.WaitDelay = time.Second
	apart(cmd)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	t.removePins(cmd)
	switch {
	case err == nil:
		return survived, ""
	case ctx.Err() != nil:
		return hung, pattern
	case strings.Contains(out.String(), "load BPF programs"):
		return unloaded, "the verifier"
	}
	return killed, failure(out.String())
}

// removePins removes what a test that ended badly left in the kernel.
func (t *trial) removePins(cmd *exec.Cmd) {
	if cmd.Process == nil {
		return
	}
	left, _ := filepath.Glob(fmt.Sprintf("/sys/fs/bpf/drawbridge/dbr%d-*", cmd.Process.Pid))
	for _, dir := range left {
		_ = os.RemoveAll(dir)
	}
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// failure is the innermost test that failed.
func failure(out string) string {
	all := failed.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return firstLine([]byte(out))
	}
	return all[len(all)-1][1]
}
