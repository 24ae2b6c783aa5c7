// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestManual writes what packages install and has it read by those who will: man's formatter and the shells.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, code := execute(t, "manual", dir, "--configuration", "../../docs/reference/configuration.md"); code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "man?", "*"))
	if err != nil || len(pages) < 11 {
		t.Fatalf("%v %v", pages, err)
	}
	for _, page := range pages {
		text := check(t, "groff", "-man", "-Tutf8", "-ww", "-P-cbou", page)
		if !strings.Contains(text, "NAME") || !strings.Contains(text, "DESCRIPTION") {
			t.Errorf("%s is formatted as\n%s", page, text)
		}
	}
	run := check(t, "groff", "-man", "-Tascii", "-P-cbou", "-rLL=200n", filepath.Join(dir, "man8", "drawbridge-run.8"))
	for _, want := range []string{"--config file", "the configuration file (default /etc/drawbridge/drawbridge.yaml)", "drawbridge run --underlay eth1"} {
		if !strings.Contains(run, want) {
			t.Errorf("no %q in\n%s", want, run)
		}
	}
	configuration := check(t, "groff", "-man", "-Tascii", "-P-cbou", filepath.Join(dir, "man5", "drawbridge.yaml.5"))
	for _, want := range []string{"underlay.address", "extensions:", "reserved-bits"} {
		if !strings.Contains(configuration, want) {
			t.Errorf("no %q in\n%s", want, configuration)
		}
	}
	if strings.ContainsAny(configuration, "`|") && !strings.Contains(configuration, "auto | xdp | tc") {
		t.Errorf("Markdown is left in\n%s", configuration)
	}
	check(t, "bash", "-n", filepath.Join(dir, "completion", "bash"))
	check(t, "zsh", "-n", filepath.Join(dir, "completion", "_drawbridge"))
	check(t, "fish", "--no-execute", filepath.Join(dir, "completion", "fish"))
	if _, _, code := execute(t, "manual", filepath.Join(os.DevNull, "x")); code == 0 {
		t.Error("a directory that cannot be made is no error")
	}
}

// check runs a command, which must say nothing on standard error, and returns what it prints.
func check(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("%s %s: %v %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}
