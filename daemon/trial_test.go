// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestAConfigurationOverTheAPI: on trial it runs; it goes back when nobody confirms it, also when the daemon dies
// meanwhile; confirmed, it is the file's.
func TestAConfigurationOverTheAPI(t *testing.T) {
	s := newSite(t)
	s.must(s.daemon.Start())
	s.wantBridge("lowered")
	file, err := os.ReadFile(s.daemon.ConfigFile())
	s.must(err)
	other := strings.Replace(string(file), "\nextensions:\n", "\nextensions:\n  # changed over the API\n", 1)
	away := strings.Replace(other, "  acme:\n", "  other:\n", 1)
	if other == string(file) || away == other {
		t.Fatalf("the lab's configuration is not as this test takes it to be:\n%s", file)
	}

	s.put(away, "?confirm=1s", http.StatusAccepted)
	s.wantEvent("reloaded", "was rolled back")
	s.wantConfig(string(file), string(file))
	s.wantFlow(true)

	s.put(away, "?confirm=1h", http.StatusAccepted)
	s.wantConfig(away, string(file))
	s.must(s.daemon.Kill9())
	s.must(s.daemon.Start())
	s.wantEvent("config-error", "ended before its configuration was confirmed")
	s.wantConfig(string(file), string(file))
	s.wantBridge("lowered")
	s.wantFlow(true)

	s.put(other, "?confirm=1h", http.StatusAccepted)
	s.put(other, "", http.StatusConflict)
	s.ask("POST", "/v1/config/confirm", "", http.StatusNoContent)
	s.wantConfig(other, other)
	s.put("bogus: 1\n", "", http.StatusUnprocessableEntity)
	s.put(string(file), "", http.StatusNoContent)
	s.wantConfig(string(file), string(file))
	s.wantFlow(true)
}

func (s *site) put(text, query string, want int) {
	s.Helper()
	s.ask("PUT", "/v1/config"+query, text, want)
}

// ask sends a request to the daemon's socket and returns the answer's body.
func (s *site) ask(method, path, body string, want int) string {
	s.Helper()
	client := http.Client{Timeout: repair, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.daemon.Socket())
	}, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(s.Context(), method, "http://gateway"+path, strings.NewReader(body))
	s.must(err)
	resp, err := client.Do(req)
	s.must(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	s.must(err)
	if resp.StatusCode != want {
		s.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, want, answer)
	}
	return string(answer)
}

// wantConfig checks what runs and what the file holds.
func (s *site) wantConfig(running, file string) {
	s.Helper()
	if got := s.ask("GET", "/v1/config", "", http.StatusOK); got != running {
		s.Errorf("running is\n%s\nwant\n%s", got, running)
	}
	got, err := os.ReadFile(s.daemon.ConfigFile())
	s.must(err)
	if string(got) != file {
		s.Errorf("the file holds\n%s\nwant\n%s", got, file)
	}
}

// TestThePageIsServed over the socket, by the daemon that people run.
func TestThePageIsServed(t *testing.T) {
	s := newSite(t)
	s.must(s.daemon.Start())
	if page := s.ask("GET", "/", "", http.StatusOK); !strings.Contains(page, "/page/main.js") {
		t.Errorf("the page is %s", page)
	}
	s.ask("GET", "/page/main.js", "", http.StatusOK)
	s.ask("GET", "/openapi.json", "", http.StatusOK)
}
