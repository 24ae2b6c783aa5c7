// SPDX-License-Identifier: Apache-2.0

package drawbridge_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/config"
)

// TestDocumentedConfigurationsParse reads every YAML block of the pages that show a whole configuration.
func TestDocumentedConfigurationsParse(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, page := range []string{"README.md", "docs/reference/configuration.md"} {
		blocks := block.FindAllStringSubmatch(readPage(t, page), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no configuration", page)
		}
		for _, b := range blocks {
			if _, err := config.Parse(page, []byte(b[1])); err != nil {
				t.Errorf("the configuration in %s is faulty:\n%v", page, err)
			}
		}
	}
}

// TestEveryDropReasonIsDocumented compares the enum of the data plane with the reference, both ways.
func TestEveryDropReasonIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	page, _, _ := strings.Cut(readPage(t, "docs/reference/drop-reasons.md"), "## What is malformed")
	for _, row := range regexp.MustCompile(`(?m)^\|.*$`).FindAllString(page, -1) {
		for _, name := range regexp.MustCompile("^\\|(?: [0-9]+ \\|)? (`[a-z`, -]+`) \\|").FindAllStringSubmatch(row, -1) {
			for _, reason := range strings.Split(name[1], ", ") {
				documented[strings.Trim(reason, "`")] = true
			}
		}
	}
	var reasons []string
	for _, m := range regexp.MustCompile(`(?m)^\tDROP_([A-Z_]+)(?: = 0)?,$`).FindAllStringSubmatch(readPage(t, "bpf/abi.h"), -1) {
		if m[1] != "NONE" && m[1] != "REASONS" {
			reasons = append(reasons, strings.ToLower(strings.ReplaceAll(m[1], "_", "-")))
		}
	}
	if len(reasons) == 0 {
		t.Fatal("bpf/abi.h names no drop reason")
	}
	for _, reason := range reasons {
		if !documented[reason] {
			t.Errorf("docs/reference/drop-reasons.md does not explain %s", reason)
		}
	}
	for reason := range documented {
		if !slices.Contains(reasons, reason) {
			t.Errorf("docs/reference/drop-reasons.md explains %s, which bpf/abi.h does not have", reason)
		}
	}
}

// TestMapsAreDocumented compares the maps of the data plane with the reference.
func TestMapsAreDocumented(t *testing.T) {
	page := readPage(t, "docs/reference/state-in-the-kernel.md")
	maps := regexp.MustCompile(`(?m)^\} ([a-z_0-9]+) SEC\("\.maps"\);$`).FindAllStringSubmatch(readPage(t, "bpf/maps.h"), -1)
	if len(maps) == 0 {
		t.Fatal("bpf/maps.h names no map")
	}
	for _, m := range maps {
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("docs/reference/state-in-the-kernel.md does not name the map %s", m[1])
		}
	}
}

// TestMetricsAreDocumented compares the metrics that the API registers with the reference.
func TestMetricsAreDocumented(t *testing.T) {
	page := readPage(t, "docs/reference/metrics.md")
	metrics := regexp.MustCompile(`\bdesc\(\s*"([a-z_]+)"`).FindAllStringSubmatch(readPage(t, "api/metrics.go"), -1)
	if len(metrics) == 0 {
		t.Fatal("api/metrics.go registers no metric")
	}
	for _, m := range metrics {
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("docs/reference/metrics.md does not name the metric %s", m[1])
		}
	}
}

// TestRoutesAreDocumented compares the routes of the API with the reference.
func TestRoutesAreDocumented(t *testing.T) {
	page := readPage(t, "docs/reference/api.md")
	routes := regexp.MustCompile(`pattern: "([A-Z]+ /[^"]*)"`).FindAllStringSubmatch(readPage(t, "api/routes.go"), -1)
	if len(routes) == 0 {
		t.Fatal("api/routes.go has no route")
	}
	for _, m := range routes {
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("docs/reference/api.md does not name the route %s", m[1])
		}
	}
}

// TestEventKindsAreDocumented compares the kinds of the event log with the reference.
func TestEventKindsAreDocumented(t *testing.T) {
	page := readPage(t, "docs/reference/events.md")
	kinds := regexp.MustCompile(`Kind += "([a-z-]+)"`).FindAllStringSubmatch(readPage(t, "event/record.go"), -1)
	if len(kinds) == 0 {
		t.Fatal("event/record.go names no kind")
	}
	for _, m := range kinds {
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("docs/reference/events.md does not name the kind %s", m[1])
		}
	}
}

// TestLinksLead follows every relative link of every page.
func TestLinksLead(t *testing.T) {
	link := regexp.MustCompile(`(?:\]\(|\bsrc(?:set)?=")([^)"#:\s]+)(?:#[^)]*)?[)"]`)
	eachFile(t, func(name string, content []byte) {
		if filepath.Ext(name) != ".md" {
			return
		}
		for _, m := range link.FindAllStringSubmatch(string(content), -1) {
			target := filepath.Join(filepath.Dir(name), m[1])
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	})
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
