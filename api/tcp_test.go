// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// startTCP serves gw on a TCP port of the loopback interface.
func startTCP(t *testing.T, gw Gateway, listen string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- NewServer(gw, Options{LookupGroup: testGroups, Page: testPage}).ServeTCP(ctx, l, listen)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func askTCP(t *testing.T, address, method, path, host string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	req.Header.Set("Origin", "http://evil.example")
	client := http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestTCPReadsOnly(t *testing.T) {
	gw := newFake()
	address := startTCP(t, gw, "127.0.0.1:9471")
	for request, want := range map[string]int{
		"GET /v1/status": 200, "GET /healthz": 200, "GET /metrics": 200,
		"GET /v1/macs": 404, "GET /v1/events": 404, "GET /v1/extensions": 404, "GET /v1/extensions/acme": 404, "GET /": 200, "GET /page/x.js": 200, "GET /page/y.js": 404, "POST /": 405,
		"GET /v1/config": 404, "PUT /v1/config": 404, "POST /v1/config/confirm": 404, "GET /openapi.json": 404,
		"POST /v1/extensions/acme/raise": 404, "POST /v1/extensions/acme/lower": 404, "POST /v1/reload": 404, "POST /v1/status": 405,
	} {
		method, path, _ := strings.Cut(request, " ")
		resp, body := askTCP(t, address, method, path, address)
		if resp.StatusCode != want {
			t.Errorf("%s %s: %d, want %d", method, path, resp.StatusCode, want)
		}
		if want >= 400 {
			wantProblem(t, resp, body, want)
		}
		if resp.Header.Get(accessHeader) != "" {
			t.Errorf("%s: promises access", path)
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: allows other origins", path)
		}
	}
	if len(gw.changes) != 0 {
		t.Errorf("changed: %q", gw.changes)
	}
}

// testPage stands for the page.
var testPage = map[string]http.Handler{"/": pageFile("<!doctype html>"), "/page/x.js": pageFile("'use strict'")}

type pageFile string

func (f pageFile) ServeHTTP(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, string(f)) }

func TestTCPHost(t *testing.T) {
	address := startTCP(t, newFake(), "Gateway.example:9471")
	for host, want := range map[string]int{
		"gateway.example": 200, "GATEWAY.example:9471": 200, "localhost": 200, "localhost:1": 200,
		"127.0.0.1:9471": 200, "192.0.2.7": 200, "[2001:db8::1]:9471": 200, "[2001:db8::1]": 200,
		"evil.example": 421, "evil.example:9471": 421, "gateway.example.evil.example": 421, "localhost.evil.example": 421,
		"127.0.0.1.evil.example": 421, "notlocalhost": 421,
	} {
		resp, body := askTCP(t, address, "GET", "/v1/status", host)
		if resp.StatusCode != want {
			t.Errorf("Host %q: %d, want %d", host, resp.StatusCode, want)
		}
		if want >= 400 {
			wantProblem(t, resp, body, want)
		}
	}
}

// A request without Host (HTTP/1.0) is nobody's business here.
func TestTCPWithoutHost(t *testing.T) {
	conn, err := net.DialTimeout("tcp", startTCP(t, newFake(), ":9471"), deadline)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(deadline))
	io.WriteString(conn, "GET /v1/status HTTP/1.0\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || string(answer[:12]) != "HTTP/1.0 421" {
		t.Errorf("got %.80q, %v", answer, err)
	}
}
