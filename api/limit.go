// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net"
	"sync"
)

// limits are the connections that a listener holds at a time. Nobody's idle connections may keep the others
// out: each key (a user, a remote address) has a limit of its own, and root is not held against the total.
type limits struct{ each, total int }

var (
	// Whoever may use the socket may follow the events in hundreds of places.
	socketLimits = limits{each: 640, total: 1920}
	tcpLimits    = limits{each: 64, total: 512}
)

// limitListener closes connections above the limits as soon as they come.
type limitListener struct {
	net.Listener
	limits limits
	// arrived says whose the connection is, and may wrap it; exempt ones are not held against the total.
	arrived func(net.Conn) (conn net.Conn, key string, exempt bool)

	mu    sync.Mutex // guards the following
	total int
	byKey map[string]int
}

func newLimitListener(l net.Listener, most limits, arrived func(net.Conn) (net.Conn, string, bool)) *limitListener {
	return &limitListener{Listener: l, limits: most, arrived: arrived, byKey: make(map[string]int)}
}

// Accept waits for the next connection that is within the limits.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn, key, exempt := l.arrived(conn)
		if l.take(key, exempt) {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(key, exempt) })}, nil
		}
		conn.Close()
	}
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

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
