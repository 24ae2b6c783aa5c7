// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// TLSFiles names what HTTPS over TCP needs, in PEM: the server's certificate with its chain, its key, and the authorities whose
// certificates clients may show.
type TLSFiles struct{ Certificate, Key, Clients string }

// Load reads the files, and reports until when the server's certificate is valid.
func (f TLSFiles) Load() (config *tls.Config, until time.Time, err error) {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the certificate %s and its key: %w", f.Certificate, err)
	}
	authorities, err := os.ReadFile(f.Clients)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the clients' authorities: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(authorities) {
		return nil, time.Time{}, fmt.Errorf("read the clients' authorities: %s holds no certificate in PEM", f.Clients)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    clients,
		NextProtos:   []string{"http/1.1"},
		// A resumed session would be let in by what the files said when it began.
		SessionTicketsDisabled: true,
	}, pair.Leaf.NotAfter, nil
}

// stamps tells whether the files are other ones than before.
func (f TLSFiles) stamps() (stamps [3]fs.FileInfo, err error) {
	for i, name := range []string{f.Certificate, f.Key, f.Clients} {
		if stamps[i], err = os.Stat(name); err != nil {
			return stamps, err
		}
	}
	return stamps, nil
}

// certificates are the files as they are: they are read again when they have changed. While they cannot be read, what they
// held before goes on.
type certificates struct {
	files TLSFiles
	log   *slog.Logger

	mu     sync.Mutex // guards the following
	read   [3]fs.FileInfo
	config *tls.Config // nil: they could not be read yet
	fault  string      // that was told
}

// current is the configuration of a new connection.
func (c *certificates) current(*tls.ClientHelloInfo) (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps, err := c.files.stamps()
	if err == nil && !same(stamps, c.read) {
		var config *tls.Config
		if config, _, err = c.files.Load(); err == nil {
			c.config, c.read, c.fault = config, stamps, ""
			c.log.Info("certificates of the API read", "certificate", c.files.Certificate)
		}
	}
	c.tell(err)
	if c.config == nil {
		return nil, errors.New("the server has no certificate")
	}
	return c.config, nil
}

func same(a, b [3]fs.FileInfo) bool {
	for i := range a {
		if b[i] == nil || !os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size() {
			return false
		}
	}
	return true
}

// tell logs a fault once.
func (c *certificates) tell(err error) {
	if err != nil && err.Error() != c.fault {
		c.fault = err.Error()
		c.log.Error("certificates of the API cannot be read: connections get the former ones, if there are any", "error", err)
	}
}

// ServeTLS answers over TCP with TLS until ctx ends: everything to peers with a certificate, by what it allows; to others what
// ServeTCP does. A certificate that no authority vouches for, or that is not valid now, ends the connection.
func (s *Server) ServeTLS(ctx context.Context, l net.Listener, listen string, files TLSFiles) error {
	certificates := &certificates{files: files, log: s.opts.Log}
	_, _ = certificates.current(nil) // a fault is logged now, and not with the first connection
	config := &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: certificates.current}
	reading, all := s.tcpRoutes(), s.guarded(s.socketRoutes())
	byCertificate := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			reading.ServeHTTP(w, r)
			return
		}
		all.ServeHTTP(w, r.WithContext(withPeer(r.Context(), Peer{Certificate: r.TLS.VerifiedChains[0][0]})))
	})
	return s.serve(ctx, tls.NewListener(s.limitTCP(l), config), hostChecked(listen, ownPage(byCertificate)))
}
