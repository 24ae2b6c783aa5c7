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

// trial runs the tests over one mutant. It has a directory of its own.
type trial struct {
	options
	dir   string
	tests *testBinary
	base  objects
	units []unit
}

// newTrial copies the data plane's sources into a directory.
func newTrial(o options, dir string, tests *testBinary, base objects) (*trial, error) {
	t := &trial{options: o, dir: dir, tests: tests, base: base}
	if err := os.CopyFS(t.sources(), os.DirFS(filepath.Join(t.root, "bpf"))); err != nil {
		return nil, fmt.Errorf("copy bpf: %w", err)
	}
	var err error
	t.units, err = unitsOf(t.sources())
	return t, err
}

func (t *trial) sources() string { return filepath.Join(t.dir, "bpf") }
func (t *trial) binary() string  { return filepath.Join(t.dir, "dataplane.test") }

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
	v, by, err := t.judgeUnits(m.file)
	if errors.Is(err, errRefused) {
		v, by, err = malformed, "", nil
	}
	return v, by, errors.Join(err, os.WriteFile(path, source, 0o644))
}

// judgeUnits compiles one unit after the other and lets the model look at each, so that what dies of the first needs no
// second. All other tests run over all of them.
func (t *trial) judgeUnits(file string) (verdict, string, error) {
	changed := make(objects)
	for i := range t.units {
		u := &t.units[i]
		if !u.includes(file) {
			continue
		}
		object, err := u.compile(t.sources())
		if err != nil {
			return "", "", err
		}
		equal, err := sameCode(t.base[u.object], object)
		if err != nil {
			return "", "", err
		}
		if equal {
			continue
		}
		changed[u.object] = object
		if err := t.tests.write(t.binary(), changed); err != nil {
			return "", "", err
		}
		if v, by := t.runAll(against[u.source]); v != survived {
			return v, by, nil
		}
	}
	if len(changed) == 0 {
		return same, "", nil
	}
	v, by := t.runAll(t.groups(file, changed))
	return v, by, nil
}

// runAll runs groups of tests, one after the other, until one fails, and fails again: a busy machine may have failed it.
func (t *trial) runAll(patterns []string) (verdict, string) {
	for _, pattern := range patterns {
		v, by := t.runGroup(pattern)
		if v == killed {
			v, _ = t.runGroup(only(by))
		}
		if v != survived {
			return v, by
		}
	}
	return survived, ""
}

// only is the pattern of one test, by its whole name.
func only(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// runGroup runs some tests until one fails.
func (t *trial) runGroup(pattern string) (verdict, string) {
	ctx, cancel := context.WithTimeout(context.Background(), t.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.binary(), "-test.failfast", "-test.run", pattern, "-test.skip", t.skip)
	cmd.Dir = filepath.Join(t.root, "dataplane")
	cmd.Env = append(os.Environ(), fmt.Sprint("PROVE_FRAMES=", 2*t.frames), "PROVE_FIRST=1", "PROVE_SEED=1")
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
