// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// compareNodes looks into the unexported fields of nodes, except for the column of what is not there.
var compareNodes = cmp.Options{
	cmp.AllowUnexported(node{}, pair{}, place{}),
	cmp.FilterValues(func(a, b *node) bool { return a.kind == empty && b.kind == empty }, cmp.Comparer(func(a, b *node) bool { return a.key == b.key })),
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("find seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range yamlSamples {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		checkFaults(t, data)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
		checkDivision(t, clean(&findings{}, string(data)))
	})
}

// checkFaults parses data and holds the faults to their contract.
func checkFaults(t *testing.T, data []byte) {
	c, err := parse("f.yaml", data, func() (string, error) { return "gw-a", nil })
	var faults Faults
	switch {
	case err == nil:
		checkAccepted(t, c)
		return
	case c != nil || !errors.As(err, &faults) || len(faults) == 0:
		t.Fatalf("parse returned %v and %v", c, err)
	}
	lines := strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
	last := place{1, 1}
	for _, fault := range faults {
		if fault.Line == 0 && strings.HasSuffix(fault.Message, "more faults are not shown") {
			continue
		}
		if fault.Line < 1 || fault.Column < 1 || fault.Line > len(lines)+1 {
			t.Errorf("%s: there is no such place", fault)
		}
		if fault.Line < last.line || fault.Line == last.line && fault.Column < last.column {
			t.Errorf("%s: stands behind line %d, column %d", fault, last.line, last.column)
		}
		if !utf8.ValidString(fault.Message) || strings.ContainsFunc(fault.Message, func(c rune) bool { return !printable(c) }) {
			t.Errorf("%q cannot be printed on one line", fault.Message)
		}
		last = place{fault.Line, fault.Column}
	}
}

// checkAccepted holds an accepted configuration to what its types promise.
func checkAccepted(t *testing.T, c *Config) {
	if len(c.Gateway.Underlay.Interfaces) == 0 || c.Gateway.Name == "" {
		t.Errorf("the gateway is not whole: %+v", c.Gateway)
	}
	if !slices.IsSortedFunc(c.Extensions, func(a, b Extension) int { return strings.Compare(string(a.Name), string(b.Name)) }) {
		t.Error("the extensions are not sorted")
	}
	for _, e := range c.Extensions {
		if e.Overlay.VNI == 0 || len(e.Overlay.Peers) == 0 || len(e.Overlay.Peers) > maxPeers || e.Attachment.Interface == "" {
			t.Errorf("extension %s is not whole: %+v", e.Name, e)
		}
	}
}

// checkDivision compares what a file is, read in parts, with what the YAML parser makes of it as a whole.
func checkDivision(t *testing.T, text string) {
	var f findings
	_, parts := split(&f, text)
	for _, p := range parts {
		if !p.broken && p.role != header {
			checkSimple(t, p)
		}
	}
	if len(text) > 4096 {
		return
	}
	divided := tree(&f, cutText(&f, text))
	var whole reading
	ok := whole.parse(part{line: 1, text: text})
	if len(f.marks) > 0 || !ok || len(whole.marks) > 0 {
		return // one of the two refuses the file
	}
	if diff := cmp.Diff(whole.pairs, divided.pairs, compareNodes); diff != "" {
		t.Errorf("%q: the parts differ from the whole (-whole +parts):\n%s", text, diff)
	}
}

// checkSimple compares the simple reader with the parser: what the one reads, the other reads the same.
func checkSimple(t *testing.T, p part) {
	pairs, ok := readSimple(p.text, p.line)
	if !ok {
		return
	}
	var r reading
	if !r.parse(p) && strings.Contains(r.marks[0].message, "has a colon without a space") {
		return // the one case in which the parser is wrong
	}
	if len(r.marks) > 0 {
		t.Errorf("%q: read as simple, but the parser refuses it: %v", p.text, r.marks)
		return
	}
	if diff := cmp.Diff(r.pairs, pairs, compareNodes); diff != "" {
		t.Errorf("%q: read as simple, but differs (-parser +simple):\n%s", p.text, diff)
	}
}

// yamlSamples are texts whose YAML is worth a look.
var yamlSamples = []string{
	"", "#", "---\n", "...\n", "a", "a:", "a: b", "a: {b: c, d: [e, f]}", "a: [1, 2\nb: 3\n", "a: 1\n b: 2\n", "a:\n\tb: 1\n",
	"a: 1\r\nb: 2\r\n", "a: {b: 1, b: 2, c}\n", "? a\n: b\n", "- a\n- b\n", "a: \"abc\n", "a: b: c\n", "a: x # y\nb: z\n",
	"---\na: 1\n---\nb: 2\n", "a: &x 1\nb: *x\nc: !!str 5\n<<: *x\n", "a: {b: }\n", "%YAML 1.2\n---\na: 1\n", "\xff\xfe", "a: \x00",
	"\ufeffa: 1\n", "a:\n- 1\n- 2\n", "a:\n  b:\n  - 1\n  c:\n    - 2\n", "a: |\n  x\n  y\nb: >\n  z\n", "a:\n  b: 'it''s'\n  c: \"\\u0041\"\n",
	"a: {\n  b: c\n}\n", "a: [\n  1,\n  2,\n]\n", "a:\n  b: x\n   y\n", "a:\n  b: null\n  c: ~\n", "a:\n  b: 2001:db8::1\n  c: 02:00:00:00:00:01\n",
	"a:\n  b: [2001:db8::1, 02:00:00:00:00:01]\n", "a:\n  b: 0x10\n  c: 1e3\n  d: +5\n  e: 1_000\n  f: 0100\n  g: 100.20\n  h: .5\n  i: yes\n",
	"a:\n  b: x  y   # z\n  c: \"#\" # w\n", "a:\n  b:\n\n  # c\n    d: 1\n", "a:\n    b: 1\n  c: 2\n", "a:\n  ä: ö # ü\n",
	"a:\n  - b: 1\n    c: 2\n  - {b: 3}\n", "a:\n  b: {}\n  c: []\n  d: ''\n", "a:\n  b: x,y\n  c: [x y, z]\n", "a:\n  b: -\n  c: - x\n",
	"a:\tb\t# c\td\n", "a:\t\n  b:\t{c:\t1,\td: \"x\ty\"\t}\n  e:\n  -\tf\t\n", "a: 'it''s\tx'\nb: y\tz\n", "a:\n  b: |\n    x\ty\n",
}
