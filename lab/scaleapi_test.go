// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// metrics scrapes the daemon, as Prometheus does, and wants an extension among what comes.
func (b *bench) metrics(extension string) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", b.daemon.Socket())
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	resp, err := client.Get("http://gateway/metrics")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`extension="`+extension+`"`)) {
		return fmt.Errorf("status %d, %d bytes without %s", resp.StatusCode, len(text), extension)
	}
	return nil
}

// listen follows the event log in many places at once. Each gets what is raised afterwards, but for those that do not read.
func (b *bench) listen(listeners, deaf int) {
	b.Helper()
	streams := make([]*bufio.Scanner, listeners)
	for i := range streams {
		conn, err := net.Dial("unix", b.daemon.Socket())
		must(b.T, err)
		b.Cleanup(func() { conn.Close() })
		must(b.T, conn.SetDeadline(time.Now().Add(4*patience)))
		_, err = io.WriteString(conn, "GET /v1/events?since=999999999 HTTP/1.0\r\nHost: gateway\r\nAccept: text/event-stream\r\n\r\n")
		must(b.T, err)
		streams[i] = bufio.NewScanner(conn)
	}
	must(b.T, succeeded(b.daemon.Run("raise", "acme")))
	must(b.T, succeeded(b.daemon.Run("lower", "acme")))
	for i, stream := range streams[deaf:] {
		found := false
		for !found && stream.Scan() {
			found = bytes.Contains(stream.Bytes(), []byte(`"lowered"`))
		}
		if !found {
			b.Fatalf("listener %d does not get the event: %v", i, stream.Err())
		}
	}
}
