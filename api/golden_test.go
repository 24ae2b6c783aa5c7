// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The documents that users' scripts read: names, order and kinds of values.
func TestGoldenDocuments(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	for path, file := range map[string]string{
		"/v1/status": "status.json", "/v1/macs": "macs.json", "/v1/events?follow=false": "events.ndjson", "/v1/extensions/acme": "extension.json",
	} {
		_, body := ask(t, socket, "GET", path, "", "")
		golden(t, file, indented(t, body))
	}
}

// An empty gateway has empty lists and maps, never null.
func TestGoldenEmpty(t *testing.T) {
	gw := newFake()
	gw.status = state.Status{Extensions: []state.ExtensionStatus{{Name: "bare", Bridge: state.Down}}, Interfaces: []state.InterfaceStatus{{Name: "eth2"}}}
	gw.macs, gw.log = nil, nil
	socket, _ := start(t, gw, testOptions())
	_, body := ask(t, socket, "GET", "/v1/status", "", "")
	golden(t, "empty.json", indented(t, body))
	if strings.Contains(body, "null") {
		t.Errorf("has null: %s", body)
	}
	for path, want := range map[string]string{"/v1/macs": "[]\n", "/v1/extensions/bare/macs": "[]\n", "/v1/events?follow=false": ""} {
		if _, body := ask(t, socket, "GET", path, "", ""); body != want {
			t.Errorf("GET %s: %q", path, body)
		}
	}
	gw.status = state.Status{}
	if _, body := ask(t, socket, "GET", "/v1/extensions", "", ""); body != "[]\n" {
		t.Errorf("no extensions: %q", body)
	}
}

// What the server writes, the client reads without loss.
func TestClientReadsDocuments(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	client := NewClient(socket)
	st, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(statusOf(gw.status), st); diff != "" {
		t.Error(diff)
	}
	macs, err := client.MACs(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(macsOf(gw.macs[:2]), macs); diff != "" {
		t.Error(diff)
	}
	var records []event.Record
	err = client.Events(t.Context(), 1, func(rec Event) error { records = append(records, rec); return nil })
	if err != nil || len(records) != 1 || records[0].Seq != 2 || records[0].Detail["cause"] != "loop" {
		t.Errorf("events: %+v, %v", records, err)
	}
}

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

// indented keeps the order of keys.
func indented(t *testing.T, body string) string {
	t.Helper()
	var out bytes.Buffer
	for line := range strings.Lines(body) {
		if err := json.Indent(&out, []byte(line), "", "  "); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
	}
	return out.String()
}
