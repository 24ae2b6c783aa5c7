// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"net"
	"net/http"
	"testing"
)

func noGroups(string) (uint32, bool) { return 0, false }

func TestAccess(t *testing.T) {
	for name, c := range map[string]struct {
		peer   Peer
		lookup func(string) (uint32, bool)
		want   access
	}{
		"root":                        {Peer{UID: 0, GID: 0}, testGroups, accessChange},
		"root without our groups":     {Peer{UID: 0, GID: 0}, noGroups, accessChange},
		"nobody":                      {Peer{UID: 65534, GID: 65534}, testGroups, accessNone},
		"group root":                  {Peer{UID: 1000, GID: 0, Groups: []uint32{0}}, testGroups, accessNone},
		"group root, no our groups":   {Peer{UID: 1000, GID: 0, Groups: []uint32{0}}, noGroups, accessNone},
		"primary group drawbridge":    {Peer{UID: 1000, GID: 700}, testGroups, accessChange},
		"member of drawbridge":        {Peer{UID: 1000, GID: 100, Groups: []uint32{5, 700}}, testGroups, accessChange},
		"member of drawbridge-read":   {Peer{UID: 1000, GID: 100, Groups: []uint32{701}}, testGroups, accessRead},
		"member of both":              {Peer{UID: 1000, GID: 701, Groups: []uint32{700}}, testGroups, accessChange},
		"uid that equals a group's":   {Peer{UID: 700, GID: 100}, testGroups, accessNone},
		"member, but groups are gone": {Peer{UID: 1000, GID: 700, Groups: []uint32{701}}, noGroups, accessNone},
	} {
		if got := accessOf(c.peer, c.lookup); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestAccessOverSocket(t *testing.T) {
	reader := Peer{UID: 1000, GID: 100, Groups: []uint32{701}}
	changer := Peer{UID: 1000, GID: 700}
	stranger := Peer{UID: 1000, GID: 100}
	unknown := func(net.Conn) (Peer, error) { return Peer{}, errors.New("no credentials") }
	for name, c := range map[string]struct {
		credentials  func(net.Conn) (Peer, error)
		read, change int
	}{
		"reader":   {asPeer(reader), 200, 403},
		"changer":  {asPeer(changer), 200, 204},
		"stranger": {asPeer(stranger), 403, 403},
		"unknown":  {unknown, 403, 403},
	} {
		t.Run(name, func(t *testing.T) {
			gw := newFake()
			opts := testOptions()
			opts.Credentials = c.credentials
			socket, _ := start(t, gw, opts)
			for path, want := range map[string]int{"/v1/status": c.read, "/v1/events?follow=false": c.read, "/metrics": c.read, "/healthz": c.read} {
				checkStatus(t, socket, "GET", path, want)
			}
			for _, path := range []string{"/v1/extensions/acme/raise", "/v1/extensions/acme/lower", "/v1/reload"} {
				checkStatus(t, socket, "POST", path, c.change)
			}
			if (len(gw.changes) > 0) != (c.change == http.StatusNoContent) {
				t.Errorf("changes: %q", gw.changes)
			}
		})
	}
}

func checkStatus(t *testing.T, socket, method, path string, want int) {
	t.Helper()
	resp, body := ask(t, socket, method, path, "", "")
	if resp.StatusCode != want {
		t.Errorf("%s %s: %d, want %d", method, path, resp.StatusCode, want)
	}
	if want >= 400 {
		wantProblem(t, resp, body, want)
	}
}

// Methods that nobody has heard of need the right to change.
func TestNeeded(t *testing.T) {
	for method, want := range map[string]access{"GET": accessRead, "HEAD": accessRead, "POST": accessChange, "PUT": accessChange, "DELETE": accessChange, "BREW": accessChange} {
		if got := needed(method); got != want {
			t.Errorf("%s: %d, want %d", method, got, want)
		}
	}
}
