// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// manyExtensions is a file as a provider with n customers has it.
func manyExtensions(n int) []byte {
	var b strings.Builder
	b.WriteString("gateway:\n  name: gw-a\n  underlay: {interface: eth1}\npeer-groups:\n  pod1: [192.0.2.20, 192.0.2.21]\nextensions:\n")
	for i := range n {
		fmt.Fprintf(&b, "  customer-%d:\n    description: Customer %d, order 4711\n", i, i)
		fmt.Fprintf(&b, "    attachment: {interface: eth2, vlan: %d.%d}\n", i%4000+1, i/4000+1)
		fmt.Fprintf(&b, "    overlay: {encapsulation: vxlan, vni: %d, peers: [192.0.2.20, pod1]}\n", i+1)
		b.WriteString("    guard: {mode: observe, macs: {limit: 100}}\n")
	}
	return []byte(b.String())
}

func TestFourThousandExtensionsInTime(t *testing.T) {
	data := manyExtensions(4000)
	best := time.Hour
	// The best of a few: the machine may be busy with something else.
	for range 5 {
		start := time.Now()
		c, err := Parse("many.yaml", data)
		best = min(best, time.Since(start))
		if err != nil || len(c.Extensions) != 4000 {
			t.Fatalf("parse 4000 extensions: %v", err)
		}
	}
	limit := 500 * time.Millisecond
	if raceEnabled {
		limit *= 10
	}
	if best > limit {
		t.Errorf("4000 extensions took %s, the bound is %s", best, limit)
	}
}

func BenchmarkParse(b *testing.B) {
	data := manyExtensions(4000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("many.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

// Each of these took the YAML parser minutes, or the whole stack, before the bounds of yaml.go.
func TestHostileFilesEndInTime(t *testing.T) {
	files := map[string]string{
		"brackets":        "a: " + strings.Repeat("[", 1<<18),
		"dashes":          "a:\n" + strings.Repeat("- ", 1<<17) + "x",
		"anchors":         "a: " + strings.Repeat("&a ", 1<<17) + "x",
		"tags":            "a: " + strings.Repeat("!!a ", 1<<17) + "x",
		"question marks":  strings.Repeat("? ", 1<<17) + "x",
		"keys":            "extensions:\n" + strings.Repeat("  a: 1\n", 1<<15),
		"deep keys":       "extensions:\n  a:\n" + strings.Repeat("    a: 1\n", 1<<15),
		"staircase":       staircase(2000),
		"sections":        strings.Repeat("a: 1\n", 1<<15),
		"open lists":      strings.Repeat("a: [\n", 1<<13),
		"documents":       strings.Repeat("---\n", 1<<17),
		"long value":      "a: " + strings.Repeat("x", 1<<21),
		"long comment":    "#" + strings.Repeat("x", 1<<22),
		"empty lines":     strings.Repeat("\n", 1<<22),
		"billion laughs":  "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: &d [*c, *c]\n",
		"control letters": strings.Repeat("\x01", 1<<20),
		"not UTF-8":       strings.Repeat("\xff", 1<<20),
		"tabs":            strings.Repeat("\ta: 1\n", 1<<15),
		"tabs behind":     "a: x" + strings.Repeat("\t", 1<<18),
		"tabs apart":      strings.Repeat("a:\t1\n", 1<<15),
		"too long":        strings.Repeat("a", maxFileSize+1),
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("hostile.yaml", []byte(text))
			if err == nil {
				t.Error("no fault was found")
			}
			limit := 5 * time.Second
			if raceEnabled {
				limit *= 10
			}
			if took := time.Since(start); took > limit {
				t.Errorf("it took %s, the bound is %s", took, limit)
			}
		})
	}
}

func staircase(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i))
		b.WriteString("a:\n")
	}
	return b.String()
}
