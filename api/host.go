// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hostChecked refuses requests whose Host header names somebody else (DNS rebinding): a browser that was
// led here by a foreign page sends that page's name.
func hostChecked(listen string, next http.Handler) http.Handler {
	own := hostOf(listen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r.Host); !hostAllowed(host, own) && !handshakeNamed(r, host) {
			problemf(http.StatusMisdirectedRequest,
				"this server is not %q: use localhost, the server's IP address, or the name in gateway.api.listen", host).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostAllowed(host, own string) bool {
	if host == "" {
		return false
	}
	if host == own || host == "localhost" {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// handshakeNamed reports whether the host is what the client asked for when it began TLS: then it has checked our certificate
// for that name, and nobody can have pointed another name here.
func handshakeNamed(r *http.Request, host string) bool {
	return r.TLS != nil && host != "" && strings.EqualFold(r.TLS.ServerName, host)
}

// hostOf is the host of "host", "host:port" or "[address]:port", in lower case.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return strings.ToLower(host)
}
