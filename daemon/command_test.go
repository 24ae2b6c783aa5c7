// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/cli"
	"github.com/spf13/cobra"
)

// execute runs a command line and returns what it printed and its exit code.
func execute(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	root := &cobra.Command{Use: "drawbridge", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	var out, errOut bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(args)
	code = cli.Report(root.ExecuteContext(t.Context()), &errOut)
	return out.String(), errOut.String(), code
}

func TestCheckPrintsWhatRunWouldSetUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	writeFile(t, file, goodConfig("/var/lib/drawbridge"))
	stdout, stderr, code := execute(t, "check", "--config", file)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	for _, want := range []string{"gateway gw-a, engine auto", "underlay eth1", "port 4789", "eth2:2301", "10100", "192.0.2.20"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
	stdout, _, code = execute(t, "check", "--config", file, "-o", "json")
	var p preview
	if err := json.Unmarshal([]byte(stdout), &p); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v in:\n%s", code, err, stdout)
	}
	if len(p.Extensions) != 1 || p.Extensions[0].Attachment != (previewAttachment{"eth2", "2301", "0x8100"}) {
		t.Errorf("extensions %+v", p.Extensions)
	}
}

// Files that are not there on this machine are no fault of the configuration; check says so.
func TestCheckSaysWhetherTLSIsReady(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	writeFile(t, file, `
gateway:
  name: gw-a
  underlay: {interface: eth1, address: 192.0.2.10}
  api: {listen: "127.0.0.1:9471", tls: {certificate: /nonexistent/c.pem, key: /nonexistent/k.pem, clients: /nonexistent/a.pem}}
`)
	stdout, stderr, code := execute(t, "check", "--config", file)
	if want := "listen 127.0.0.1:9471, TLS: not ready: read the certificate /nonexistent/c.pem"; code != 0 || stderr != "" || !strings.Contains(stdout, want) {
		t.Errorf("exit code %d, %s, no %q in:\n%s", code, stderr, want, stdout)
	}
}

func TestCheckReportsEveryFault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	writeFile(t, file, strings.NewReplacer("2301", "4095", "10100", "0").Replace(goodConfig("/var/lib/drawbridge"))+"bogus: 1\n")
	stdout, stderr, code := execute(t, "check", "--config", file)
	if code != cli.ExitUsage || stdout != "" {
		t.Errorf("exit code %d with %q, want 2 and nothing", code, stdout)
	}
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, file+":") {
			t.Errorf("a line that does not begin with the place: %s", line)
		}
	}
	if got := strings.Count(stderr, "\n"); got != 3 {
		t.Errorf("%d lines of faults, want 3:\n%s", got, stderr)
	}
	stdout, stderr, code = execute(t, "check", "--config", file, "-o", "json")
	var d faultsDocument
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || code != cli.ExitUsage || len(d.Faults) != 3 {
		t.Errorf("exit code %d, %v in %s", code, err, stdout)
	}
	for _, f := range d.Faults {
		if want := fmt.Sprintf("%s:%d:%d: %s\n", f.File, f.Line, f.Column, f.Message); !strings.Contains(stderr, want) {
			t.Errorf("no line %q in:\n%s", want, stderr)
		}
	}
	_, stderr, code = execute(t, "check", "--config", file+".none")
	if code != cli.ExitUsage || !strings.Contains(stderr, "no such file or directory: write one, as `man drawbridge.yaml` shows, or name another with --config") {
		t.Errorf("a missing file: exit code %d, %s", code, stderr)
	}
}

func TestCheckOfThousandsIsQuick(t *testing.T) {
	var b strings.Builder
	b.WriteString("gateway: {name: gw-a, underlay: {interface: eth1}}\nextensions:\n")
	for i := range 4000 {
		fmt.Fprintf(&b, "  e%d:\n    attachment: {interface: eth2, vlan: %d.%d}\n    overlay: {vni: %d, peers: [192.0.2.20]}\n",
			i, 1+i/1000, 1+i%1000, 1+i)
	}
	file := filepath.Join(t.TempDir(), "a.yaml")
	writeFile(t, file, b.String())
	best := time.Hour
	for range 3 { // the machine may be busy with something else
		began := time.Now()
		if _, stderr, code := execute(t, "check", "--config", file); code != 0 {
			t.Fatalf("exit code %d, %s", code, stderr)
		}
		best = min(best, time.Since(began))
	}
	if limit := time.Second * slowdown; best > limit {
		t.Errorf("it took %s, the bound is %s", best, limit)
	}
}

func TestFaultsOfTheCommandLine(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"check", "--bogus"}, "unknown flag"},
		{[]string{"check", "-o", "xml"}, "text or json"},
		{[]string{"check", "file"}, "unknown command"},
		{[]string{"run", "--config", "f", "--vni", "1"}, "not both"},
		{[]string{"run", "--log-level", "loud"}, "log level"},
		{[]string{"run", "--log-format", "xml"}, "log format"},
		{[]string{"uninstall-state", "--config", "f", "--name", "gw-a"}, "one of them"},
		{[]string{"uninstall-state", "--name", "GW A"}, "a-z"},
	}
	for _, tt := range tests {
		_, stderr, code := execute(t, tt.args...)
		if code != cli.ExitUsage || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit code %d, %q; want 2 and %q", tt.args, code, stderr, tt.want)
		}
	}
}

func TestVersion(t *testing.T) {
	stdout, _, code := execute(t, "version", "-o", "json")
	var b build
	if err := json.Unmarshal([]byte(stdout), &b); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v in %s", code, err, stdout)
	}
	if b.Version == "" || b.Commit == "" || b.BPFObjectHash == "" {
		t.Errorf("version %+v lacks something", b)
	}
}

func TestErrorsOfTheLoopReachTheAPI(t *testing.T) {
	for inner, outer := range apiErrors {
		err := apiError(fmt.Errorf("%q: %w", "acme", inner))
		if !errors.Is(err, outer) || !errors.Is(err, inner) || err.Error() != fmt.Sprintf("%q: %v", "acme", inner) {
			t.Errorf("%v reaches the API as %v, which is not %v", inner, err, outer)
		}
	}
	if err := apiError(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}
