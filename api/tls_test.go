// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{SerialNumber: serial(t), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key := newKey(t)
	return &authority{t, sign(t, template, template, key, key), key}
}

// issue makes a certificate for use by clients and servers, valid for so long.
func (a *authority) issue(valid time.Duration, organizations ...string) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{SerialNumber: serial(a.t), Subject: pkix.Name{CommonName: "somebody", Organization: organizations}, DNSNames: []string{"gateway.example"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(valid), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	key := newKey(a.t)
	cert := sign(a.t, template, a.cert, key, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t *testing.T) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sign(t *testing.T, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// writePEM replaces a file as a renewal does: the new one is moved over the old one.
func writePEM(t *testing.T, path, kind string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
	must(t, os.Rename(path+".new", path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tlsSite is a server with TLS, its files, and who signs.
type tlsSite struct {
	t                *testing.T
	servers, clients *authority
	files            TLSFiles
	address          string
	gw               *fakeGateway
	header           http.Header // of requests
}

func startTLS(t *testing.T) *tlsSite {
	t.Helper()
	dir := t.TempDir()
	s := &tlsSite{t: t, servers: newAuthority(t), clients: newAuthority(t), gw: newFake(),
		files: TLSFiles{filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "clients.pem")}}
	s.renew(s.servers.issue(time.Hour))
	s.trust(s.clients)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.address = l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- NewServer(s.gw, Options{LookupGroup: noGroups, Page: testPage}).ServeTLS(ctx, l, s.address, s.files)
	}()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
	return s
}

// renew gives the server another certificate.
func (s *tlsSite) renew(c tls.Certificate) {
	s.t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	must(s.t, err)
	writePEM(s.t, s.files.Key, "PRIVATE KEY", key)
	writePEM(s.t, s.files.Certificate, "CERTIFICATE", c.Certificate[0])
}

func (s *tlsSite) trust(a *authority) {
	s.t.Helper()
	writePEM(s.t, s.files.Clients, "CERTIFICATE", a.cert.Raw)
}

// ask asks with a certificate, or without one, and tells the server's own too.
func (s *tlsSite) ask(with *tls.Certificate, method, path, host string) (*http.Response, string, error) {
	s.t.Helper()
	trusted := x509.NewCertPool()
	trusted.AddCert(s.servers.cert)
	config := &tls.Config{RootCAs: trusted, ServerName: "gateway.example"}
	if with != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return with, nil } // whatever the server asks for
	}
	client := http.Client{Timeout: deadline, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(s.t.Context(), method, "https://"+s.address+path, nil)
	must(s.t, err)
	req.Host = host
	for key, values := range s.header {
		req.Header[key] = values
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// TestTLSAccess: what a certificate allows, by its organization, and what goes without one.
func TestTLSAccess(t *testing.T) {
	s := startTLS(t)
	changer, reader := s.clients.issue(time.Hour, "some company", GroupChange), s.clients.issue(time.Hour, GroupRead)
	stranger := s.clients.issue(time.Hour, "drawbridge-reader")
	for _, c := range []struct {
		name                            string
		with                            *tls.Certificate
		status, metrics, events, flight int
		raise                           int
		access                          string
	}{
		{"change", &changer, 200, 200, 200, 200, 204, "change"},
		{"read", &reader, 200, 200, 200, 403, 403, "read"},
		{"no organization of ours", &stranger, 403, 403, 403, 403, 403, "none"},
		{"none", nil, 200, 200, 404, 404, 404, ""},
	} {
		before := len(s.gw.changes)
		for request, want := range map[string]int{"GET /v1/status": c.status, "GET /metrics": c.metrics, "GET /v1/events": c.events,
			"GET /v1/extensions/acme/flight": c.flight, "POST /v1/extensions/acme/raise": c.raise} {
			method, path, _ := strings.Cut(request, " ")
			resp, body, err := s.ask(c.with, method, path, s.address)
			must(t, err)
			if resp.StatusCode != want || resp.Header.Get(accessHeader) != c.access {
				t.Errorf("%s: %s: %d with access %q, want %d with %q", c.name, request, resp.StatusCode, resp.Header.Get(accessHeader), want, c.access)
			}
			if want >= 400 {
				wantProblem(t, resp, body, want)
			}
			if want == 403 && !strings.Contains(body, `organization (O) drawbridge`) {
				t.Errorf("%s: %s: the problem does not say who may: %s", c.name, request, body)
			}
		}
		if changed := len(s.gw.changes) > before; changed != (c.raise == 204) {
			t.Errorf("%s: changed %v", c.name, changed)
		}
	}
}

// TestTLSRefuses ends the connection: nobody vouches for these.
func TestTLSRefuses(t *testing.T) {
	s := startTLS(t)
	expired, foreign := s.clients.issue(-time.Hour, GroupChange), newAuthority(t).issue(time.Hour, GroupChange)
	servers := s.servers.issue(time.Hour, GroupChange) // the servers' authority vouches for no client
	for name, c := range map[string]*tls.Certificate{"expired": &expired, "another authority's": &foreign, "a server's": &servers} {
		if resp, _, err := s.ask(c, "GET", "/v1/status", s.address); err == nil {
			t.Errorf("%s: answered %d", name, resp.StatusCode)
		}
	}
	plain := http.Client{Timeout: deadline}
	resp, err := plain.Get("http://" + s.address + "/v1/status")
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("HTTP without TLS is answered")
		}
	}
	if len(s.gw.changes) > 0 {
		t.Errorf("changed: %q", s.gw.changes)
	}
}

// A certificate that ends while a connection lasts allows nothing any more.
func TestCertificateEndsWhileConnected(t *testing.T) {
	c := newAuthority(t).issue(time.Hour, GroupChange).Leaf
	if got := accessByCertificate(c, c.NotAfter.Add(-time.Second)); got != accessChange {
		t.Errorf("before its end: %v", got)
	}
	if got := accessByCertificate(c, c.NotAfter.Add(time.Second)); got != accessNone {
		t.Errorf("after its end: %v", got)
	}
}

// TestTLSReload: new files count with the next connection, broken ones not.
func TestTLSReload(t *testing.T) {
	s := startTLS(t)
	client := s.clients.issue(time.Hour, GroupRead)
	shown := func() *big.Int {
		resp, _, err := s.ask(&client, "GET", "/v1/events", s.address)
		must(t, err)
		return resp.TLS.PeerCertificates[0].SerialNumber
	}
	first := shown()
	second := s.servers.issue(time.Hour)
	s.renew(second)
	if got := shown(); got.Cmp(first) == 0 || got.Cmp(second.Leaf.SerialNumber) != 0 {
		t.Errorf("after a renewal: %v", got)
	}
	writePEM(t, s.files.Certificate, "CERTIFICATE", []byte("broken"))
	if got := shown(); got.Cmp(second.Leaf.SerialNumber) != 0 {
		t.Errorf("with a broken file: %v", got)
	}
	must(t, os.Remove(s.files.Certificate))
	if got := shown(); got.Cmp(second.Leaf.SerialNumber) != 0 {
		t.Errorf("without the file: %v", got)
	}
	s.renew(second)
	others := newAuthority(t)
	s.trust(others)
	if _, _, err := s.ask(&client, "GET", "/v1/events", s.address); err == nil {
		t.Error("a client of the former authority is let in")
	}
	client = others.issue(time.Hour, GroupRead)
	shown()
}

// Without files there is no connection, and with them there is, without a restart.
func TestTLSWaitsForItsFiles(t *testing.T) {
	s := startTLS(t)
	missing := &certificates{files: TLSFiles{Certificate: s.files.Certificate + ".none", Key: s.files.Key, Clients: s.files.Clients}, log: NewServer(s.gw, Options{}).opts.Log}
	if _, err := missing.current(nil); err == nil {
		t.Error("there is a configuration without files")
	}
	must(t, os.Link(s.files.Certificate, s.files.Certificate+".none"))
	if _, err := missing.current(nil); err != nil {
		t.Error(err)
	}
}

// A browser that has a certificate shows it for whoever's page asks.
func TestTLSForeignPage(t *testing.T) {
	s := startTLS(t)
	client := s.clients.issue(time.Hour, GroupChange)
	s.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	resp, body, err := s.ask(&client, "POST", "/v1/extensions/acme/raise", s.address)
	must(t, err)
	wantProblem(t, resp, body, 403)
	if len(s.gw.changes) > 0 {
		t.Errorf("changed: %q", s.gw.changes)
	}
}

// A Host header may have the name that the client checked the certificate for, and no other.
func TestTLSHost(t *testing.T) {
	s := startTLS(t)
	for host, want := range map[string]int{"gateway.example": 200, "GATEWAY.example:9471": 200, "localhost": 200, "evil.example": 421} {
		resp, _, err := s.ask(nil, "GET", "/v1/status", host)
		must(t, err)
		if resp.StatusCode != want {
			t.Errorf("Host %q: %d, want %d", host, resp.StatusCode, want)
		}
	}
}
