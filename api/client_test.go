// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
)

func TestClientWithoutDaemon(t *testing.T) {
	dir := shortDir(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "dead"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	for _, socket := range []string{dead.Addr().String(), filepath.Join(dir, "missing"), filepath.Join(dir, "no", "dir")} {
		client := NewClient(socket)
		_, statusErr := client.Status(t.Context())
		_, macsErr := client.MACs(t.Context(), "")
		for call, err := range map[string]error{
			"status": statusErr, "macs": macsErr,
			"reload": client.Reload(t.Context()),
			"events": client.Events(t.Context(), 0, nil),
			"follow": client.Follow(t.Context(), 0, nil, nil),
		} {
			if !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), socket) {
				t.Errorf("%s: %v", call, err)
			}
		}
	}
}

// A daemon that is there but does not answer, or something else that does, is not "no daemon".
func TestClientWithStrangeDaemon(t *testing.T) {
	socket := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := NewClient(socket)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Status(ctx); err == nil || errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("silent: %v", err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "<html>", http.StatusTeapot)
	}))
	var p *Problem
	if _, err := client.Status(t.Context()); !errors.As(err, &p) || p.Status != http.StatusTeapot {
		t.Errorf("strange: %v", err)
	}
}

func TestClientChanges(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	client := NewClient(socket)
	defer client.Close()
	if err := errors.Join(client.Raise(t.Context(), "acme", `"quoted"`), client.Lower(t.Context(), "acme"), client.Reload(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(gw.changes, ";"); got != `raise acme "quoted";lower acme;reload` {
		t.Errorf("asked for %s", got)
	}
}

func TestClientErrors(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	client := NewClient(socket)
	_, macsErr := client.MACs(t.Context(), "nobody")
	_, statusErr := client.StatusOf(t.Context(), "no/body?")
	for call, err := range map[string]error{"raise": client.Raise(t.Context(), "nobody", ""), "macs": macsErr, "status": statusErr} {
		if !errors.Is(err, ErrNotFound) || errors.Is(err, ErrFaulty) {
			t.Errorf("%s: %v", call, err)
		}
	}
	gw.err = fmt.Errorf("%w:\na.yaml:1:1: x\na.yaml:2:1: y", ErrFaulty)
	if err := client.Reload(t.Context()); !errors.Is(err, ErrFaulty) || !strings.HasSuffix(err.Error(), "a.yaml:2:1: y") {
		t.Errorf("reload: %v", err)
	}
	gw.err = fmt.Errorf("%w%s\nlast", ErrFaulty, strings.Repeat("\na.yaml:4096:12: extensions.customer-4095.attachment.vlan: \"5000\" is out of range", 50_000))
	if err := client.Reload(t.Context()); !errors.Is(err, ErrFaulty) || err.Error() != gw.err.Error() {
		t.Errorf("reload with many faults: %.100v", err)
	}
}

// collector takes records and notes from Follow.
type collector struct {
	mu    sync.Mutex // guards the following
	seqs  []uint64
	notes []string
}

func (c *collector) take(rec Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seqs = append(c.seqs, rec.Seq)
	return nil
}

func (c *collector) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, text)
}

func (c *collector) has(records, notes int) func() bool {
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.seqs) >= records && len(c.notes) >= notes
	}
}

// Following goes on over being dropped and over a restart of the daemon, without a hole or a double.
func TestFollowOverRestarts(t *testing.T) {
	gw := newFake()
	socket, stop := start(t, gw, testOptions())
	client := NewClient(socket)
	client.retry = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var c collector
	ended := make(chan error, 1)
	go func() { ended <- client.Follow(ctx, 0, c.take, c.note) }()

	waitFor(t, "the log", c.has(2, 0))
	gw.dropReaders()
	waitFor(t, "the note of being dropped", c.has(2, 1))
	gw.publish(event.Record{Kind: event.Raised})
	waitFor(t, "the record after being dropped", c.has(3, 1))

	stop()
	waitFor(t, "the note of the daemon's end", c.has(3, 2))
	gw.publish(event.Record{Kind: event.Lowered})
	startAt(t, socket, gw, testOptions())
	gw.publish(event.Record{Kind: event.Started})
	waitFor(t, "the records after the restart", c.has(5, 2))

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("follow: %v", err)
	}
	for i, seq := range c.seqs {
		if seq != uint64(i+1) {
			t.Fatalf("records %v", c.seqs)
		}
	}
	if len(c.notes) != 2 || !strings.Contains(c.notes[0], "too slow") || !strings.Contains(c.notes[1], "no daemon") {
		t.Errorf("notes %q", c.notes)
	}
}

func TestFollowEndsWithItsReader(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	broken := errors.New("broken pipe")
	err := NewClient(socket).Follow(t.Context(), 0, func(Event) error { return broken }, nil)
	if err != broken {
		t.Errorf("got %v", err)
	}
	opts := testOptions()
	opts.Credentials = asPeer(Peer{UID: 5, GID: 5})
	socket, _ = start(t, gw, opts)
	var p *Problem
	if err := NewClient(socket).Follow(t.Context(), 0, nil, nil); !errors.As(err, &p) || p.Status != http.StatusForbidden {
		t.Errorf("refused: %v", err)
	}
}

func TestPermissionDenied(t *testing.T) {
	err := NewClient("/s").explain(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", os.ErrPermission)})
	if errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), GroupRead) {
		t.Errorf("got %v", err)
	}
}

func FuzzReadStream(f *testing.F) {
	f.Add("id: 1\ndata: {}\n\nevent: note\ndata: {\"message\":\"x\"}\n\n: still here\n\n")
	f.Add("data:\n\n\ndata: x")
	f.Fuzz(func(t *testing.T, text string) {
		events := 0
		err := readStream(strings.NewReader(text), func(string, []byte) error { events++; return nil })
		if err != nil {
			t.Errorf("%v", err)
		}
		if events > strings.Count(text, "data") {
			t.Errorf("%d events", events)
		}
	})
}
