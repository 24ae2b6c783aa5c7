// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"testing"
)

// A browser may reach the socket through a forwarded port: foreign pages in it may not.
func TestForeignPagesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		method, host, origin, site string
		status                     int
	}{
		"a program":                  {"POST", "drawbridge", "", "", 204},
		"our own page":               {"POST", "localhost:9471", "http://localhost:9471", "same-origin", 204},
		"our own page at an address": {"POST", "127.0.0.1:9471", "http://127.0.0.1:9471", "", 204},
		"at an IPv6 address":         {"POST", "[::1]:9471", "http://[::1]:9471", "", 204},
		"a foreign form":             {"POST", "localhost:9471", "http://evil.example", "cross-site", 403},
		"an old browser's form":      {"POST", "localhost:9471", "http://evil.example", "", 403},
		"another port's page":        {"POST", "localhost:9471", "http://localhost:8080", "same-site", 403},
		"rebound":                    {"POST", "evil.example:9471", "http://evil.example:9471", "same-origin", 421},
		"rebound, reading":           {"GET", "evil.example:9471", "", "", 421},
	} {
		t.Run(name, func(t *testing.T) {
			gw := newFake()
			socket, _ := start(t, gw, testOptions())
			path := "/v1/reload"
			if c.method == "GET" {
				path = "/v1/status"
			}
			req, err := http.NewRequest(c.method, "http://"+c.host+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for key, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
				if value != "" {
					req.Header.Set(key, value)
				}
			}
			resp, body := answer(t, socket, req)
			if c.status >= 300 {
				wantProblem(t, resp, body, c.status)
			} else if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, c.status, body)
			}
			if changed := len(gw.changes) > 0; changed != (c.status == 204) {
				t.Errorf("changed: %q", gw.changes)
			}
		})
	}
}

func TestAccessIsTold(t *testing.T) {
	for want, peer := range map[string]Peer{"change": {UID: 1000, GID: 700}, "read": {UID: 1000, GID: 701}, "none": {UID: 1000, GID: 1000}} {
		socket, _ := start(t, newFake(), Options{Credentials: asPeer(peer), LookupGroup: testGroups})
		resp, _ := ask(t, socket, "GET", "/v1/status", "", "")
		if got := resp.Header.Get(accessHeader); got != want {
			t.Errorf("%+v: %q, want %q", peer, got, want)
		}
	}
}
