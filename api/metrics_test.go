// SPDX-License-Identifier: Apache-2.0

package api

import (
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

// Each trip counts once however often is scraped; causes are a closed set; the series of an extension that
// is gone end.
func TestTripsMetric(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	trips := func() (found []string) {
		for _, s := range scraped(t, socket) {
			if strings.HasPrefix(s, "drawbridge_trips_total") {
				found = append(found, strings.TrimPrefix(s, "drawbridge_trips_total"))
			}
		}
		return found
	}
	want := func(samples ...string) {
		t.Helper()
		if got := trips(); !slices.Equal(got, samples) {
			t.Errorf("got %q, want %q", got, samples)
		}
	}
	want(`{cause="loop",extension="acme"} 1`)
	want(`{cause="loop",extension="acme"} 1`)
	gw.publish(event.Record{Extension: "acme", Kind: event.Trip, Detail: map[string]any{"cause": "loop"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Released, Detail: map[string]any{"cause": "loop"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Trip, Detail: map[string]any{"cause": "02:00:00:00:00:01"}})
	gw.publish(event.Record{Extension: "gone", Kind: event.Trip, Detail: map[string]any{"cause": "loop"}})
	want(`{cause="loop",extension="acme"} 2`, `{cause="unknown",extension="acme"} 1`)
	gw.publish(event.Record{Extension: "acme", Kind: event.Raised, Detail: map[string]any{"cause": "operator"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Lowered, Detail: map[string]any{"cause": "operator"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Link, Detail: map[string]any{"cause": "link", "bridge": "down"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Link, Detail: map[string]any{"bridge": "lowered"}})
	gw.publish(event.Record{Extension: "acme", Kind: event.Hint, Detail: map[string]any{"cause": "loop"}})
	want(`{cause="link",extension="acme"} 1`, `{cause="loop",extension="acme"} 2`, `{cause="operator",extension="acme"} 1`, `{cause="unknown",extension="acme"} 1`)
	gw.mu.Lock()
	gw.status.Extensions = gw.status.Extensions[1:]
	gw.mu.Unlock()
	want()
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
