// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// topTable is a table of extensions whose counters are each a multiple of grown.
func topTable(t *testing.T, grown uint64, bridges map[string]state.Bridge, drops map[string]uint64) *api.Table {
	t.Helper()
	var st state.Status
	for i, name := range []string{"acme", "beta", "gamma", "delta"} {
		e := exampleStatus().Extensions[0]
		n := uint64(i+1) * grown
		e.Name, e.Bridge = l2.Name(name), bridges[name]
		e.Reason = map[bool]string{true: "because of " + name}[e.Bridge != state.Lowered]
		e.ToCloud = state.Counters{Rx: state.Count{Frames: n}, Tx: state.Count{Frames: n, Bytes: 100 * n}, Drops: map[string]uint64{"malformed": drops[name]}}
		e.ToCustomer = state.Counters{}
		st.Extensions = append(st.Extensions, e)
	}
	socket := serve(t, &fakeGateway{status: st})
	table, err := api.NewClient(socket).Table(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &table
}

// watching is a model two seconds after its first reading.
func watching(t *testing.T) *topModel {
	t.Helper()
	m := newTopModel()
	m.resize(120, 30)
	m.take(topTable(t, 0, nil, nil), exampleNow)
	m.take(topTable(t, 1000, map[string]state.Bridge{"beta": state.RaisedUp, "gamma": state.HalfRaised}, map[string]uint64{"acme": 30}), exampleNow.Add(2*time.Second))
	return m
}

func names(m *topModel) (out []string) {
	for _, r := range m.rows {
		out = append(out, r.Name)
	}
	return out
}

func TestTopRates(t *testing.T) {
	m := watching(t)
	at := slices.IndexFunc(m.rows, func(r topRow) bool { return r.Name == "acme" })
	if got, want := m.rows[at].ToCloud, (flowRate{Frames: 500, Bits: 400_000, Drops: 15}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// A counter that was set back, and an extension that is new, have no rate.
	m.take(topTable(t, 1, nil, nil), exampleNow.Add(3*time.Second))
	for _, r := range m.rows {
		if r.bits() != 0 || r.drops() != 0 {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
}

func TestTopSortsByWhatHurts(t *testing.T) {
	m := watching(t)
	for _, want := range []struct {
		order topOrder
		names string
	}{
		{byTrouble, "gamma beta acme delta"}, {byDrops, "acme delta gamma beta"}, {byRate, "delta gamma beta acme"}, {byName, "acme beta delta gamma"}, {byTrouble, "gamma beta acme delta"},
	} {
		if got := strings.Join(names(m), " "); m.order != want.order || got != want.names {
			t.Errorf("by %s: %s, want by %s: %s", m.order, got, want.order, want.names)
		}
		m.press("s")
	}
}

func TestTopMoves(t *testing.T) {
	m := watching(t)
	m.selected = "delta"
	for _, step := range []struct{ key, selected string }{
		{"up", "acme"}, {"down", "delta"}, {"j", "delta"}, {"k", "acme"}, {"home", "gamma"}, {"end", "delta"}, {"page up", "gamma"}, {"page down", "delta"},
	} {
		m.press(key(step.key))
		if m.selected != step.selected {
			t.Errorf("after %s: %s, want %s", step.key, m.selected, step.selected)
		}
	}
	// What is selected stays so when others overtake it, and when it is gone another one is.
	m.selected, m.chosen = "acme", true
	m.take(topTable(t, 2000, map[string]state.Bridge{"acme": state.Down}, nil), exampleNow.Add(4*time.Second))
	if names(m)[0] != "acme" || m.selected != "acme" {
		t.Errorf("%v, selected %s", names(m), m.selected)
	}
	m.selected = "gone"
	m.sort()
	if m.selected != "acme" {
		t.Errorf("selected %s", m.selected)
	}
	// Until somebody moves, the first one is selected, whoever that is.
	m.take(topTable(t, 3000, map[string]state.Bridge{"delta": state.RaisedUp}, nil), exampleNow.Add(6*time.Second))
	if m.selected != "delta" {
		t.Errorf("selected %s, want delta", m.selected)
	}
}

func TestTopKeepsTheSelectedInSight(t *testing.T) {
	m := newTopModel()
	m.resize(80, 12)
	for i := range 100 {
		m.rows = append(m.rows, topRow{Name: fmt.Sprintf("ext-%02d", i), Bridge: api.BridgeLowered})
	}
	m.order = byName
	m.sort()
	for _, k := range []key{keyEnd, keyUp, keyPageUp, keyHome, keyDown, keyPageDn} {
		m.press(k)
		lines := m.lines(palette{}, exampleNow)
		if len(lines) != 12 || !strings.Contains(strings.Join(lines, "\n"), "▸ "+m.selected) {
			t.Errorf("after %s: %d lines without %s:\n%s", k, len(lines), m.selected, strings.Join(lines, "\n"))
		}
	}
}

func TestTopAsksBeforeItChanges(t *testing.T) {
	m := watching(t)
	m.selected = "acme"
	for _, c := range []struct {
		keys []key
		want wish
	}{
		{[]key{"r", "y"}, wish{actRaise, "acme"}},
		{[]key{"l", "Y"}, wish{actLower, "acme"}},
		{[]key{"r", "n"}, wish{}},
		{[]key{"l", keyEnter}, wish{}},
		{[]key{"r", "q"}, wish{}},
		{[]key{"q"}, wish{act: actQuit}},
		{[]key{keyEnter, "r", "y"}, wish{actRaise, "acme"}},
	} {
		var got wish
		for i, k := range c.keys {
			got = m.press(k)
			if i < len(c.keys)-1 && got != (wish{}) {
				t.Errorf("%q: wanted %+v too early", c.keys, got)
			}
		}
		if got != c.want {
			t.Errorf("%q: %+v, want %+v", c.keys, got, c.want)
		}
	}
	m.press(keyEscape)
	m.press("r")
	if foot := m.foot(palette{}); !strings.Contains(foot, "raise acme") || !strings.Contains(foot, "y/n") {
		t.Errorf("the question is %q", foot)
	}
}

func TestTopPanes(t *testing.T) {
	m := watching(t)
	m.selected = "acme"
	m.takeEvent(api.Event{Seq: 1, Time: since, Extension: "acme", Kind: event.Trip, Severity: event.Warning, Message: "a loop \x1b[2J"})
	m.takeEvent(api.Event{Seq: 2, Time: since, Extension: "beta", Kind: event.Raised, Severity: event.Info, Message: "maintenance"})
	shown := func() string { return strings.Join(m.lines(palette{}, exampleNow), "\n") }
	if text := shown(); !strings.Contains(text, "because of beta") || !strings.Contains(text, "drops: malformed") || !strings.Contains(text, "half-raised") {
		t.Errorf("the list:\n%s", text)
	}
	m.press(keyEnter)
	e := api.Extension{Name: "acme", Bridge: api.BridgeLowered, Since: since, ToCloud: api.Counters{Drops: map[string]uint64{"malformed": 5}}}
	m.takeDetail(&e, exampleNow)
	more := e
	more.ToCloud.Drops = map[string]uint64{"malformed": 25, "storm-source": 100}
	more.ToCustomer.WouldDrop = map[string]uint64{"inner-vlan": 7}
	m.takeDetail(&more, exampleNow.Add(time.Second))
	text := shown()
	for _, want := range []string{"malformed", "storm-source", "inner-vlan (would drop)", "20", "a loop", "circuit"} {
		if !strings.Contains(text, want) {
			t.Errorf("details lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "maintenance") || strings.Contains(text, "\x1b") || strings.Index(text, "storm-source") > strings.Index(text, "malformed") {
		t.Errorf("details:\n%s", text)
	}
	m.press("e")
	if text := shown(); !strings.Contains(text, "maintenance") || strings.Index(text, "maintenance") > strings.Index(text, "a loop") {
		t.Errorf("events, the newest first:\n%s", text)
	}
	m.press(keyEscape)
	if m.pane != paneList {
		t.Error("escape does not lead back")
	}
	m.fault = "no daemon"
	if text := shown(); !strings.Contains(text, "no daemon") {
		t.Errorf("a fault is not shown:\n%s", text)
	}
}

func TestTopNamesTheBusiestSources(t *testing.T) {
	m := watching(t)
	m.press(keyEnter)
	e := api.Extension{Name: m.selected}
	m.takeDetail(&e, exampleNow)
	m.takeSources("another", []api.Source{{MAC: "02:00:00:00:00:01"}})
	m.takeSources(m.selected, []api.Source{{To: "cloud", MAC: "02:00:00:00:00:07\x1b[2J", IP: "10.1.0.7", VLAN: 30, Share: 0.93}})
	text := strings.Join(m.lines(palette{}, exampleNow), "\n")
	for _, part := range []string{"BUSIEST SOURCE", "02:00:00:00:00:07", "to cloud", "93 %", "10.1.0.7", "30"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not shown:\n%s", part, text)
		}
	}
	if strings.Contains(text, "02:00:00:00:00:01") || strings.Contains(text, "\x1b") {
		t.Errorf("another's sources, or a terminal's commands, are shown:\n%q", text)
	}
}

// A reading soon after another is not taken for a second's: rates would jump.
func TestTopDetailOverShortSpans(t *testing.T) {
	m := newTopModel()
	m.selected = "acme"
	reading := func(n uint64, after time.Duration) float64 {
		e := api.Extension{Name: "acme", ToCloud: api.Counters{Tx: api.Count{Frames: n}}}
		m.takeDetail(&e, since.Add(after))
		return growth(m.detail.was.ToCloud.Tx.Frames, m.detail.now.ToCloud.Tx.Frames, m.detail.between)
	}
	for _, c := range []struct {
		frames uint64
		after  time.Duration
		want   float64
	}{{100, 0, 0}, {200, time.Second, 100}, {201, 1010 * time.Millisecond, 100}, {300, 2 * time.Second, 100}} {
		if got := reading(c.frames, c.after); got < c.want-1 || got > c.want+1 {
			t.Errorf("at %v: %.1f, want %.1f", c.after, got, c.want)
		}
	}
}

// No line is wider than the terminal, with colours or without, and no window is too small.
func TestTopFits(t *testing.T) {
	for _, p := range []palette{{}, {on: true}} {
		for width := 1; width < 200; width += 7 {
			for height := 1; height < 40; height += 3 {
				m := crowded()
				m.resize(width, height)
				for _, k := range []key{keyDown, keyEnter, keyEnd, "e", keyDown, keyEscape, "r"} {
					m.press(k)
					lines := m.lines(p, exampleNow)
					if len(lines) != height {
						t.Fatalf("%d lines at height %d", len(lines), height)
					}
					for _, l := range lines {
						if n := utf8.RuneCountInString(unpainted(l)); n > width {
							t.Fatalf("%d letters at width %d: %q", n, width, l)
						}
					}
				}
			}
		}
	}
}

// crowded is a model in which everything is long.
func crowded() *topModel {
	m := newTopModel()
	for i := range 20 {
		m.rows = append(m.rows, topRow{Name: fmt.Sprintf("extension-%d", i), Bridge: api.BridgeHalfRaised, Reason: strings.Repeat("loop ", 30)})
		m.takeEvent(api.Event{Seq: uint64(i), Extension: "extension-1", Message: strings.Repeat("message ", 20)})
	}
	m.sort()
	e := api.Extension{Name: "extension-1", Description: strings.Repeat("long ", 40), ToCloud: api.Counters{Drops: map[string]uint64{"malformed": 1 << 60}}}
	m.selected, m.chosen = e.Name, true
	m.takeDetail(&e, since)
	return m
}

// unpainted takes the colours out.
func unpainted(s string) string {
	for {
		before, rest, found := strings.Cut(s, "\x1b[")
		if !found {
			return s
		}
		_, after, _ := strings.Cut(rest, "m")
		s = before + after
	}
}

func TestTopMarksWithoutColours(t *testing.T) {
	m := watching(t)
	plain, painted := strings.Join(m.lines(palette{}, exampleNow), "\n"), strings.Join(m.lines(palette{on: true}, exampleNow), "\n")
	if strings.Contains(plain, "\x1b") || !strings.Contains(plain, "▸ gamma") {
		t.Errorf("without colours:\n%s", plain)
	}
	if unpaintedLines := unpainted(painted); !strings.Contains(painted, "\x1b[7m▸ gamma") || strings.ReplaceAll(unpaintedLines, " ", "") != strings.ReplaceAll(plain, " ", "") {
		t.Errorf("with colours:\n%q", painted)
	}
}

func TestTopPrintsOneReading(t *testing.T) {
	socket := serve(t, &fakeGateway{status: exampleStatus()})
	stdout, stderr, code := run(t, "top", "--socket", socket, "-o", "json")
	var got topReading
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	if got.Gateway != "gw-a" || got.Seconds < 1 || len(got.Extensions) != 2 || got.Extensions[0].Name != "beta" || got.Extensions[0].Bridge != "raised" {
		t.Errorf("%+v", got)
	}
	stdout, stderr, code = run(t, "top", "--socket", socket)
	if code != 0 || !strings.Contains(stdout, "operator: maintenance") || strings.Contains(stdout, "\x1b") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code := run(t, "top", "--socket", "/nonexistent"); code != ExitFailed || !strings.Contains(stderr, "no daemon is running") {
		t.Errorf("without a daemon: exit code %d, %s", code, stderr)
	}
}

func TestKeys(t *testing.T) {
	for input, want := range map[string][]key{
		"q": {"q"}, "jk": {"j", "k"}, "\x1b[A\x1bOB\x1b[5~": {keyUp, keyDown, keyPageUp}, "\r\n": {keyEnter, keyEnter},
		"\x1b": {keyEscape}, "\x1b[200~x": {"x"}, "\x1bq": nil, "\x1b[": nil, "\x01\x7fé": {"\x7f", "é"}, "\xff": nil, "": nil, "\x1b[1;5A": nil,
	} {
		if got := keysOf([]byte(input)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", input, got, want)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x1b[A\x1b[5~q"))
	f.Fuzz(func(t *testing.T, input []byte) {
		if n := len(keysOf(input)); n > len(input) {
			t.Errorf("%d keys of %d bytes", n, len(input))
		}
	})
}

func TestSI(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 0.5: "0.5", 7.5: "7.5", 42: "42", 830: "830", 999.4: "999", 999.6: "1.00k", 12340: "12.3k", 1.5e9: "1.50G", 250e6: "250M"} {
		if got := si(n); got != want {
			t.Errorf("%v: %q, want %q", n, got, want)
		}
	}
}
