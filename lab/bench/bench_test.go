// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMeasuresAndCleansUp runs both suites in short and looks for what they leave behind.
func TestMeasuresAndCleansUp(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces and BPF need root")
	}
	o := parse(t, "-bin none -quick -sizes 64,imix -time 20ms -rounds 2 -layouts 1x100,100x1000")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := newReport("test", o)
	if err := measure(ctx, o, r, t.Logf); err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Frames {
		for _, result := range c.Results {
			if result.Lost > 0.5 {
				t.Errorf("%s: %s lost %s", c.line(), result.System, percent(result.Lost))
			}
		}
	}
	if len(r.Frames) != 8 || len(r.TCP) != 2 {
		t.Errorf("%d cells of frames and %d of TCP, want 8 and 2", len(r.Frames), len(r.TCP))
	}
	var text strings.Builder
	r.text(&text)
	for _, want := range []string{"to-customer", "imix", "Gb/s", "NIC: none"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	if left := ownNamespaces(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestInterruptionCleansUp cancels a run in its middle.
func TestInterruptionCleansUp(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces and BPF need root")
	}
	o := parse(t, "-bin none -suites frames -time 10s -rounds 100")
	ctx, cancel := context.WithCancel(t.Context())
	log := func(format string, values ...any) {
		t.Logf(format, values...)
		if strings.Contains(format, "start") {
			time.AfterFunc(300*time.Millisecond, cancel)
		}
	}
	if err := measure(ctx, o, newReport("test", o), log); err == nil {
		t.Error("an interrupted run reports no error")
	}
	if left := ownNamespaces(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func ownNamespaces(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, namePrefix()) })
}
