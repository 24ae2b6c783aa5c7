// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

func TestSimpleAgreesWithParser(t *testing.T) {
	for _, text := range yamlSamples {
		checkDivision(t, clean(&findings{}, text))
	}
	for _, file := range []string{"reference", "minimal", "twelve"} {
		data, err := os.ReadFile("testdata/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		checkDivision(t, string(data))
	}
}

func TestSimpleAgreesWithParserOnAnyLayout(t *testing.T) {
	for seed := range uint64(1000) {
		text := drawMapping(rand.New(rand.NewPCG(seed, 0)), 0, 0)
		if checkDivision(t, text); t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, text)
		}
	}
}

// The simple reader must read what users write, or the speed is lost.
func TestSimpleReadsOrdinaryEntries(t *testing.T) {
	_, parts := split(&findings{}, string(manyExtensions(3)))
	for _, p := range parts {
		if _, ok := readSimple(p.text, p.line); !ok && p.role != header {
			t.Errorf("not read as simple:\n%s", p.text)
		}
	}
}

// drawMapping draws a block mapping in one of the layouts that people write.
func drawMapping(r *rand.Rand, indent, depth int) string {
	var b strings.Builder
	pad := strings.Repeat(" ", indent)
	step := 1 + r.IntN(4)
	for i := range 1 + r.IntN(3) {
		if r.IntN(10) == 0 {
			b.WriteString(oneOf(r, "\n", "# x\n", "   \n", pad+"  # x: y\n"))
		}
		fmt.Fprintf(&b, "%sk%d:", pad, i)
		choice := r.IntN(6)
		switch {
		case choice == 0 && depth < 4:
			b.WriteString("\n" + drawMapping(r, indent+step, depth+1))
		case choice == 1:
			item := strings.Repeat(" ", indent+r.IntN(3))
			b.WriteString("\n")
			for range 1 + r.IntN(3) {
				b.WriteString(item + "- " + drawFlow(r, 0) + "\n")
			}
		case choice == 2:
			b.WriteString("\n")
		default:
			b.WriteString(" " + drawFlow(r, 0) + oneOf(r, "\n", " # y\n", "   \n"))
		}
	}
	return b.String()
}

func drawFlow(r *rand.Rand, depth int) string {
	kind := r.IntN(5)
	if depth > 3 || kind < 3 {
		return oneOf(r, "x", "1", "100.20", "0x10", "true", "x y", "\"q\"", "'q r'", "02:00:00:00:00:01", "\"02:00:00:00:00:01\"",
			"2001:db8::1", "100Mbps burst 100ms", "5/180s", "/run/x.sock", "a,b", "a:b", "a#b", "a #b", "x:", "~", "null", "1%", "(z)", "-", "- a", "ä", "\"\"", "Null", "1_0", "x  y")
	}
	var parts []string
	for i := range r.IntN(4) {
		item := drawFlow(r, depth+1)
		if kind == 3 {
			item = fmt.Sprintf("f%d: %s", i, item)
		}
		parts = append(parts, item)
	}
	inner := strings.Join(parts, oneOf(r, ", ", ",", " , "))
	if kind == 3 {
		return "{" + inner + "}"
	}
	return "[" + inner + "]"
}

func oneOf(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }
