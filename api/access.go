// SPDX-License-Identifier: Apache-2.0

package api

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os/user"
	"slices"
	"strconv"
	"time"
)

// The groups whose members may use the socket besides root.
const (
	GroupChange = "drawbridge"      // may read and change
	GroupRead   = "drawbridge-read" // may read
)

// access is what a peer may do. The zero value is nothing.
type access uint8

const (
	accessNone access = iota
	accessRead
	accessChange
)

// accessOf decides what a peer may do: root everything, a member of GroupChange everything, a member of
// GroupRead may read, anybody else nothing. A group that the host does not have has no members; a certificate names
// its groups itself, as organizations of its subject.
func accessOf(p Peer, lookup func(group string) (gid uint32, ok bool)) access {
	if p.Certificate != nil {
		return accessByCertificate(p.Certificate, time.Now())
	}
	switch {
	case p.UID == 0:
		return accessChange
	case memberOf(p, GroupChange, lookup):
		return accessChange
	case memberOf(p, GroupRead, lookup):
		return accessRead
	}
	return accessNone
}

// accessByCertificate looks at the time again: a connection may last longer than the certificate.
func accessByCertificate(c *x509.Certificate, now time.Time) access {
	switch {
	case now.After(c.NotAfter):
		return accessNone
	case slices.Contains(c.Subject.Organization, GroupChange):
		return accessChange
	case slices.Contains(c.Subject.Organization, GroupRead):
		return accessRead
	}
	return accessNone
}

// accessHeader tells the peer, with every answer, what it may do.
const accessHeader = "Drawbridge-Access"

// String is the header's value.
func (a access) String() string { return [...]string{"none", "read", "change"}[a] }

func memberOf(p Peer, group string, lookup func(string) (uint32, bool)) bool {
	gid, ok := lookup(group)
	return ok && (p.GID == gid || slices.Contains(p.Groups, gid))
}

// lookupGroup asks the host at each connection, so that a group made after the start counts.
func lookupGroup(group string) (uint32, bool) {
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, false
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(gid), err == nil
}

// needed is what a method needs. Only the methods that RFC 9110 §9.2.1 calls safe are reading.
func needed(method string) access {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return accessRead
	}
	return accessChange
}

// guarded refuses requests of peers that may not do them. The peer was read when the connection came; a
// connection without one may do nothing.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, known := peerOf(r.Context())
		if !known {
			refuse(w, "the peer's credentials are not known")
			return
		}
		has := accessOf(peer, s.opts.LookupGroup)
		w.Header().Set(accessHeader, has.String())
		switch {
		case has == accessNone:
			refuse(w, fmt.Sprintf("%v may not use this API: %s", peer, peer.admission(GroupChange+" or "+GroupRead)))
		case has < needed(r.Method):
			refuse(w, fmt.Sprintf("%v may read but not change: %s", peer, peer.admission(GroupChange)))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// refuse answers 403 and ends the connection, so that it is free for somebody else.
func refuse(w http.ResponseWriter, why string) {
	w.Header().Set("Connection", "close")
	problemf(http.StatusForbidden, "%s", why).write(w)
}
