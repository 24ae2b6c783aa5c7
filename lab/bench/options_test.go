// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, line string) *options {
	t.Helper()
	o, err := parseOptions(strings.Fields(line), io.Discard)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return o
}

func TestOptionsWithoutDrawbridge(t *testing.T) {
	o := parse(t, "-bin none")
	systems := slices.DeleteFunc(o.systems, func(s string) bool { return s == systemOVS }) // which may be there
	if !slices.Equal(systems, []string{systemRedirect, systemLinux}) || !slices.Equal(o.tcpSystems, []string{systemLinux, systemLinuxGRO}) {
		t.Errorf("systems are %v and %v", o.systems, o.tcpSystems)
	}
}

func TestQuickYieldsToWhatWasTyped(t *testing.T) {
	o := parse(t, "-quick -time 300ms")
	if o.length != 300*time.Millisecond || o.rounds != 3 || len(o.mixes) != 1 {
		t.Errorf("time %s, %d rounds, %d sizes", o.length, o.rounds, len(o.mixes))
	}
}

func TestOptionsRefuse(t *testing.T) {
	for line, want := range map[string]string{
		"-suites frame":             "frame",
		"-bin none -systems xdp":    "-bin none",
		"-layouts 5000x1":           "5000",
		"-layouts 1":                "EXTENSIONSxMACS",
		"-sizes 9000":               "9000",
		"-directions up":            "up",
		"-rounds 0":                 "-rounds 0",
		"-clock sun":                "sun",
		"-svg a.svg":                "-csv",
		"-only-plot -csv a.csv":     "-svg",
		"-mac-rates 0":              "MACs a second",
		"more":                      "flags only",
		"-sizes 1 -systems nothing": "nothing", // one fault does not hide another
	} {
		_, err := parseOptions(strings.Fields(line), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one that says %q", line, err, want)
		}
	}
}
