// SPDX-License-Identifier: Apache-2.0

// Package packaging_test holds what packages bring to what the programs do: alerts and dashboard to the metrics, the
// unit to its figure, and the packages themselves to a root file system.
package packaging_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	rulesFile     = "prometheus/drawbridge.rules.yaml"
	dashboardFile = "grafana/drawbridge.json"
)

// TestAlertRules has Prometheus' own tool read the rules, and play their tests.
func TestAlertRules(t *testing.T) {
	for _, args := range [][]string{
		{"check", "rules", rulesFile},
		{"test", "rules", "prometheus/drawbridge.rules.test.yaml"},
	} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestEveryAlertIsTested: a rule that no test mentions may never fire.
func TestEveryAlertIsTested(t *testing.T) {
	tests := read(t, "prometheus/drawbridge.rules.test.yaml")
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, rulesFile), -1)
	if len(alerts) == 0 {
		t.Fatal("there is no alert")
	}
	for _, a := range alerts {
		if !strings.Contains(tests, "alertname: "+a[1]+"\n") {
			t.Errorf("no test has %s fire", a[1])
		}
	}
}

// TestMonitoringUsesWhatThereIs compares names of metrics, labels and reasons with what the API registers and the
// data plane counts.
func TestMonitoringUsesWhatThereIs(t *testing.T) {
	metrics, labels, reasons := registered(t)
	for file, expressions := range map[string][]string{rulesFile: {read(t, rulesFile)}, dashboardFile: dashboardExpressions(t)} {
		text := strings.Join(expressions, "\n")
		used := regexp.MustCompile(`\bdrawbridge_[a-z0-9_]+`).FindAllString(text, -1)
		if len(used) == 0 {
			t.Errorf("%s uses no metric", file)
		}
		for _, name := range used {
			if !slices.Contains(metrics, name) {
				t.Errorf("%s uses %s, which the API does not register", file, name)
			}
		}
		for _, m := range regexp.MustCompile(`([a-z]+)=~?"([^"]*)"`).FindAllStringSubmatch(text, -1) {
			if !slices.Contains(labels, m[1]) {
				t.Errorf("%s selects by the label %s, which no metric has", file, m[1])
			}
			if m[1] == "reason" {
				wantReasons(t, file, m[2], reasons)
			}
		}
	}
}

// wantReasons checks that each alternative of a matcher matches a reason.
func wantReasons(t *testing.T, file, matcher string, reasons []string) {
	t.Helper()
	for _, alternative := range strings.Split(matcher, "|") {
		pattern := regexp.MustCompile("^(?:" + alternative + ")$")
		if !slices.ContainsFunc(reasons, pattern.MatchString) {
			t.Errorf("%s selects the reason %s, which the data plane does not have", file, alternative)
		}
	}
}

// registered reads the metrics and labels that the API registers, beside those that Prometheus adds, and the drop reasons.
func registered(t *testing.T) (metrics, labels, reasons []string) {
	t.Helper()
	labels = []string{"job", "instance"}
	source := read(t, "../api/metrics.go")
	for _, m := range regexp.MustCompile(`\bdesc\(\s*"([a-z_]+)",\s*"[^"]*"([^)]*)\)`).FindAllStringSubmatch(source, -1) {
		metrics = append(metrics, "drawbridge_"+m[1])
		for _, l := range regexp.MustCompile(`"([a-z]+)"`).FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\tDROP_([A-Z_]+)(?: = 0)?,$`).FindAllStringSubmatch(read(t, "../bpf/abi.h"), -1) {
		reasons = append(reasons, strings.ToLower(strings.ReplaceAll(m[1], "_", "-")))
	}
	if len(metrics) == 0 || len(reasons) == 0 {
		t.Fatal("no metric or no reason was found")
	}
	return metrics, labels, reasons
}

// dashboardExpressions are the queries of the dashboard: panels, annotations and variables.
func dashboardExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	var dashboard any
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &dashboard); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if text, isText := value.(string); isText && (key == "expr" || key == "definition") {
					expressions = append(expressions, text)
				}
				walk(value)
			}
		case []any:
			for _, value := range v {
				walk(value)
			}
		}
	}
	walk(dashboard)
	return expressions
}

// TestTheDashboardsQueriesParse has Prometheus read each query, with the dashboard's variables filled in.
func TestTheDashboardsQueriesParse(t *testing.T) {
	fill := strings.NewReplacer("$__rate_interval", "5m", "$instance", "gw-a", "$extension", "acme")
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, expression := range dashboardExpressions(t) {
		if !strings.HasPrefix(expression, "label_values(") {
			text, err := json.Marshal(fill.Replace(expression))
			if err != nil {
				t.Fatal(err)
			}
			rules.WriteString("  - {record: x, expr: " + string(text) + "}\n")
		}
	}
	file := t.TempDir() + "/rules.yaml"
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
