// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// ErrNoDaemon says that nobody serves the socket.
var ErrNoDaemon = errors.New("no daemon is running")

// Client asks the daemon behind a unix socket. Its methods may be called concurrently. Errors match
// ErrNoDaemon, ErrNotFound and ErrFaulty, or are a *Problem.
type Client struct {
	socket string
	http   *http.Client
	retry  time.Duration // between attempts to follow the log again
}

// NewClient makes a client of the daemon at socket. It does not connect yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{
		socket: socket,
		http:   &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}},
		retry:  time.Second,
	}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status reads the whole gateway.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var st Status
	err := c.get(ctx, "/v1/status", &st)
	return st, err
}

// StatusOf reads the gateway with only one extension.
func (c *Client) StatusOf(ctx context.Context, ext string) (Status, error) {
	var st Status
	err := c.get(ctx, statusPath(ext), &st)
	return st, err
}

// RawStatus reads the document of one extension, or of all when ext is empty, as the daemon writes it: on
// one line. Lowered tells whether all bridges in it are.
func (c *Client) RawStatus(ctx context.Context, ext string) (document []byte, lowered bool, err error) {
	document, header, err := c.read(ctx, statusPath(ext))
	return document, header.Get(bridgesHeader) == bridgesLowered, err
}

// Table reads the whole gateway for a table.
func (c *Client) Table(ctx context.Context) (Table, error) {
	const path = "/v1/status?view=table"
	var t Table
	err := c.get(ctx, path, &t)
	if err == nil && t.Extensions.Len() < 0 {
		err = fmt.Errorf("read the daemon's answer to GET %s: its columns differ in length", path)
	}
	return t, err
}

func statusPath(ext string) string {
	if ext == "" {
		return "/v1/status"
	}
	return "/v1/status?extension=" + url.QueryEscape(ext)
}

// MACs lists the FDB of one extension, or of all when ext is empty.
func (c *Client) MACs(ctx context.Context, ext string) ([]MAC, error) {
	path := "/v1/macs"
	if ext != "" {
		path = extensionPath(ext, "macs")
	}
	macs := []MAC{}
	err := c.get(ctx, path, &macs)
	slices.SortFunc(macs, func(a, b MAC) int { // they are sent while they are read, in no order
		return cmp.Or(cmp.Compare(a.Extension, b.Extension), cmp.Compare(a.MAC, b.MAC))
	})
	return macs, err
}

// Raise draws the bridge of an extension up. The reason may be empty.
func (c *Client) Raise(ctx context.Context, ext, reason string) error {
	return c.post(ctx, extensionPath(ext, "raise"), raiseRequest{Reason: reason})
}

// Lower lets it down.
func (c *Client) Lower(ctx context.Context, ext string) error {
	return c.post(ctx, extensionPath(ext, "lower"), nil)
}

// Reload makes the daemon read its configuration file.
func (c *Client) Reload(ctx context.Context) error { return c.post(ctx, "/v1/reload", nil) }

func extensionPath(ext, what string) string {
	return "/v1/extensions/" + url.PathEscape(ext) + "/" + what
}

// get reads one document into a value.
func (c *Client) get(ctx context.Context, path string, into any) error {
	body, _, err := c.read(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return unreadable(path, err)
	}
	return nil
}

// read reads one document.
func (c *Client) read(ctx context.Context, path string) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := readBody(resp)
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	return body, resp.Header, nil
}

func unreadable(path string, err error) error {
	return fmt.Errorf("read the daemon's answer to GET %s: %w", path, err)
}

// readBody reads an answer into memory of its size: the status of thousands of extensions has megabytes,
// and growing into that costs more time than reading.
func readBody(resp *http.Response) ([]byte, error) {
	const reserve = 64 << 20 // bytes; what is longer grows
	var body bytes.Buffer
	body.Grow(int(min(max(resp.ContentLength, 0), reserve)) + bytes.MinRead)
	_, err := body.ReadFrom(resp.Body)
	return body.Bytes(), err
}

// post asks for a change. A nil body is none.
func (c *Client) post(ctx context.Context, path string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	header := make(http.Header)
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		header.Set("Content-Type", "application/json")
	}
	resp, err := c.do(ctx, http.MethodPost, path, header, data)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// do sends a request and turns everything but success into an error.
func (c *Client) do(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://drawbridge"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	for key, values := range header {
		req.Header[key] = values
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

// explain says what a failed connection means and what to do.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w at %s: start one with `drawbridge run`, or name its socket with --socket", ErrNoDaemon, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("connect to %s: permission denied: be root, or a member of group %s or %s", c.socket, GroupChange, GroupRead)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the daemon at %s does not answer; frames go on without it: look at its log", c.socket)
	}
	var through *url.Error // prints a made-up URL
	if errors.As(err, &through) {
		err = through.Err
	}
	return fmt.Errorf("ask the daemon at %s: %w", c.socket, err)
}

// maxProblem bounds what is read of a problem document, in bytes. That of a configuration tells every fault: tens of thousands.
const maxProblem = 64 << 20

// readProblem reads what went wrong; an answer that is no problem document becomes one.
func readProblem(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	p := &Problem{}
	if err != nil || json.Unmarshal(body, p) != nil || p.Status == 0 {
		return problemf(resp.StatusCode, "the daemon answered %s", resp.Status)
	}
	return p
}
