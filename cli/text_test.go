// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// example is the example's status as the daemon sends it.
func example(t *testing.T, st state.Status) api.Status {
	t.Helper()
	read, err := api.NewClient(serve(t, &fakeGateway{status: st})).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func exampleTable(t *testing.T, st state.Status) api.Table {
	t.Helper()
	read, err := api.NewClient(serve(t, &fakeGateway{status: st})).Table(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestStatusText(t *testing.T) {
	var b strings.Builder
	writeStatus(&b, exampleTable(t, exampleStatus()), palette{}, exampleNow)
	golden(t, "status.txt", b.String())
	for line := range strings.Lines(b.String()) {
		if strings.HasSuffix(line, " \n") {
			t.Errorf("trailing blank: %q", line)
		}
	}
}

func TestStatusTextOfLittle(t *testing.T) {
	var b strings.Builder
	writeStatus(&b, exampleTable(t, state.Status{Gateway: state.GatewayStatus{Name: "gw-a"}}), palette{}, exampleNow)
	golden(t, "little.txt", b.String())
}

func TestExtensionText(t *testing.T) {
	st := example(t, exampleStatus())
	var b strings.Builder
	for _, e := range st.Extensions {
		writeExtension(&b, e, palette{}, exampleNow)
	}
	golden(t, "extensions.txt", b.String())
}

// Colours change no column: without the escape sequences the text is the same.
func TestColours(t *testing.T) {
	st := exampleTable(t, exampleStatus())
	var plainText, coloured strings.Builder
	writeStatus(&plainText, st, palette{}, exampleNow)
	writeStatus(&coloured, st, palette{on: true}, exampleNow)
	if !strings.Contains(coloured.String(), "\x1b[31mraised\x1b[0m") || !strings.Contains(coloured.String(), "\x1b[32mlowered\x1b[0m") {
		t.Errorf("not coloured:\n%s", coloured.String())
	}
	stripped := coloured.String()
	for _, c := range []colour{bold, red, green, yellow} {
		stripped = strings.ReplaceAll(stripped, "\x1b["+string(c)+"m", "")
	}
	if diff := cmp.Diff(plainText.String(), strings.ReplaceAll(stripped, "\x1b[0m", "")); diff != "" {
		t.Error(diff)
	}
}

func TestMACsText(t *testing.T) {
	gw := &fakeGateway{status: exampleStatus(), macs: []state.MACEntry{
		{Extension: "acme", MAC: l2.MAC{2, 0, 0, 0, 0, 1}, Side: l2.Customer, Age: 250 * time.Second, Moves: 2, Frozen: true},
		{Extension: "acme", MAC: l2.MAC{2, 0, 0, 0, 0, 2}, Side: l2.Cloud, VTEP: exampleStatus().Extensions[0].Peers[0], Static: true},
	}}
	socket := serve(t, gw)
	stdout, _, code := run(t, "macs", "acme", "--socket", socket)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	golden(t, "macs.txt", stdout)
}

func TestMACsEmpty(t *testing.T) {
	socket := serve(t, &fakeGateway{})
	if stdout, _, _ := run(t, "macs", "-o", "json", "--socket", socket); stdout != "[]\n" {
		t.Errorf("json %q", stdout)
	}
	if stdout, _, _ := run(t, "macs", "--socket", socket); stdout != "" {
		t.Errorf("text %q", stdout)
	}
}

func exampleLog() []event.Record {
	return []event.Record{
		{Seq: 1, Time: since, Kind: event.Started, Severity: event.Info, Message: "the gateway started"},
		{Seq: 2, Time: since, Extension: "acme", Kind: event.Trip, Severity: event.Warning, Message: "a loop\nforged line \x1b[2J",
			Detail: map[string]any{"cause": "loop<>"}},
		{Seq: 3, Time: since, Extension: "acme", Kind: event.ConfigError, Severity: event.Error, Message: "no"},
	}
}

func TestEventsText(t *testing.T) {
	stdout, _, code := run(t, "events", "--socket", serve(t, &fakeGateway{log: exampleLog()}))
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	golden(t, "events.txt", stdout)
}

func TestEventsJSON(t *testing.T) {
	stdout, _, _ := run(t, "events", "-o", "json", "--socket", serve(t, &fakeGateway{log: exampleLog()}))
	golden(t, "events.ndjson", stdout)
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 59900 * time.Millisecond: "59s", time.Minute: "1m0s", 2*time.Hour + 10*time.Minute: "2h10m",
		24 * time.Hour: "1d0h", 1000*24*time.Hour + 5*time.Hour: "1000d5h",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestMemory(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 << 19: "1.5 MiB", 1 << 50: "1024.0 TiB", 5 << 30: "5.0 GiB"} {
		if got := memory(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for in, want := range map[string]string{"äöü": "äöü", "äöüß": "äö…"} {
		if got := cut(in, 3); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
