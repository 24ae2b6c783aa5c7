// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// demoPromise is how long a demo may take.
const demoPromise = 30 * time.Second

// demoRun is a demo in a process, and a session, of its own.
type demoRun struct {
	*testing.T
	cmd    *exec.Cmd
	stdout io.ReadCloser
	stderr io.ReadCloser
	tmp    string // its directory for temporary files
}

// startDemo runs the demo of a program as a user does; without one that of this test binary.
func startDemo(t *testing.T, program string, args ...string) *demoRun {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces and BPF programs need root")
	}
	var err error
	if program == "" {
		program, err = os.Executable()
		noError(t, err)
	}
	r := &demoRun{T: t}
	r.tmp, err = os.MkdirTemp("", "demo") // shorter than t.TempDir: a socket's path has a limit
	noError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(r.tmp) })
	r.cmd = exec.Command(program, append([]string{"demo"}, args...)...)
	r.cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+r.tmp)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	r.stdout, err = r.cmd.StdoutPipe()
	noError(t, err)
	r.stderr, err = r.cmd.StderrPipe()
	noError(t, err)
	noError(t, r.cmd.Start())
	stuck := time.AfterFunc(2*demoPromise, func() { _ = r.cmd.Process.Signal(syscall.SIGTERM) })
	t.Cleanup(func() { stuck.Stop() })
	return r
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// waitLine reads lines until one has a part, and returns what it has read.
func (r *demoRun) waitLine(from io.Reader, part string) string {
	r.Helper()
	var seen strings.Builder
	for in := bufio.NewScanner(from); in.Scan(); {
		seen.WriteString(in.Text() + "\n")
		if strings.Contains(in.Text(), part) {
			return seen.String()
		}
	}
	r.Fatalf("the demo ended without the line %q:\n%s", part, seen.String())
	return ""
}

// end reads the rest and waits for the exit code, which must be this one. Nothing may be left then.
func (r *demoRun) end(code int) (stdout []byte) {
	r.Helper()
	stdout, _ = io.ReadAll(r.stdout) // fails when the test has closed it
	stderr, _ := io.ReadAll(r.stderr)
	_ = r.cmd.Wait()
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.Errorf("exit code %d, want %d:\n%s%s", got, code, stdout, stderr)
	}
	r.wantNothingLeft()
	return stdout
}

func (r *demoRun) wantNothingLeft() {
	r.Helper()
	pid := r.cmd.Process.Pid
	for _, pattern := range []string{
		fmt.Sprintf("/run/netns/%s%d-*", demoPrefix, pid), fmt.Sprintf("%s/lab-%d-*", lab.PinDir, pid), r.tmp + "/*",
	} {
		left, err := filepath.Glob(pattern)
		if err != nil || len(left) > 0 {
			r.Errorf("left: %v, %v", left, err)
		}
	}
	if left := inSession(pid); len(left) > 0 {
		r.Errorf("processes are left: %q", left)
	}
}

// inSession lists the processes of a session, by their line in /proc.
func inSession(session int) []string {
	var found []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // state, parent, group, session …
		if len(fields) > 3 && fields[3] == fmt.Sprint(session) && fields[0] != "Z" {
			found = append(found, string(stat))
		}
	}
	return found
}

// builtProgram is the program as users have it, without the race detector: DRAWBRIDGE_BIN, or built here.
func builtProgram(t *testing.T) string {
	t.Helper()
	if there := os.Getenv("DRAWBRIDGE_BIN"); there != "" {
		return there
	}
	program := filepath.Join(t.TempDir(), "drawbridge")
	out, err := exec.Command("go", "build", "-o", program, "github.com/drawbridge-l2/drawbridge/cmd/drawbridge").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// TestDemo: every check holds on both engines, in the time promised.
func TestDemo(t *testing.T) {
	program := builtProgram(t)
	for _, c := range []struct{ flag, engine string }{{"auto", "tc"}, {"xdp", "xdp"}} {
		t.Run(c.flag, func(t *testing.T) {
			began := time.Now()
			r := startDemo(t, program, "--engine", c.flag, "-o", "json")
			out := r.end(0)
			if took := time.Since(began); took > demoPromise {
				t.Errorf("it took %v, promised is %v", took, demoPromise)
			}
			var got demoReport
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if !got.OK || got.Engine != c.engine || got.EngineReason == "" {
				t.Errorf("ok %v, engine %q (%q), want %s", got.OK, got.Engine, got.EngineReason, c.engine)
			}
			wantScenes(t, got.Steps)
		})
	}
}

// wantScenes wants every scene and the clean-up, in order, and what they must have found.
func wantScenes(t *testing.T, steps []demoStep) {
	t.Helper()
	var names, want []string
	for _, s := range steps {
		names = append(names, s.Name)
		if !s.OK || s.Skipped != "" || s.Error != "" {
			t.Errorf("step %s: ok %v, skipped %q, error %q", s.Name, s.OK, s.Skipped, s.Error)
		}
	}
	for _, s := range scenes {
		want = append(want, s.name)
	}
	if want = append(want, "clean-up"); !slices.Equal(names, want) {
		t.Errorf("steps %v, want %v", names, want)
	}
	for key, value := range map[string]any{
		"strangers.no-circuit": 100.0, "strangers.unknown-vtep": 100.0, "strangers.crossed": 0.0,
		"kill.lost": 0.0, "kill.doubled": 0.0, "kill.adopted": true, "raise.answered": 0.0,
		"figures.to_cloud_unaccounted": 0.0, "figures.to_customer_unaccounted": 0.0, "figures.macs": 4.0,
	} {
		name, figure, _ := strings.Cut(key, ".")
		i := slices.IndexFunc(steps, func(s demoStep) bool { return s.Name == name })
		if i < 0 || steps[i].Figures[figure] != value {
			t.Errorf("figure %s is not %v in %v", key, value, steps)
		}
	}
}

// TestDemoInterrupted: whenever a signal comes, and when the reader of its output goes away, everything is removed.
func TestDemoInterrupted(t *testing.T) {
	for _, c := range []struct {
		name, at string
		stop     func(r *demoRun) error
	}{
		{"SIGINT", "Kill the daemon", func(r *demoRun) error { return r.cmd.Process.Signal(syscall.SIGINT) }},
		{"SIGTERM", "Start the gateway", func(r *demoRun) error { return r.cmd.Process.Signal(syscall.SIGTERM) }},
		{"SIGHUP", "asks a VM", func(r *demoRun) error { return r.cmd.Process.Signal(syscall.SIGHUP) }},
		{"closed pipe", "pings the VMs", func(r *demoRun) error { return r.stdout.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := startDemo(t, "")
			story := r.waitLine(r.stdout, c.at)
			wantNarrow(t, story)
			noError(t, c.stop(r))
			r.end(exitInterrupted)
		})
	}
}

// wantNarrow wants text that fits a terminal of 80 columns and has no colours.
func wantNarrow(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > storyWidth || strings.Contains(line, "\x1b") {
			t.Errorf("line %q is too long or has colours", line)
		}
	}
}

// TestDemoKeeps: with --keep the gateway can be looked into until Ctrl-C, which is success.
func TestDemoKeeps(t *testing.T) {
	r := startDemo(t, "", "--keep")
	wantNarrow(t, r.waitLine(r.stdout, "4 MACs"))
	hints := r.waitLine(r.stderr, "events")
	_, socket, found := strings.Cut(hints, "--socket ")
	if !found {
		t.Fatalf("no hint names the socket:\n%s", hints)
	}
	socket, _, _ = strings.Cut(socket, "\n")
	status := exec.Command(r.cmd.Path, "status", "--socket", socket)
	status.Env = r.cmd.Env
	if out, err := status.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("lowered")) {
		t.Errorf("status of what is kept: %v\n%s", err, out)
	}
	noError(t, r.cmd.Process.Signal(syscall.SIGINT))
	wantNarrow(t, string(r.end(0)))
}

// TestDemoTells: a check that fails is told with what was expected, and a signal ends the story.
func TestDemoTells(t *testing.T) {
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	d := &demo{ctx: ctx, tell: newTeller(&out, false)}
	noError(t, d.scene("one", "First", func() error { d.tell.ok("fine"); return nil }))
	err := d.scene("two", "Second", func() error {
		return errors.New("expected 0 of 1000 frames lost or doubled, got 1 lost and 2 doubled on the way")
	})
	cancel()
	stopped := d.scene("three", "Third", func() error { return errors.New("a consequence") })
	if err == nil || !errors.Is(stopped, errInterrupted) {
		t.Errorf("errors %v and %v", err, stopped)
	}
	const want = ` 1  First
    ok  fine

 2  Second
    FAILED  expected 0 of 1000 frames lost or doubled, got 1 lost and 2 doubled
        on the way

 3  Third
    stopped  interrupted

`
	if got := out.String(); got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
	report := newDemoReport(d)
	if report.OK || !report.Steps[0].OK || report.Steps[1].OK || report.Steps[1].Error == "" {
		t.Errorf("report %+v", report)
	}
}
