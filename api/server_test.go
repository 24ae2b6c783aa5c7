// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// deadline is how long a test waits for what shall happen.
const deadline = 10 * time.Second

// asPeer makes every connection one of the given peer.
func asPeer(p Peer) func(net.Conn) (Peer, error) {
	return func(net.Conn) (Peer, error) { return p, nil }
}

// testGroups are the groups of the host in tests.
func testGroups(group string) (uint32, bool) {
	gid, ok := map[string]uint32{GroupChange: 700, GroupRead: 701}[group]
	return gid, ok
}

func testOptions() Options {
	return Options{Credentials: asPeer(Peer{}), LookupGroup: testGroups}
}

// shortDir is a directory whose name leaves room in a socket's address (108 bytes).
func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// start serves gw on a unix socket until the test ends, or stop is called.
func start(t testing.TB, gw Gateway, opts Options) (socket string, stop func()) {
	t.Helper()
	socket = filepath.Join(shortDir(t), "s")
	return socket, startAt(t, socket, gw, opts)
}

func startAt(t testing.TB, socket string, gw Gateway, opts Options) (stop func()) {
	t.Helper()
	return startServer(t, socket, NewServer(gw, opts))
}

func startServer(t testing.TB, socket string, s *Server) (stop func()) {
	t.Helper()
	l, err := Listen(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(deadline):
			t.Error("the server does not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

// ask sends a request over a connection of its own and reads the answer.
func ask(t testing.TB, socket, method, path, contentType, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://gw"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return answer(t, socket, req)
}

func answer(t testing.TB, socket string, req *http.Request) (*http.Response, string) {
	t.Helper()
	client := http.Client{Timeout: deadline, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return resp, string(data)
}

// wantProblem checks that an answer is a problem document of the status.
func wantProblem(t testing.TB, resp *http.Response, body string, status int) Problem {
	t.Helper()
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d: %s", resp.StatusCode, status, body)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q: %s", ct, body)
	}
	var p Problem
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Errorf("body %q: %v", body, err)
	}
	if p.Status != resp.StatusCode || p.Type == "" || p.Title == "" || p.Detail == "" {
		t.Errorf("incomplete problem: %+v", p)
	}
	return p
}

func TestReading(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	for path, want := range map[string]string{
		"/healthz":                        "ok\n",
		"/v1/extensions/acme":             `{"name":"acme","bridge":"lowered"`,
		"/v1/extensions":                  `[{"name":"acme"`,
		"/v1/extensions/empty/macs":       `[{"extension":"empty","mac":"02:00:00:00:00:03"`,
		"/v1/macs":                        `[{"extension":"acme"`,
		"/v1/status":                      `{"gateway":{"name":"gw-a"`,
		"/v1/status?extension=acme":       `{"gateway":{"name":"gw-a"`,
		"/v1/events?follow=false":         `{"seq":1,`,
		"/v1/events?follow=false&since=1": `{"seq":2,`,
	} {
		resp, body := ask(t, socket, "GET", path, "", "")
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(body, want) {
			t.Errorf("GET %s: %d %.200s", path, resp.StatusCode, body)
		}
	}
}

func TestStatusOfOneExtension(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	st, err := NewClient(socket).StatusOf(t.Context(), "empty")
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Extensions) != 1 || st.Extensions[0].Name != "empty" || len(st.Interfaces) != 2 {
		t.Errorf("got %+v", st)
	}
}

func TestUnknownExtension(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	for _, req := range []string{
		"GET /v1/extensions/nobody", "GET /v1/extensions/nobody/macs", "GET /v1/status?extension=nobody",
		"POST /v1/extensions/nobody/raise", "POST /v1/extensions/nobody/lower",
		"POST /v1/extensions/..%2f..%2facme/raise", "POST /v1/extensions/%00/lower", "GET /v1/extensions/ACME/macs",
	} {
		method, path, _ := strings.Cut(req, " ")
		resp, body := ask(t, socket, method, path, "", "")
		if p := wantProblem(t, resp, body, http.StatusNotFound); p.Type != TypeUnknownExtension {
			t.Errorf("%s: type %q", req, p.Type)
		}
	}
	if len(gw.changes) != 0 {
		t.Errorf("changed: %q", gw.changes)
	}
}

func TestChanges(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	for _, c := range []struct{ path, contentType, body string }{
		{"/v1/extensions/acme/raise", "application/json; charset=utf-8", `{"reason": "maintenance"}`},
		{"/v1/extensions/acme/raise", "", ""},
		{"/v1/extensions/acme/raise", "application/json", "{}"},
		{"/v1/extensions/acme/lower", "", ""},
		{"/v1/reload", "", ""},
	} {
		if resp, body := ask(t, socket, "POST", c.path, c.contentType, c.body); resp.StatusCode != http.StatusNoContent {
			t.Errorf("POST %s: %d %s", c.path, resp.StatusCode, body)
		}
	}
	want := []string{"raise acme maintenance", "raise acme ", "raise acme ", "lower acme", "reload"}
	if diff := cmp.Diff(want, gw.changes); diff != "" {
		t.Error(diff)
	}
}

func TestGatewayErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		typ    string
		detail string
	}{
		{fmt.Errorf("%w: gw.yaml:3:5: vlan 4095", ErrFaulty), http.StatusUnprocessableEntity, TypeFaultyConfig, "gw.yaml:3:5"},
		{fmt.Errorf("ask: %w", context.DeadlineExceeded), http.StatusServiceUnavailable, TypeBlank, "in time"},
		{errors.New("read map: no such device"), http.StatusInternalServerError, TypeBlank, "read map"},
	} {
		gw := newFake()
		gw.err = c.err
		socket, _ := start(t, gw, testOptions())
		for _, req := range []string{"POST /v1/reload", "POST /v1/extensions/acme/raise", "GET /v1/status", "GET /v1/macs", "GET /healthz", "GET /metrics"} {
			method, path, _ := strings.Cut(req, " ")
			resp, body := ask(t, socket, method, path, "", "")
			if p := wantProblem(t, resp, body, c.status); p.Type != c.typ || !strings.Contains(p.Detail, c.detail) {
				t.Errorf("%s: %+v", req, p)
			}
		}
	}
}

func TestEndRemovesSocket(t *testing.T) {
	socket, stop := start(t, newFake(), testOptions())
	ask(t, socket, "GET", "/healthz", "", "")
	stop()
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
}

// A listener that fails ends Serve with its error.
func TestServeFails(t *testing.T) {
	l, err := Listen(filepath.Join(shortDir(t), "s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := NewServer(newFake(), testOptions()).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
