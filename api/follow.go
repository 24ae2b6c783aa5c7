// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxEvent is the most bytes of one server-sent event that a client reads.
const maxEvent = 4 << 20

// Events hands over the records of the log whose Seq is greater than since, oldest first. An error of take
// ends it and is returned.
func (c *Client) Events(ctx context.Context, since uint64, take func(Event) error) error {
	resp, err := c.do(ctx, http.MethodGet, "/v1/events?follow=false&since="+strconv.FormatUint(since, 10), nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var rec Event
		if err := dec.Decode(&rec); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
		if err := take(rec); err != nil {
			return err
		}
	}
}

// Follow hands over what Events does, and then each record as it comes, until ctx ends (nil) or take
// fails. When the connection is lost, also because the daemon is restarted, it says so to note, and
// goes on after the last record when there is a daemon again. Only the first attempt returns ErrNoDaemon.
func (c *Client) Follow(ctx context.Context, since uint64, take func(Event) error, note func(string)) error {
	f := &following{client: c, last: since, take: take, note: note}
	err := f.once(ctx)
	for ctx.Err() == nil && f.taken == nil && f.worthRetrying(err) {
		select {
		case <-ctx.Done():
		case <-time.After(c.retry):
			err = f.once(ctx)
		}
	}
	switch {
	case f.taken != nil:
		return f.taken
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// following is one reader's place in the log over several connections.
type following struct {
	client  *Client
	last    uint64
	take    func(Event) error
	note    func(string)
	worked  bool  // at least one connection was made
	missing bool  // the daemon's absence was noted
	taken   error // of take
}

// worthRetrying tells, and notes once, why the stream ended.
func (f *following) worthRetrying(err error) bool {
	var refused *Problem
	if !f.worked || errors.As(err, &refused) && refused.Status < 500 {
		return false
	}
	if err != nil && !f.missing {
		f.note(err.Error() + "; trying again")
		f.missing = true
	}
	return true
}

// once follows over one connection until it ends. Nil: the server ended it.
func (f *following) once(ctx context.Context) error {
	header := http.Header{"Accept": {mediaEventStream}}
	if f.last > 0 {
		header.Set("Last-Event-ID", strconv.FormatUint(f.last, 10))
	}
	resp, err := f.client.do(ctx, http.MethodGet, "/v1/events?follow=true", header, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f.worked, f.missing = true, false
	return readStream(resp.Body, f.dispatch)
}

// dispatch hands over one server-sent event.
func (f *following) dispatch(kind string, data []byte) error {
	if kind == noteEvent {
		var n streamNote
		if err := json.Unmarshal(data, &n); err != nil {
			return fmt.Errorf("read a note: %w", err)
		}
		f.note(n.Message)
		return nil
	}
	var rec Event
	if err := json.Unmarshal(data, &rec); err != nil {
		return fmt.Errorf("read a record: %w", err)
	}
	if f.taken = f.take(rec); f.taken != nil {
		return f.taken
	}
	f.last = rec.Seq
	return nil
}

// readStream divides server-sent events as our server writes them: fields "event" and "data", one line
// each, ended by an empty line. Other fields and comments are passed over.
func readStream(r io.Reader, dispatch func(kind string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var kind string
	var data []byte
	for lines.Scan() {
		field, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(lines.Bytes()) == 0:
			if data != nil {
				if err := dispatch(kind, data); err != nil {
					return err
				}
			}
			kind, data = "", nil
		case string(field) == "event":
			kind = string(value)
		case string(field) == "data":
			data = bytes.Clone(value)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the event stream: %w", err)
	}
	return nil
}
