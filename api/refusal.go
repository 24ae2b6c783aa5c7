// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// refusalHeaders are those of net/http's own answers to what is no request: it writes them before any handler sees it, at once,
// and as plain text. No handler's answer looks so, since each has a date.
const refusalHeaders = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// longestRefusal is more bytes than any of them has: they quote nothing that was sent.
const longestRefusal = 1 << 10

// Write sends what the server writes; a refusal of net/http's as the problem document that every refusal is here. Below TLS
// it cannot be seen, and stays text.
func (c *limitedConn) Write(b []byte) (int, error) {
	document, is := refusalAsProblem(b)
	if !is {
		return c.Conn.Write(b)
	}
	if _, err := c.Conn.Write(document); err != nil {
		return 0, err
	}
	return len(b), nil
}

// refusalAsProblem turns a refusal into a problem document (RFC 9457), and reports whether it is one.
func refusalAsProblem(b []byte) (document []byte, is bool) {
	const version = "HTTP/1.1 "
	if len(b) > longestRefusal || !bytes.HasPrefix(b, []byte(version)) {
		return nil, false
	}
	line, text, found := bytes.Cut(b, []byte(refusalHeaders))
	if !found || len(line) < len(version)+3 || bytes.Contains(line, []byte("\r\n")) {
		return nil, false
	}
	status, err := strconv.Atoi(string(line[len(version) : len(version)+3]))
	if err != nil || status < http.StatusBadRequest {
		return nil, false
	}
	body, err := json.Marshal(problemf(status, "what came is no request that HTTP/1.1 allows: %s", text))
	if err != nil {
		return nil, false
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), problemMediaType, len(body), body), true
}
