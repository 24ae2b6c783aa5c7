// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Trace asks what would become of frames; the answer has as many traces.
func (c *Client) Trace(ctx context.Context, ext string, r TraceRequest) ([]Trace, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	path := extensionPath(ext, "trace")
	resp, err := c.do(ctx, http.MethodPost, path, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var traces []Trace
	answer, err := readBody(resp)
	if err == nil {
		err = json.Unmarshal(answer, &traces)
	}
	if err != nil {
		return nil, fmt.Errorf("read the daemon's answer to POST %s: %w", path, err)
	}
	return traces, nil
}
