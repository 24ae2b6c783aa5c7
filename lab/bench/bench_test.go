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
	o := parse(t, "-bin none -suites frames,tcp -systems redirect,linux -quick -sizes 64,imix -time 20ms -rounds 2 -layouts 1x100,100x1000")
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
	if len(r.Frames) != 6 || len(r.TCP) != 2 {
		t.Errorf("%d cells of frames and %d of TCP, want 6 and 2", len(r.Frames), len(r.TCP))
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

// TestLinuxPairsCanBeMade: what configuration is compared with is there, and goes again.
func TestLinuxPairsCanBeMade(t *testing.T) {
	o := parse(t, "-bin none -suites config -pairs 100 -config-rounds 2")
	cells, err := measureConfig(t.Context(), o, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 1 || len(cells[0].Seconds) != 2 || cells[0].System != systemLinux {
		t.Errorf("cells %+v", cells)
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
	o := parse(t, "-bin none -suites frames -systems redirect,linux -time 10s -rounds 100")
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

// TestNewMACsReachTheAPI: entries of machines that nobody has seen before are in the API's list soon, and none is missing. The
// bound holds on a machine that is busy with other things; what an idle one does is measured.
func TestNewMACsReachTheAPI(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces and BPF need root")
	}
	o := parse(t, "-suites macs -mac-rates 10000 -mac-time 1s -mac-rounds 1")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	discard, err := o.prepareBinary(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := discard(); err != nil {
			t.Error(err)
		}
	}()
	cells, err := measureMACs(ctx, o, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		r := c.Rounds[0]
		if r.Missed > 0 || r.Sent < 9900 {
			t.Errorf("%s: %d of %d MACs never came", c.System, r.Missed, r.Sent)
		}
		if r.Rate < 2000 || r.Largest > 5 {
			t.Errorf("%s: %.0f MACs a second, and the last entry came after %.1f s", c.System, r.Rate, r.Largest)
		}
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
