// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"net/netip"
	"strings"
)

// sameOrigin refuses what a foreign web page could ask for in the name of somebody whose browser reaches the
// socket through a forwarded port. A page that points its own name at us (DNS rebinding) sends that name, and a
// name that anybody can own has a dot; a page that only sends requests here is given away by the browser's
// Origin or Sec-Fetch-Site header, which programs do not send.
func sameOrigin(next http.Handler) http.Handler {
	next = ownPage(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r.Host); !hostPrivate(host) {
			problemf(http.StatusMisdirectedRequest, "this server is not %q: use localhost, an IP address, or a name without a dot", host).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownPage refuses changes that a page of another server asks for, in the name of whoever's browser shows it.
func ownPage(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := crossOrigin.Check(r); err != nil {
			problemf(http.StatusForbidden, "a page of another server asked for this: %v", err).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostPrivate reports whether the host is an address, or a name that nobody on the Internet can own.
func hostPrivate(host string) bool {
	if !strings.Contains(host, ".") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
