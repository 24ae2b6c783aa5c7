// SPDX-License-Identifier: Apache-2.0

package drawbridge_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const configurationPage = "docs/reference/configuration.md"

// TestEveryKeyIsDocumented compares the keys that package config reads with the reference.
func TestEveryKeyIsDocumented(t *testing.T) {
	page := readPage(t, configurationPage)
	keys := map[string]bool{}
	files, err := filepath.Glob("config/*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?:\{key: |\b(?:value|choice|boolean|service|class)\((?:r|g\.reader), |\b(?:service|class|rate)\()"([a-z0-9-]+)"`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "flags.go" {
			continue
		}
		for _, m := range declared.FindAllStringSubmatch(readPage(t, file), -1) {
			keys[m[1]] = true
		}
	}
	for _, p := range config.Protocols {
		keys[string(p)] = true
	}
	if len(keys) < 60 {
		t.Fatalf("only %d keys were found in package config: the pattern does not fit any more", len(keys))
	}
	for key := range keys {
		// By itself, at the beginning or the end of a path, in an example in braces, as a title.
		named := regexp.MustCompile("`(?:[A-Za-z0-9-]+\\.)*" + regexp.QuoteMeta(key) + "[`.]|`\\{[^`]*\\b" + regexp.QuoteMeta(key) + "\\b[^`]*\\}`|## `" + regexp.QuoteMeta(key) + "`")
		if !named.MatchString(page) {
			t.Errorf("%s does not explain the key %s", configurationPage, key)
		}
	}
}

// TestDocumentedDefaultsAreTheDefaults: the block with every key says what a file with none of them gets.
func TestDocumentedDefaultsAreTheDefaults(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(readPage(t, configurationPage))
	if block == nil {
		t.Fatal("there is no block")
	}
	documented, err := config.Parse(configurationPage, []byte(block[1]))
	if err != nil {
		t.Fatal(err)
	}
	least, err := config.Parse("least", []byte(`
gateway: {name: gw-a, underlay: {interface: eth1}}
extensions:
  acme:
    attachment: {interface: eth2, vlan: 2301}
    overlay: {vni: 10100, peers: [192.0.2.20, 192.0.2.21]}
`))
	if err != nil {
		t.Fatal(err)
	}
	// What the page's comments call examples.
	documented.Gateway.Underlay.Address = least.Gateway.Underlay.Address
	documented.Extensions[0].Description = ""
	documented.Extensions[0].Guard.Bandwidth = config.Bandwidth{}
	documented.Extensions[0].Guard.Flood.Allow = nil
	documented.Extensions[0].Guard.Protect = nil
	options := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(documented.Gateway.Underlay.Address, documented.Extensions[0].Attachment.VLAN)}
	if diff := cmp.Diff(least.Gateway, documented.Gateway, options); diff != "" {
		t.Errorf("defaults (-) and reference (+) of the gateway differ:\n%s", diff)
	}
	if diff := cmp.Diff(least.Extensions, documented.Extensions, options); diff != "" {
		t.Errorf("defaults (-) and reference (+) of an extension differ:\n%s", diff)
	}
}

// TestConfigurationsOfAllPagesParse reads every block of YAML: whole configurations, and those marked "yaml guard" as the
// guard of an extension.
func TestConfigurationsOfAllPagesParse(t *testing.T) {
	const around = "gateway: {underlay: {interface: eth1, address: 192.0.2.10}}\nextensions:\n  acme:\n" +
		"    attachment: {interface: eth2, vlan: 2301}\n    overlay: {vni: 10100, peers: [192.0.2.20]}\n    guard:\n"
	block := regexp.MustCompile("(?ms)^```yaml( [a-z]+)?\n(.*?)^```$")
	guards := 0
	eachFile(t, func(name string, content []byte) {
		if !strings.HasPrefix(name, "docs/") || filepath.Ext(name) != ".md" {
			return
		}
		for _, b := range block.FindAllStringSubmatch(string(content), -1) {
			text := b[2]
			switch b[1] {
			case " guard":
				guards++
				text = around + indented(text)
			case "":
			default:
				continue // another program's
			}
			if _, err := config.Parse(name, []byte(text)); err != nil {
				t.Errorf("a configuration in %s is faulty:\n%v\n%s", name, err, text)
			}
		}
	})
	if guards == 0 {
		t.Error("no page shows a guard")
	}
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("      " + line)
	}
	return b.String()
}

// TestEveryGuardIsDocumented: each drop reason is in the guards' reference too, with what lifts it.
func TestEveryGuardIsDocumented(t *testing.T) {
	page := readPage(t, "docs/reference/guards.md")
	for _, reason := range dropReasons(t) {
		if !strings.Contains(page, "`"+reason+"`") {
			t.Errorf("docs/reference/guards.md does not name %s", reason)
		}
	}
}

// TestDoctorsChecksAreDocumented compares what doctor names its findings by with the reference.
func TestDoctorsChecksAreDocumented(t *testing.T) {
	page := readPage(t, "docs/reference/commands.md")
	files, err := filepath.Glob("daemon/doctor*.go")
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`finding\{(?:Check: )?"([a-z-]+)"`).FindAllStringSubmatch(readPage(t, file), -1) {
			checks[m[1]] = true
		}
	}
	if len(checks) < 15 {
		t.Fatalf("only %d checks were found", len(checks))
	}
	for check := range checks {
		if !strings.Contains(page, "`"+check+"`") {
			t.Errorf("docs/reference/commands.md does not explain doctor's check %s", check)
		}
	}
}
