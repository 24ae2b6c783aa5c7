// SPDX-License-Identifier: Apache-2.0

// Package drawbridge_test holds the repository to what ARCHITECTURE.md and CONTRIBUTING.md say of it: who
// may import whom, whose types stop where, and how every file begins.
package drawbridge_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/drawbridge-l2/drawbridge"

// mayImport is the import table of ARCHITECTURE.md. Key and values are path.Match patterns of packages below
// the module's root; a package may always import packages below itself.
var mayImport = map[string][]string{
	"l2":             {},
	"l2/*":           {"l2"},
	"frame":          {"l2"},
	"event":          {"l2"},
	"config":         {"l2"},
	"state":          {"l2"},
	"pcapng":         {},
	"core/*":         {"l2", "event", "state", "frame"},
	"gateway":        {"core/*", "state", "event", "config", "pcapng", "l2"},
	"host":           {"event", "state", "frame", "l2"},
	"peer/*":         {"event", "state", "frame", "l2"},
	"dataplane":      {"event", "state", "frame", "l2"},
	"dataplane/*":    {"event", "state", "frame", "l2"},
	"api":            {"state", "event", "config", "pcapng", "l2"},
	"cli":            {"api", "pcapng", "core/tune"},
	"web":            {"api"},
	"lab":            {"l2", "frame"},
	"lab/*":          {"l2", "frame", "lab"},
	"daemon":         {"*", "*/*"},
	"cmd/drawbridge": {"daemon", "cli"},
}

// stopsAt says which of our packages may see a foreign module's types, tests aside.
var stopsAt = map[string][]string{
	"github.com/cilium/ebpf":         {"dataplane", "dataplane/*", "lab", "lab/*"},
	"github.com/vishvananda/netlink": {"host", "lab", "lab/*"},
	"github.com/goccy/go-yaml":       {"config"},
	"github.com/spf13/cobra":         {"cli", "daemon", "cmd/drawbridge"},
	// For tests only.
	"github.com/gopacket/gopacket": {},
	"github.com/google/go-cmp":     {},
	"pgregory.net/rapid":           {},
}

// goPackage is what we read of `go list -json`.
type goPackage struct {
	ImportPath string
	Doc        string
	GoFiles    []string
	Imports    []string
}

// room is the package's path below the module's root, "" for packages of others.
func (p goPackage) room() string { return room(p.ImportPath) }

func room(importPath string) string {
	below, ours := strings.CutPrefix(importPath, module+"/")
	if !ours {
		return ""
	}
	return below
}

// listPackages asks the go tool for all of our packages that have code.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Doc,GoFiles,Imports", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("list packages: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("list packages: %v", err)
	}
	var packages []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read go list's answer: %v", err)
		}
		if p.room() != "" && len(p.GoFiles) > 0 {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		t.Fatal("go list named no package of ours")
	}
	return packages
}

func TestImportTable(t *testing.T) {
	for _, p := range listPackages(t) {
		allowed, known := allowance(p.room())
		if !known {
			t.Errorf("%s has no line in the import table", p.room())
			continue
		}
		for _, imported := range p.Imports {
			r := room(imported)
			if r == "" || strings.HasPrefix(r, p.room()+"/") || matchAny(allowed, r) {
				continue
			}
			t.Errorf("%s imports %s: it may import %s", p.room(), r, strings.Join(allowed, ", "))
		}
	}
}

func TestForeignTypesStop(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, imported := range p.Imports {
			for foreign, allowed := range stopsAt {
				isForeign := imported == foreign || strings.HasPrefix(imported, foreign+"/")
				if isForeign && !matchAny(allowed, p.room()) {
					t.Errorf("%s imports %s, which stops at %q", p.room(), imported, allowed)
				}
			}
		}
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.room())
		}
	}
}

// allowance finds a package's line in the import table: its own, or that of a pattern.
func allowance(room string) (allowed []string, known bool) {
	if allowed, known = mayImport[room]; known {
		return allowed, true
	}
	for pattern, allowed := range mayImport {
		if matchAny([]string{pattern}, room) {
			return allowed, true
		}
	}
	return nil, false
}

// matchAny reports whether a pattern matches the room.
func matchAny(patterns []string, room string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, room)
		return err == nil && ok
	})
}

// TestImportTableRefuses makes sure that the checks above can fail.
func TestImportTableRefuses(t *testing.T) {
	refused := [][2]string{
		{"config", "state"}, {"core/fdb", "core/guard"}, {"host", "dataplane"}, {"cli", "state"},
		{"gateway", "dataplane"}, {"dataplane", "host"}, {"lab", "daemon"}, {"cmd/drawbridge", "api"},
	}
	for _, pair := range refused {
		allowed, known := allowance(pair[0])
		if !known || matchAny(allowed, pair[1]) {
			t.Errorf("the table lets %s import %s", pair[0], pair[1])
		}
	}
}
