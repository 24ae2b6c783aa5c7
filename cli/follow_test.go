// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
)

// Interrupting `events -f` is its normal end.
func TestEventsFollow(t *testing.T) {
	gw := &fakeGateway{log: exampleLog(), news: make(chan event.Record, 1)}
	socket := serve(t, gw)
	ctx, interrupt := context.WithTimeout(t.Context(), 10*time.Second)
	defer interrupt()
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		o := options{socket: socket, output: outputText}
		ended <- showEvents(ctx, in, io.Discard, &o, true)
		in.Close()
	}()
	readLine := func() string {
		var line strings.Builder
		for b := make([]byte, 1); ; {
			if _, err := out.Read(b); err != nil {
				t.Fatalf("after %q: %v", line.String(), err)
			}
			if b[0] == '\n' {
				return line.String()
			}
			line.Write(b)
		}
	}
	for range exampleLog() {
		readLine()
	}
	gw.news <- event.Record{Seq: 4, Time: since, Extension: "beta", Kind: event.Raised, Severity: event.Info, Message: "raised by the operator"}
	if line := readLine(); !strings.HasSuffix(line, "raised by the operator") {
		t.Errorf("got %q", line)
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// A reader that goes away, as head does, ends it although nothing more happens.
func TestEventsFollowEndsWithItsReader(t *testing.T) {
	socket := serve(t, &fakeGateway{log: exampleLog(), news: make(chan event.Record)})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ended := make(chan error, 1)
	go func() { ended <- showEvents(ctx, in, io.Discard, &options{socket: socket, output: outputText}, true) }()
	for lines, b := 0, make([]byte, 1); lines < len(exampleLog()); {
		if _, err := out.Read(b); err != nil {
			t.Fatal(err)
		}
		if b[0] == '\n' {
			lines++
		}
	}
	out.Close()
	if err := <-ended; err != nil || ctx.Err() != nil {
		t.Errorf("ended with %v, context %v", err, ctx.Err())
	}
}
