// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// fuzzSeed makes the requests the same each time.
const fuzzSeed = 20261122

// mutator makes requests that are nearly right, and some that are nothing like it.
type mutator struct{ *rand.Rand }

func (m mutator) one(of ...string) string { return of[m.IntN(len(of))] }

// request is bytes as a client might send them.
func (m mutator) request() []byte {
	method := m.one("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "", "BREW")
	path := m.one("/v1/status", "/v1/extensions", "/v1/extensions/acme", "/v1/extensions/acme/macs", "/v1/extensions/acme/raise",
		"/v1/extensions/acme/lower", "/v1/macs", "/v1/reload", "/v1/events", "/v1/config", "/v1/config/confirm", "/openapi.json",
		"/metrics", "/healthz", "/", "/page/x.js", "*", "//", "/../etc/passwd", "/v1/extensions/%2e%2e/macs", "/v1/extensions/"+strings.Repeat("a", 4000))
	query := m.one("", "", "", "?extension=acme", "?view=table", "?view=\x00", "?since=18446744073709551616", "?follow=0", "?confirm=120s", "?confirm=1e9s", "?%zz=;&&=")
	body := m.body()
	head := fmt.Sprintf("%s %s%s %s\r\n", method, path, query, m.one("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""))
	for range m.IntN(6) {
		head += m.one("Host: x", "Host: evil.example", "Content-Type: application/json", "Content-Type: application/yaml", "Transfer-Encoding: chunked",
			"Content-Length: -1", "Content-Length: 99999999999999999999", "Expect: 100-continue", "Connection: upgrade", "Upgrade: h2c",
			"Origin: null", "Sec-Fetch-Site: cross-site", "Last-Event-ID: -", "Accept-Encoding: gzip;q=zz", "Range: bytes=0-", "X: "+strings.Repeat("y", m.IntN(9000)), "no colon", ": no name", "\x00: \xff") + "\r\n"
	}
	head += m.one("Host: x\r\n", "Host: localhost\r\n", "") + "Connection: close\r\n"
	if m.IntN(4) > 0 {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	raw := append([]byte(head+"\r\n"), body...)
	for range m.IntN(4) * m.IntN(2) {
		raw[m.IntN(len(raw))] = byte(m.Uint32())
	}
	return raw
}

func (m mutator) body() []byte {
	switch m.IntN(5) {
	case 0:
		return []byte(`{"reason":"maintenance"}`)
	case 1:
		return bytes.Repeat([]byte(`{"reason":`), m.IntN(5000))
	case 2:
		noise := make([]byte, m.IntN(4096))
		for i := range noise {
			noise[i] = byte(m.Uint32())
		}
		return noise
	case 3:
		return []byte("gateway: {underlay: {interface: eth1}}\n")
	}
	return nil
}

// TestFuzzedRequestsChangeNothing: ten thousand requests of somebody who may read, over both listeners.
// Nothing changes, nothing crashes, and no memory or goroutine is left behind.
func TestFuzzedRequestsChangeNothing(t *testing.T) {
	const each = 5000
	gw := newFake()
	reader := Options{Credentials: asPeer(Peer{UID: 1000, GID: 701}), LookupGroup: testGroups, Page: testPage,
		Heartbeat: time.Second} // by which a stream notices that its reader went, when that sent more than one request
	socket, _ := start(t, gw, reader)
	address := startTCP(t, gw, "127.0.0.1:9471")
	before := used()
	var all sync.WaitGroup
	for i, server := range []struct{ network, address string }{{"unix", socket}, {"tcp", address}} {
		all.Go(func() {
			m := mutator{rand.New(rand.NewPCG(fuzzSeed, uint64(i)))}
			for n := range each {
				if err := send(t.Context(), server.network, server.address, m.request()); err != nil {
					t.Errorf("request %d over %s: %v", n, server.network, err)
					return
				}
			}
		})
	}
	all.Wait()
	if resp, body := ask(t, socket, "GET", "/healthz", "", ""); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d, %s", resp.StatusCode, body)
	}
	if len(gw.changes) > 0 {
		t.Errorf("changed: %q", gw.changes)
	}
	before.wantNoMore(t, 16<<20)
}

// send sends bytes, ends its side, and reads the answer, if there is one, to its end. A stream is left soon.
func send(ctx context.Context, network, address string, raw []byte) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		return err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		conn.Write(raw) // the server may answer and close first
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil && resp.Header.Get("Content-Type") != mediaEventStream {
		io.Copy(io.Discard, resp.Body)
	}
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return err // it neither answered nor closed
	}
	conn.Close()
	<-sent
	return nil
}

// usage is what the process holds.
type usage struct {
	heap       uint64
	goroutines int
}

func used() usage {
	runtime.GC() // twice: what a sync.Pool keeps lives through one
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{m.HeapAlloc, runtime.NumGoroutine()}
}

// wantNoMore waits until the connections' goroutines have ended, and checks what is left of the heap.
func (u usage) wantNoMore(t *testing.T, heap uint64) {
	t.Helper()
	waitFor(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= u.goroutines })
	if now := used(); now.heap > u.heap+heap {
		t.Errorf("the heap grew from %d to %d bytes", u.heap, now.heap)
	}
}

// TestAThousandIdleConnections: they cost little, and others are served meanwhile.
func TestAThousandIdleConnections(t *testing.T) {
	const idle, eachMost = 1000, 32 << 10 // bytes
	gw := newFake()
	opts := testOptions()
	opts.Credentials = asPeer(Peer{UID: 1000, GID: 701})
	socket, _ := start(t, gw, opts)
	address := startTCP(t, gw, "127.0.0.1:9471")
	before := used()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range idle {
		network, to := "unix", socket
		if i%2 == 1 {
			network, to = "tcp", address
		}
		c, err := net.Dial(network, to)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET /v1/st") // and no more
		conns = append(conns, c)
	}
	if resp, _ := ask(t, socket, "GET", "/healthz", "", ""); resp.StatusCode != 200 {
		t.Errorf("beside idle connections: %d", resp.StatusCode)
	}
	if now := used(); now.heap > before.heap+idle*eachMost {
		t.Errorf("%d idle connections take %d bytes", idle, now.heap-before.heap)
	}
	for _, c := range conns {
		c.Close()
	}
	conns = nil
	before.wantNoMore(t, 4<<20)
	if len(gw.changes) > 0 {
		t.Errorf("changed: %q", gw.changes)
	}
}
