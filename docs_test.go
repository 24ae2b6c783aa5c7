// SPDX-License-Identifier: Apache-2.0

package drawbridge_test

import (
	"fmt"
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
	reasons := dropReasons(t)
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

// dropReasons are the names of the data plane's enum.
func dropReasons(t *testing.T) (reasons []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\tDROP_([A-Z_]+)(?: = 0)?,$`).FindAllStringSubmatch(readPage(t, "bpf/abi.h"), -1) {
		if m[1] != "NONE" && m[1] != "REASONS" {
			reasons = append(reasons, strings.ToLower(strings.ReplaceAll(m[1], "_", "-")))
		}
	}
	if len(reasons) == 0 {
		t.Fatal("bpf/abi.h names no drop reason")
	}
	return reasons
}

// TestNamesAreDocumented compares names that the sources declare with the pages that explain them.
func TestNamesAreDocumented(t *testing.T) {
	for _, d := range []struct {
		what, source, declared, page string
		shown                        string // how the page writes a name
	}{
		{"map", "bpf/maps.h", `(?m)^\} ([a-z_0-9]+) SEC\("\.maps"\);$`, "docs/reference/state-in-the-kernel.md", "`%s`"},
		{"metric", "api/metrics.go", `\bdesc\(\s*"([a-z_]+)"`, "docs/reference/metrics.md", "`%s`"},
		{"route", "api/routes.go", `pattern: "([A-Z]+ /[^"]*)"`, "docs/reference/api.md", "`%s`"},
		{"kind of event", "event/record.go", `Kind += "([a-z-]+)"`, "docs/reference/events.md", "`%s`"},
		{"alert", "packaging/prometheus/drawbridge.rules.yaml", `- alert: (\w+)`, "docs/how-to/monitor.md", "| `%s` |"},
	} {
		page := readPage(t, d.page)
		names := regexp.MustCompile(d.declared).FindAllStringSubmatch(readPage(t, d.source), -1)
		if len(names) == 0 {
			t.Errorf("%s declares no %s: the pattern does not fit any more", d.source, d.what)
		}
		for _, n := range names {
			if !strings.Contains(page, fmt.Sprintf(d.shown, n[1])) {
				t.Errorf("%s does not name the %s %s", d.page, d.what, n[1])
			}
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
