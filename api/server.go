// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Bounds on what one request or connection may take.
const (
	maxBody       = 1 << 20  // bytes
	maxHeader     = 16 << 10 // bytes; net/http adds 4096
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second // header and body
	writeTimeout  = 30 * time.Second // of an answer that is no stream
	idleTimeout   = 60 * time.Second
	askTimeout    = 10 * time.Second // for the gateway to answer a question
	changeTimeout = 25 * time.Second // for the gateway to make a change
	endTimeout    = 3 * time.Second  // for requests under way when the server ends
)

// Options changes what a Server does. The zero value is right for production.
type Options struct {
	Log         *slog.Logger                                // changes and their peers; nil: nowhere
	Credentials func(net.Conn) (Peer, error)                // nil: SO_PEERCRED
	LookupGroup func(group string) (gid uint32, known bool) // nil: the host's groups
	Heartbeat   time.Duration                               // between signs of life on a quiet event stream; 0: 15 s
	StreamWrite time.Duration                               // the longest that one write to an event stream may take; 0: 10 s
	Page        map[string]http.Handler                     // the page's files by path, "/" among them; nil: no page
}

// Server answers for one gateway. It may serve several listeners.
type Server struct {
	gw    Gateway
	opts  Options
	trips *tripCounter

	readTimeout, writeTimeout time.Duration // of requests and answers that are no stream
}

// NewServer makes a server of a gateway.
func NewServer(gw Gateway, opts Options) *Server {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Credentials == nil {
		opts.Credentials = peerCredentials
	}
	if opts.LookupGroup == nil {
		opts.LookupGroup = lookupGroup
	}
	if opts.Heartbeat == 0 {
		opts.Heartbeat = 15 * time.Second
	}
	if opts.StreamWrite == 0 {
		opts.StreamWrite = 10 * time.Second
	}
	return &Server{gw: gw, opts: opts, trips: newTripCounter(), readTimeout: readTimeout, writeTimeout: writeTimeout}
}

// Serve answers everything on a unix socket, for peers that have the right, until ctx ends; then it
// closes the listener, waits shortly for requests under way, and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	limited := newLimitListener(l, socketLimits, func(c net.Conn) (net.Conn, string, bool) {
		peer, err := s.opts.Credentials(c)
		if err != nil {
			s.opts.Log.Warn("connection refused", "error", err)
			return c, "unknown", false
		}
		return &peerConn{Conn: c, peer: peer}, fmt.Sprint("uid ", peer.UID), peer.UID == 0
	})
	return s.serve(ctx, limited, sameOrigin(s.guarded(s.socketRoutes())))
}

// ServeTCP answers health, metrics, status and the page, to be read by anybody who reaches the listener, until ctx
// ends. listen is the address of the configuration: its host may stand in a request's Host header, as may
// localhost and IP addresses. Anything else is refused: a web page could have pointed its own name at us.
func (s *Server) ServeTCP(ctx context.Context, l net.Listener, listen string) error {
	return s.serve(ctx, s.limitTCP(l), hostChecked(listen, s.tcpRoutes()))
}

func (s *Server) limitTCP(l net.Listener) net.Listener {
	return newLimitListener(l, tcpLimits, func(c net.Conn) (net.Conn, string, bool) {
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		return c, host, false
	})
}

func (s *Server) serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       s.readTimeout,
		WriteTimeout:      s.writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
		// Requests under way may end in peace; streams, which never end, watch serveContext.
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), serveKey{}, ctx)
		},
		ConnContext: peerContext,
		ConnState:   noteState,
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { ended <- shutDown(srv) })
	err := srv.Serve(l)
	if stop() { // the listener failed by itself
		srv.Close()
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	}
	return <-ended
}

// shutDown ends a server. Requests that do not end in time are cut off.
func shutDown(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		return srv.Close()
	} else if err != nil {
		return fmt.Errorf("end the server: %w", err)
	}
	return nil
}

type serveKey struct{}

// serveContext ends when the server shall.
func serveContext(r *http.Request) context.Context {
	if ctx, ok := r.Context().Value(serveKey{}).(context.Context); ok {
		return ctx
	}
	return context.Background()
}

// peerConn is a connection whose peer is known.
type peerConn struct {
	net.Conn
	peer Peer
}

// peerContext takes the peer from the connection to its requests.
func peerContext(ctx context.Context, c net.Conn) context.Context {
	if limited, ok := c.(*limitedConn); ok {
		c = limited.Conn
	}
	if pc, ok := c.(*peerConn); ok {
		return withPeer(ctx, pc.peer)
	}
	return ctx
}
