// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestHostileRequests(t *testing.T) {
	const raise, isJSON = "POST /v1/extensions/acme/raise", "application/json"
	for name, c := range map[string]struct {
		request, contentType, body string
		status                     int
	}{
		"huge body":           {raise, isJSON, `{"reason":"` + strings.Repeat("x", maxBody) + `"}`, 413},
		"bad JSON":            {raise, isJSON, `{"reason":`, 400},
		"not an object":       {raise, isJSON, `["reason"]`, 400},
		"wrong type":          {raise, isJSON, `{"reason": 7}`, 400},
		"unknown key":         {raise, isJSON, `{"raison": "x"}`, 400},
		"two values":          {raise, isJSON, `{} {}`, 400},
		"escape sequence":     {raise, isJSON, `{"reason":"\u001b[2J"}`, 400},
		"line end":            {raise, isJSON, `{"reason":"a\nb"}`, 400},
		"long reason":         {raise, isJSON, `{"reason":"` + strings.Repeat("ä", maxReason+1) + `"}`, 400},
		"a form":              {raise, "application/x-www-form-urlencoded", "reason=x", 415},
		"no content type":     {raise, "", "{}", 415},
		"broken content type": {raise, "application/json; =", "{}", 415},
		"GET to change":       {"GET /v1/extensions/acme/raise", "", "", 405},
		"PUT":                 {"PUT /v1/extensions/acme/raise", isJSON, "{}", 405},
		"DELETE":              {"DELETE /v1/extensions/acme", "", "", 405},
		"POST to read":        {"POST /v1/status", isJSON, "{}", 405},
		"PATCH":               {"PATCH /v1/reload", "", "", 405},
		"invented method":     {"BREW /v1/status", "", "", 405},
		"OPTIONS":             {"OPTIONS /v1/status", "", "", 405},
		"unknown route":       {"GET /v2/status", "", "", 404},
		"the root":            {"GET /", "", "", 404},
		"longer path":         {"GET /v1/extensions/acme/macs/x", "", "", 404},
		"trailing slash":      {"GET /v1/extensions/", "", "", 404},
		"doubled slash":       {"GET //v1/status", "", "", 404},
		"doubled slash later": {"GET /v1//status", "", "", 404},
		"dots":                {"GET /v1/../v1/status", "", "", 404},
		"since no number":     {"GET /v1/events?since=-1", "", "", 400},
		"stream with a body":  {"GET /v1/events", "", "x", 400},
		"follow no bool":      {"GET /v1/events?follow=maybe", "", "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			gw := newFake()
			socket, _ := start(t, gw, testOptions())
			method, path, _ := strings.Cut(c.request, " ")
			resp, body := ask(t, socket, method, path, c.contentType, c.body)
			wantProblem(t, resp, body, c.status)
			if (c.status == 405) != (resp.Header.Get("Allow") != "") {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
			if len(gw.changes) != 0 {
				t.Errorf("changed: %q", gw.changes)
			}
		})
	}
}

// Requests that no HTTP client would send. Whatever the answer is, it comes, and the next one is served.
func TestRawRequests(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	for name, c := range map[string]struct{ raw, want string }{
		"huge header":       {"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 1<<20) + "\r\n\r\n", "HTTP/1.1 431"},
		"no HTTP":           {"\x16\x03\x01\x00\xff\r\n\r\n", "HTTP/1.1 400"},
		"asterisk":          {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 "},
		"CONNECT":           {"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", "HTTP/1.1 404"},
		"two lengths":       {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 400"},
		"negative length":   {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400"},
		"broken chunk":      {"POST /v1/extensions/acme/raise HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400"},
		"broken percentage": {"GET /v1/extensions/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, socket)
			go conn.Write([]byte(c.raw)) // the server may stop reading first
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil || !strings.HasPrefix(line, c.want) {
				t.Errorf("got %q, %v, want %q", line, err, c.want)
			}
			if resp, _ := ask(t, socket, "GET", "/healthz", "", ""); resp.StatusCode != http.StatusOK {
				t.Errorf("afterwards: %d", resp.StatusCode)
			}
		})
	}
}

// What net/http refuses by itself is a problem document like every refusal.
func TestRefusalsBeforeAnyHandler(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	for name, c := range map[string]struct {
		raw    string
		status int
		detail string
	}{
		"no host":         {"GET /v1/status HTTP/1.1\r\n\r\n", http.StatusBadRequest, "missing required Host header"},
		"two lengths":     {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", http.StatusBadRequest, "no request"},
		"no length":       {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n", http.StatusBadRequest, "no request"},
		"huge header":     {"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 1<<20) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge, "431"},
		"foreign coding":  {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", http.StatusNotImplemented, "transfer encoding"},
		"another version": {"GET /v1/status HTTP/3.0\r\nHost: x\r\n\r\n", http.StatusHTTPVersionNotSupported, "version"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, socket)
			go conn.Write([]byte(c.raw)) // the server may stop reading first
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var p Problem
			if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s of %q: %v", resp.Status, resp.Header.Get("Content-Type"), err)
			}
			if resp.StatusCode != c.status || p.Status != c.status || p.Type != TypeBlank || !strings.Contains(p.Detail, c.detail) {
				t.Errorf("%s: %+v, want %d about %s", resp.Status, p, c.status, c.detail)
			}
		})
	}
}

// Only what net/http writes by itself is taken for that.
func TestWhatIsNoRefusal(t *testing.T) {
	for _, s := range []string{
		"", "HTTP/1.1 ", "HTTP/1.1 400 Bad Request\r\nDate: x\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nx",
		"HTTP/1.1 200 OK" + refusalHeaders, "HTTP/1.1 abc" + refusalHeaders, "text HTTP/1.1 400 Bad Request" + refusalHeaders,
	} {
		if document, is := refusalAsProblem([]byte(s)); is {
			t.Errorf("%q becomes %q", s, document)
		}
	}
}

// dial connects with a deadline for everything.
func dial(t testing.TB, socket string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(deadline))
	return conn
}

// Idle connections lock out nobody, not even who holds them: the one that waits longest gives way.
func TestManyIdleConnections(t *testing.T) {
	var uid atomic.Uint32 // of the next connection; the test and Accept take turns
	arrived := make(chan struct{}, 1)
	opts := testOptions()
	opts.Credentials = func(net.Conn) (Peer, error) {
		defer func() { arrived <- struct{}{} }()
		return Peer{UID: uid.Load(), GID: 701}, nil
	}
	socket, _ := start(t, newFake(), opts)
	connect := func(as uint32) net.Conn {
		uid.Store(as)
		conn := dial(t, socket)
		<-arrived
		return conn
	}
	served := func(conn net.Conn) bool {
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return strings.Contains(line, "200")
	}
	idle := make([]net.Conn, socketLimits.each)
	for i := range idle {
		idle[i] = connect(1000)
	}
	if !served(idle[len(idle)-1]) { // and so not the oldest, nor is it when it waits again
		t.Fatal("a connection within the limits is not served")
	}
	if !served(connect(1000)) || !served(connect(1001)) || !served(connect(0)) {
		t.Error("somebody is locked out")
	}
	if served(idle[0]) {
		t.Error("more connections than allowed for one user")
	}
	if !served(idle[len(idle)-1]) {
		t.Error("one that was used of late gave way")
	}
}

// Who is busy gives way to nobody, and a place that is given back is there again.
func TestBusyConnectionsStay(t *testing.T) {
	inner, err := net.Listen("unix", filepath.Join(shortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := newLimitListener(inner, limits{each: 2, total: 3}, func(c net.Conn) (net.Conn, string, bool) { return c, "one", false })
	accepted := make(chan net.Conn)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			noteState(c, http.StateNew)
			noteState(c, http.StateActive)
			accepted <- c
		}
	}()
	connect := func() net.Conn { return dial(t, inner.Addr().String()) }
	connect()
	first := <-accepted
	connect()
	<-accepted
	refused := connect()
	if _, err := refused.Read(make([]byte, 1)); err == nil {
		t.Error("one too many is not closed")
	}
	first.Close()
	noteState(first, http.StateClosed)
	connect()
	<-accepted
	if n := l.idle.Len(); n != 0 {
		t.Errorf("%d busy connections count as idle", n)
	}
}

func TestTotalLimitSparesRoot(t *testing.T) {
	l := newLimitListener(nil, limits{each: 4, total: 32}, nil)
	for user := range 32 / 4 {
		for range 4 {
			if !l.take(fmt.Sprint(user), false) {
				t.Fatal("refused below the limits")
			}
		}
	}
	if l.take("one more", false) {
		t.Error("more than the total")
	}
	for range 4 {
		if !l.take("root", true) {
			t.Fatal("root refused")
		}
	}
	if l.take("root", true) {
		t.Error("root has no limit")
	}
	l.leave("0", false)
	if !l.take("one more", false) {
		t.Error("refused after one left")
	}
}

func FuzzReason(f *testing.F) {
	f.Add([]byte(`{"reason":"x"}`))
	f.Add([]byte(`{"reason":"\ud800"}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		reason, problem := parseReason(body)
		if problem == nil && (strings.ContainsAny(reason, "\n\r\x1b\x00") || len([]rune(reason)) > maxReason) {
			t.Errorf("accepted %q", reason)
		}
		if problem != nil && problem.Status != 400 {
			t.Errorf("status %d", problem.Status)
		}
	})
}
