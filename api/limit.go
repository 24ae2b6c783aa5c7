// SPDX-License-Identifier: Apache-2.0

package api

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// limits are the connections that a listener holds at a time. Nobody's connections may keep the others out: each
// key (a user, a remote address) has a limit of its own, and root is not held against the total.
type limits struct{ each, total int }

var (
	// Whoever may use the socket may follow the events in hundreds of places.
	socketLimits = limits{each: 640, total: 1920}
	tcpLimits    = limits{each: 64, total: 512}
)

// limitListener keeps connections within the limits: for one too many the one that waits longest for a request is
// closed, as an HTTP server may do at any time (RFC 9112 §9.5), and when all of them are busy the new one.
type limitListener struct {
	net.Listener
	limits limits
	// arrived says whose the connection is, and may wrap it; exempt ones are not held against the total.
	arrived func(net.Conn) (conn net.Conn, key string, exempt bool)

	mu    sync.Mutex // guards the following
	total int
	byKey map[string]int
	idle  *list.List // of *limitedConn that wait for a request, the longest first
}

func newLimitListener(l net.Listener, most limits, arrived func(net.Conn) (net.Conn, string, bool)) *limitListener {
	return &limitListener{Listener: l, limits: most, arrived: arrived, byKey: make(map[string]int), idle: list.New()}
}

// Accept waits for the next connection for which there is room.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn, key, exempt := l.arrived(conn)
		if l.makeRoom(key, exempt) {
			c := &limitedConn{Conn: conn, listener: l, key: key, exempt: exempt}
			c.leave = sync.OnceFunc(func() { l.forget(c) })
			return c, nil
		}
		conn.Close()
	}
}

// makeRoom takes a place, if need be that of an idle connection, and reports whether there was one.
func (l *limitListener) makeRoom(key string, exempt bool) bool {
	for !l.take(key, exempt) {
		c := l.longestIdle(key)
		if c == nil {
			return false
		}
		c.Close()
	}
	return true
}

func (l *limitListener) take(key string, exempt bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey[key] >= l.limits.each || !exempt && l.total >= l.limits.total {
		return false
	}
	l.byKey[key]++
	if !exempt {
		l.total++
	}
	return true
}

// longestIdle is the connection that gives way to one of key: of the same key when that has its fill, else of
// anybody who counts for the total; nil when all are busy.
func (l *limitListener) longestIdle(key string) *limitedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.byKey[key] >= l.limits.each
	for e := l.idle.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*limitedConn); full && c.key == key || !full && !c.exempt {
			return c
		}
	}
	return nil
}

func (l *limitListener) leave(key string, exempt bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey[key]--; l.byKey[key] == 0 {
		delete(l.byKey, key)
	}
	if !exempt {
		l.total--
	}
}

// forget gives the place of a connection back.
func (l *limitListener) forget(c *limitedConn) {
	l.setIdle(c, false)
	l.leave(c.key, c.exempt)
}

// setIdle notes whether a connection waits for a request. One that is closed never does again.
func (l *limitListener) setIdle(c *limitedConn, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.waiting != nil {
		l.idle.Remove(c.waiting)
		c.waiting = nil
	}
	if idle && !c.closed {
		c.waiting = l.idle.PushBack(c)
	}
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	listener *limitListener
	key      string
	exempt   bool
	leave    func()

	waiting *list.Element // in listener.idle, and guarded as that is; nil while it is busy
	closed  bool          // guarded by listener.mu
}

// Close closes the connection.
func (c *limitedConn) Close() error {
	c.listener.mu.Lock()
	c.closed = true
	c.listener.mu.Unlock()
	defer c.leave()
	return c.Conn.Close()
}

// noteState is an http.Server's ConnState: it tells the listener who waits for a request.
func noteState(conn net.Conn, state http.ConnState) {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = wrapped.NetConn() // TLS
	}
	if c, ok := conn.(*limitedConn); ok {
		c.listener.setIdle(c, state == http.StateNew || state == http.StateIdle)
	}
}
