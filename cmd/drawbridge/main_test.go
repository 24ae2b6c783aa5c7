// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/cli"
)

// execute runs a command line and returns what it printed and its exit code.
func execute(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	c := root()
	c.SetOut(&out)
	c.SetErr(&errOut)
	c.SetArgs(args)
	code = cli.Report(c.ExecuteContext(t.Context()), &errOut)
	return out.String(), errOut.String(), code
}

func TestEveryCommandIsThere(t *testing.T) {
	stdout, _, code := execute(t, "--help")
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, name := range []string{"run", "check", "reload", "status", "macs", "events", "raise", "lower", "uninstall-state", "doctor", "version"} {
		if !strings.Contains(stdout, "\n  "+name+" ") {
			t.Errorf("help does not name %s", name)
		}
		if _, stderr, code := execute(t, name, "--no-such-flag"); code != cli.ExitUsage || !strings.Contains(stderr, "unknown flag") {
			t.Errorf("%s with an unknown flag: exit code %d, %s", name, code, stderr)
		}
	}
}

func TestAnUnknownCommandIsAFaultOfTheCommandLine(t *testing.T) {
	for arg, want := range map[string]string{"bogus": "unknown: see", "--bogus": "unknown", "staus": "did you mean status?"} {
		if _, stderr, code := execute(t, arg); code != cli.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d, %s", arg, code, stderr)
		}
	}
	if _, stderr, code := execute(t, "help", "bogus"); code != cli.ExitUsage || !strings.Contains(stderr, "unknown: see") {
		t.Errorf("help about an unknown command: exit code %d, %s", code, stderr)
	}
	if stdout, _, code := execute(t, "help", "status"); code != 0 || !strings.Contains(stdout, "drawbridge status") {
		t.Errorf("help about a command: exit code %d, %s", code, stdout)
	}
}
