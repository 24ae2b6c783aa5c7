// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

// scraped is the samples of a scrape, sorted.
func scraped(t *testing.T, socket string) []string {
	t.Helper()
	resp, body := ask(t, socket, "GET", "/metrics", "", "")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %s: %s", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	var samples []string
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "#") {
			samples = append(samples, strings.TrimSpace(line))
		}
	}
	slices.Sort(samples)
	return samples
}

func TestMetrics(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	got := scraped(t, socket)
	for _, want := range []string{
		`drawbridge_rx_frames_total{direction="to-cloud",extension="acme"} 100`,
		`drawbridge_rx_bytes_total{direction="to-cloud",extension="acme"} 9000`,
		`drawbridge_tx_frames_total{direction="to-cloud",extension="acme"} 88`,
		`drawbridge_tx_bytes_total{direction="to-cloud",extension="acme"} 8000`,
		`drawbridge_rx_frames_total{direction="to-customer",extension="acme"} 0`,
		`drawbridge_dropped_frames_total{direction="to-cloud",extension="acme",interface="",reason="storm-broadcast"} 12`,
		`drawbridge_dropped_frames_total{direction="to-cloud",extension="",interface="eth2",reason="no-circuit"} 0`,
		`drawbridge_dropped_frames_total{direction="to-customer",extension="",interface="eth1",reason="unknown-vtep"} 4`,
		`drawbridge_would_drop_frames_total{direction="to-cloud",extension="acme",reason="inner-vlan"} 6`,
		`drawbridge_bridge_state{extension="acme"} 0`,
		`drawbridge_bridge_state{extension="empty"} 2`,
		`drawbridge_macs{extension="acme",side="cloud"} 7`,
		`drawbridge_macs{extension="acme",side="customer"} 3`,
		`drawbridge_trips_total{cause="loop",extension="acme"} 1`,
		`drawbridge_interface_lost_frames_total{interface="eth1",role="underlay"} 1`,
		`drawbridge_uptime_seconds 12.5`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

// Each trip counts once however often is scraped; causes are a closed set, and each is there before its first trip, with which
// a series would begin too late for increase(); the series of an extension that is gone end.
func TestTripsMetric(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	want := func(link, loop, operator, unknown int, extensions ...string) {
		t.Helper()
		var want []string
		for _, ext := range extensions {
			none := ext == "empty"
			for cause, n := range map[string]int{"link": link, "loop": loop, "mac-storm": 0, "operator": operator, "overload": 0} {
				if none {
					n = 0
				}
				want = append(want, fmt.Sprintf("drawbridge_trips_total{cause=%q,extension=%q} %d", cause, ext, n))
			}
			if unknown > 0 && !none {
				want = append(want, fmt.Sprintf("drawbridge_trips_total{cause=\"unknown\",extension=%q} %d", ext, unknown))
			}
		}
		slices.Sort(want)
		got := scraped(t, socket)
		got = slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, "drawbridge_trips_total") })
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	gw.setLog()
	want(0, 0, 0, 0, "acme", "empty")
	gw.publish(event.Record{Extension: "acme", Kind: event.Trip, Detail: map[string]any{"cause": "loop"}})
	want(0, 1, 0, 0, "acme", "empty")
	want(0, 1, 0, 0, "acme", "empty")
	gw.publish(event.Record{Extension: "acme", Kind: event.Trip, Detail: map[string]any{"cause": "loop"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Released, Detail: map[string]any{"cause": "loop"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Trip, Detail: map[string]any{"cause": "02:00:00:00:00:01"}})
	gw.publish(event.Record{Extension: "gone", Kind: event.Trip, Detail: map[string]any{"cause": "loop"}})
	want(0, 2, 0, 1, "acme", "empty")
	gw.publish(event.Record{Extension: "acme", Kind: event.Raised, Detail: map[string]any{"cause": "operator"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Lowered, Detail: map[string]any{"cause": "operator"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Link, Detail: map[string]any{"cause": "link", "bridge": "down"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Link, Detail: map[string]any{"bridge": "lowered"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Hint, Detail: map[string]any{"cause": "loop"}})
	want(1, 2, 1, 1, "acme", "empty")
	gw.mu.Lock()
	gw.status.Extensions = gw.status.Extensions[1:]
	gw.mu.Unlock()
	want(0, 0, 0, 0, "empty")
}

// The rules' own test has an extension's first trip step from 0 to 1: such a series is there before the first trip.
func TestTheAlertOnTripsHasItsSeries(t *testing.T) {
	rules, err := os.ReadFile("../packaging/prometheus/drawbridge.rules.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	series := regexp.MustCompile(`drawbridge_trips_total\{instance="gw-a",extension="acme",(cause="[a-z-]+")\}', values: '0`).FindAllStringSubmatch(string(rules), -1)
	if len(series) == 0 {
		t.Fatal("the rules' test has no first trip")
	}
	gw := newFake()
	gw.setLog()
	socket, _ := start(t, gw, testOptions())
	got := scraped(t, socket)
	for _, s := range series {
		if want := `drawbridge_trips_total{` + s[1] + `,extension="acme"} 0`; !slices.Contains(got, want) {
			t.Errorf("missing before the first trip: %s", want)
		}
	}
}

func TestMetricsOfEmptyGateway(t *testing.T) {
	gw := newFake()
	gw.status = state.Status{}
	socket, _ := start(t, gw, testOptions())
	if got := scraped(t, socket); !slices.Contains(got, `drawbridge_gateway_info{engine="none",name="",version=""} 1`) {
		t.Errorf("got %q", got)
	}
}

// The text format: a head before the samples of each metric, each name once, labels sorted and escaped.
func TestExposition(t *testing.T) {
	gw := newFake()
	gw.status.Gateway.Version = "1.0 \"a\\b\"\n\xff"
	socket, _ := start(t, gw, testOptions())
	_, body := ask(t, socket, "GET", "/metrics", "", "")
	seen, name, kind := map[string]bool{}, "", ""
	sample := regexp.MustCompile(`^(drawbridge_[a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? [0-9.e+]+$`)
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if rest, is := strings.CutPrefix(line, "# HELP "); is {
			name, _, _ = strings.Cut(rest, " ")
			if seen[name] {
				t.Errorf("%s has two heads", name)
			}
			seen[name] = true
			continue
		}
		if rest, is := strings.CutPrefix(line, "# TYPE "+name+" "); is {
			kind = rest
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || m[1] != name || (kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("below the head of the %s %s: %s", kind, name, line)
			continue
		}
		var labels []string
		for _, l := range regexp.MustCompile(`([a-z]+)="`).FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
		if !slices.IsSorted(labels) {
			t.Errorf("labels are not sorted: %s", line)
		}
	}
	if want := `version="1.0 \"a\\b\"\n�"`; !strings.Contains(body, want) {
		t.Errorf("no %s in\n%s", want, body)
	}
}

// Every metric that is promised, with its labels.
func TestPromisedMetrics(t *testing.T) {
	labels := map[string]string{}
	for _, m := range metrics {
		labels[strings.TrimPrefix(m.name, "drawbridge_")] = strings.Join(m.labels, ",")
		if !slices.IsSorted(m.labels) {
			t.Errorf("labels of %s are not sorted: %q", m.name, m.labels)
		}
	}
	for name, want := range map[string]string{
		"rx_frames_total": "direction,extension", "tx_frames_total": "direction,extension", "rx_bytes_total": "direction,extension", "tx_bytes_total": "direction,extension",
		"dropped_frames_total": "direction,extension,interface,reason", "bridge_state": "extension", "macs": "extension,side", "trips_total": "cause,extension",
	} {
		if got, there := labels[name]; !there || got != want {
			t.Errorf("%s has the labels %q, want %q", name, got, want)
		}
	}
}
