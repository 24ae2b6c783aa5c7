// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
)

// reading is an open event stream.
type reading struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Scanner
}

// openStream asks for an event stream and reads the answer's header.
func openStream(t *testing.T, socket, header string) *reading {
	t.Helper()
	conn := dial(t, socket)
	// HTTP/1.0: no chunks between the events.
	fmt.Fprintf(conn, "GET /v1/events HTTP/1.0\r\nAccept: text/event-stream\r\n%s\r\n", header)
	resp, err := http.ReadResponse(bufio.NewReaderSize(oneByte{conn}, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %v", resp)
	}
	return &reading{t: t, conn: conn, lines: bufio.NewScanner(conn)}
}

// oneByte reads slowly, so that no buffer holds what comes after the header.
type oneByte struct{ io.Reader }

func (r oneByte) Read(b []byte) (int, error) { return r.Reader.Read(b[:1]) }

// next is the next event's fields, without the empty line; empty at the end.
func (r *reading) next() string {
	r.t.Helper()
	var fields []string
	for r.lines.Scan() {
		if r.lines.Text() == "" {
			return strings.Join(fields, "\n")
		}
		fields = append(fields, r.lines.Text())
	}
	if err := r.lines.Err(); err != nil {
		r.t.Fatalf("read the stream: %v", err)
	}
	return ""
}

func (r *reading) want(prefix string) {
	r.t.Helper()
	if got := r.next(); !strings.HasPrefix(got, prefix) || prefix == "" && got != "" {
		r.t.Errorf("got %q, want %q", got, prefix)
	}
}

// waitFor waits until the condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(deadline)
	for !holds() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("in vain: %s", what)
		}
	}
}

func TestStreamSendsLogThenNews(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	r := openStream(t, socket, "")
	r.want("id: 1\ndata: {\"seq\":1,\"time\":\"2026-11-22T08:00:00.123456789Z\",\"extension\":\"\",\"kind\":\"started\"")
	r.want("id: 2\n")
	gw.publish(event.Record{Kind: event.Raised, Message: "line\nend"})
	r.want("id: 3\ndata: {\"seq\":3,")
	gw.publish(event.Record{Kind: event.Lowered})
	r.want("id: 4\n")
}

func TestStreamResumes(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	r := openStream(t, socket, "Last-Event-ID: 1\r\n")
	r.want("id: 2\n")
	gw.publish(event.Record{Kind: event.Raised})
	r.want("id: 3\n")
}

// What the subscription leaves out comes from the log, in order and once.
func TestStreamFillsGaps(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	r := openStream(t, socket, "Last-Event-ID: 2\r\n")
	waitFor(t, "the reader subscribes", func() bool { n, _ := gw.readerCount(); return n == 1 })
	// The subscription hands out 5 before 3 and 4 were sent; they are in the log.
	gw.setLog(append(exampleLog(), event.Record{Seq: 3}, event.Record{Seq: 4})...)
	gw.publish(event.Record{Kind: event.Raised})
	for seq := 3; seq <= 5; seq++ {
		r.want(fmt.Sprintf("id: %d\n", seq))
	}
	gw.publish(event.Record{Kind: event.Lowered})
	r.want("id: 6\n")
}

func TestStreamNamesWhatTheLogLost(t *testing.T) {
	gw := newFake()
	gw.setLog(event.Record{Seq: 8}, event.Record{Seq: 9})
	socket, _ := start(t, gw, testOptions())
	r := openStream(t, socket, "Last-Event-ID: 5\r\n")
	r.want("event: note\ndata: {\"message\":\"records 6 to 7 are no longer in the log\"}")
	r.want("id: 8\n")
}

func TestStreamOfANewLog(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	r := openStream(t, socket, "Last-Event-ID: 500\r\n")
	r.want("event: note\ndata: {\"message\":\"the event log was begun anew")
	r.want("id: 1\n")
}

// A reader whom the gateway dropped learns of it.
func TestStreamNotesDropping(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	r := openStream(t, socket, "Last-Event-ID: 1\r\n")
	r.want("id: 2\n")
	gw.dropReaders()
	r.want("event: note\ndata: {\"message\":\"this reader was too slow and was dropped after record 2")
	r.want("")
}

// A reader that takes nothing is cut off; nobody waits for it, and the others lose nothing.
func TestStreamCutsOffSlowReader(t *testing.T) {
	gw := newFake()
	gw.queue = 1000
	opts := testOptions()
	opts.StreamWrite = 100 * time.Millisecond
	socket, _ := start(t, gw, opts)
	openStream(t, socket, "Last-Event-ID: 2\r\n") // and never reads again
	good := openStream(t, socket, "Last-Event-ID: 2\r\n")
	waitFor(t, "both subscribe", func() bool { n, _ := gw.readerCount(); return n == 2 })
	message := strings.Repeat("x", 10_000) // a hundred fill the socket's buffers
	for seq := 3; seq <= 102; seq++ {
		gw.publish(event.Record{Kind: event.Hint, Message: message})
		good.want(fmt.Sprintf("id: %d\n", seq))
	}
	waitFor(t, "the slow reader is cut off", func() bool { _, left := gw.readerCount(); return left == 1 })
	gw.publish(event.Record{Kind: event.Raised})
	good.want("id: 103\n")
}

func TestStreamHeartbeat(t *testing.T) {
	opts := testOptions()
	opts.Heartbeat = time.Millisecond
	socket, _ := start(t, newFake(), opts)
	r := openStream(t, socket, "Last-Event-ID: 2\r\n")
	r.want(": still here")
	r.want(": still here")
}

// The deadlines of other requests are not those of a stream.
func TestStreamOutlivesTimeouts(t *testing.T) {
	opts := testOptions()
	opts.Heartbeat = 10 * time.Millisecond
	server := NewServer(newFake(), opts)
	server.readTimeout, server.writeTimeout = 30*time.Millisecond, 30*time.Millisecond
	socket := filepath.Join(shortDir(t), "s")
	startServer(t, socket, server)
	r := openStream(t, socket, "Last-Event-ID: 2\r\n")
	for range 20 {
		r.want(": still here")
	}
}

func TestStreamEndsWithServer(t *testing.T) {
	gw := newFake()
	socket, stop := start(t, gw, testOptions())
	r := openStream(t, socket, "Last-Event-ID: 1\r\n")
	r.want("id: 2\n")
	began := time.Now()
	stop()
	r.want("")
	if took := time.Since(began); took >= endTimeout {
		t.Errorf("the stream held the server for %v", took)
	}
	if n, left := gw.readerCount(); n != 0 || left != 1 {
		t.Errorf("subscriptions left: %d", n)
	}
}

// A reader that goes away gives its subscription back.
func TestStreamEndsWithReader(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	r := openStream(t, socket, "")
	r.want("id: 1\n")
	r.conn.Close()
	waitFor(t, "the subscription is cancelled", func() bool { _, left := gw.readerCount(); return left == 1 })
}

func TestStreamHead(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	for path, want := range map[string]string{
		"/v1/events?follow=true": "text/event-stream", "/v1/events": "text/event-stream", "/v1/events?follow=false": "application/x-ndjson",
	} {
		resp, _ := ask(t, socket, "HEAD", path, "", "")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != want {
			t.Errorf("%s: got %v", path, resp)
		}
	}
}

// What Accept names counts: lines for who asks for nothing else.
func TestEventsAccept(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	for accept, want := range map[string]string{
		"*/*": "text/event-stream", "text/event-stream": "text/event-stream",
		"application/x-ndjson": "application/x-ndjson", "application/x-ndjson, text/event-stream": "text/event-stream",
	} {
		req, err := http.NewRequestWithContext(t.Context(), "HEAD", "http://gw/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		resp, _ := answer(t, socket, req)
		if got := resp.Header.Get("Content-Type"); got != want {
			t.Errorf("Accept: %s: %s", accept, got)
		}
	}
}

func TestStreamRefusesBadID(t *testing.T) {
	socket, _ := start(t, newFake(), testOptions())
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://gw/v1/events?follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "latest")
	resp, body := answer(t, socket, req)
	wantProblem(t, resp, body, http.StatusBadRequest)
}

// Five hundred listeners of one user get every record; one that is dropped is told so.
func TestFiveHundredListeners(t *testing.T) {
	const listeners, records = 500, 20
	gw := newFake()
	gw.queue = records
	opts := testOptions()
	opts.Credentials = asPeer(Peer{UID: 1000, GID: 701})
	socket, _ := start(t, gw, opts)
	readers := make([]*reading, listeners)
	for i := range readers {
		readers[i] = openStream(t, socket, "Last-Event-ID: 2\r\n")
	}
	waitFor(t, "all subscribe", func() bool { n, _ := gw.readerCount(); return n == listeners })
	for range records {
		gw.publish(event.Record{Kind: event.Hint})
	}
	for _, r := range readers {
		for seq := 3; seq < 3+records; seq++ {
			r.want(fmt.Sprintf("id: %d\n", seq))
		}
	}
	gw.dropReaders()
	for _, r := range readers {
		r.want("event: note\n")
		r.want("")
	}
}
