// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConfigIsRead(t *testing.T) {
	gw := newFake()
	gw.config = Config{Text: []byte("gateway: {}\n")}
	socket, _ := start(t, gw, Options{Credentials: asPeer(Peer{UID: 1000, GID: 701}), LookupGroup: testGroups})
	resp, body := ask(t, socket, "GET", "/v1/config", "", "")
	if resp.StatusCode != 200 || body != "gateway: {}\n" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/yaml") {
		t.Errorf("%d %s: %q", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	if by, set := resp.Header[confirmHeader]; set {
		t.Errorf("to be confirmed by %q", by)
	}
	gw.config.ConfirmBy = exampleTime
	resp, _ = ask(t, socket, "GET", "/v1/config", "", "")
	if by := resp.Header.Get(confirmHeader); by != "2026-11-22T08:00:00Z" {
		t.Errorf("to be confirmed by %q", by)
	}
	for _, method := range []string{"PUT /v1/config", "POST /v1/config/confirm"} {
		method, path, _ := strings.Cut(method, " ")
		resp, body := ask(t, socket, method, path, "", "x")
		wantProblem(t, resp, body, http.StatusForbidden)
	}
	if len(gw.changes) > 0 {
		t.Errorf("a reader changed %q", gw.changes)
	}
}

func TestConfigIsSet(t *testing.T) {
	const text = "gateway: {}\n"
	for name, c := range map[string]struct {
		query, media, body string
		err                error
		status             int
		asked              string // "": nothing
	}{
		"for good":          {"", "application/yaml", text, nil, 204, "config 0s " + text},
		"without a type":    {"", "", text, nil, 204, "config 0s " + text},
		"on trial":          {"?confirm=120s", "text/yaml; charset=utf-8", text, nil, 202, "config 2m0s " + text},
		"faulty":            {"", "application/yaml", text, fmt.Errorf("%w:\nconfiguration:1:1: x", ErrFaulty), 422, "config 0s " + text},
		"another on trial":  {"", "application/yaml", text, fmt.Errorf("%w: another", ErrConflict), 409, "config 0s " + text},
		"flags":             {"", "application/yaml", text, ErrNoConfigFile, 404, "config 0s " + text},
		"kernel refuses":    {"", "application/yaml", text, errors.New("EPERM"), 500, "config 0s " + text},
		"JSON":              {"", "application/json", text, nil, 415, ""},
		"curl's form":       {"", "application/x-www-form-urlencoded", text, nil, 204, "config 0s " + text},
		"a form":            {"", "multipart/form-data; boundary=x", text, nil, 415, ""},
		"broken type":       {"", "text/yaml; =", text, nil, 415, ""},
		"no time":           {"?confirm=", "", text, nil, 400, ""},
		"number":            {"?confirm=120", "", text, nil, 400, ""},
		"too short":         {"?confirm=999ms", "", text, nil, 400, ""},
		"too long":          {"?confirm=24h1s", "", text, nil, 400, ""},
		"negative":          {"?confirm=-120s", "", text, nil, 400, ""},
		"more than allowed": {"", "", strings.Repeat("#", maxConfig+1), nil, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			gw := newFake()
			gw.err = c.err
			socket, _ := start(t, gw, testOptions())
			resp, body := ask(t, socket, "PUT", "/v1/config"+c.query, c.media, c.body)
			if c.status >= 300 {
				wantProblem(t, resp, body, c.status)
			} else if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, c.status, body)
			}
			if want := `{"confirm_by":"2026-11-22T08:02:00Z"}`; c.status == 202 && strings.TrimSpace(body) != want {
				t.Errorf("answer %s, want %s", body, want)
			}
			var asked []string
			if c.asked != "" {
				asked = []string{c.asked}
			}
			if !slices.Equal(gw.changes, asked) {
				t.Errorf("asked for %q, want %q", gw.changes, asked)
			}
		})
	}
}

// A configuration of megabytes fits; what other routes take does not grow with it.
func TestConfigMayBeLong(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	if resp, body := ask(t, socket, "PUT", "/v1/config", "", strings.Repeat("#", maxConfig)); resp.StatusCode != 204 {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
	resp, body := ask(t, socket, "POST", "/v1/extensions/acme/raise", "application/json", strings.Repeat(" ", maxBody+1))
	wantProblem(t, resp, body, 413)
}

func TestConfigIsConfirmed(t *testing.T) {
	gw := newFake()
	socket, _ := start(t, gw, testOptions())
	if resp, body := ask(t, socket, "POST", "/v1/config/confirm", "", ""); resp.StatusCode != 204 {
		t.Errorf("status %d: %s", resp.StatusCode, body)
	}
	gw.err = ErrConflict
	resp, body := ask(t, socket, "POST", "/v1/config/confirm", "", "")
	wantProblem(t, resp, body, 409)
}

func TestConfirmTimes(t *testing.T) {
	for text, want := range map[string]time.Duration{"1s": time.Second, "120s": 2 * time.Minute, "24h": 24 * time.Hour} {
		r, err := http.NewRequest("PUT", "/v1/config?confirm="+text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := confirmOf(r); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
