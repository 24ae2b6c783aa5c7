// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client speaks to a daemon over its socket, as any program of a user's would.
func (d *drawbridge) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", d.socket())
		},
	}}
}

// ask sends one request and returns the answer's body, and how long that took from the request to the last byte.
func ask(ctx context.Context, c *http.Client, method, path string, body []byte) (answer []byte, took time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://drawbridge"+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	start := time.Now()
	response, err := c.Do(request)
	if err != nil {
		return nil, 0, err
	}
	answer, err = io.ReadAll(response.Body)
	took = time.Since(start)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, 0, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, lastLines(answer))
	}
	return answer, took, nil
}

// reloadTimes are what the daemon says about the reload before: reading its configuration, and from then until it was in force.
type reloadTimes struct{ read, applied time.Duration }

// lastReload finds them in the event log.
func (d *drawbridge) lastReload() (reloadTimes, error) {
	output, err := d.command("events", "-o", "json", "--socket", d.socket()).Output()
	if err != nil {
		return reloadTimes{}, fmt.Errorf("read events: %w", err)
	}
	var found struct {
		Kind   string
		Detail struct {
			Read    *float64 `json:"read_ms"`
			Applied *float64 `json:"applied_ms"`
		}
	}
	for line := range bytes.Lines(output) {
		var record = found
		if err := json.Unmarshal(line, &record); err != nil {
			return reloadTimes{}, fmt.Errorf("read events: %w", err)
		}
		if record.Kind == "reloaded" {
			found = record
		}
	}
	if found.Detail.Read == nil || found.Detail.Applied == nil {
		return reloadTimes{}, errors.New("read events: no reload says how long it took")
	}
	return reloadTimes{read: ms(*found.Detail.Read), applied: ms(*found.Detail.Applied)}, nil
}

func ms(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }
