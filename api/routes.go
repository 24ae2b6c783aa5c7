// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// socketRoutes is everything there is.
func (s *Server) socketRoutes() http.Handler {
	mux := http.NewServeMux()
	s.addReading(mux)
	mux.HandleFunc("GET /v1/extensions", s.getExtensions)
	mux.HandleFunc("GET /v1/extensions/{name}", forExtension(s.getExtension))
	mux.HandleFunc("GET /v1/extensions/{name}/macs", forExtension(s.getExtensionMACs))
	mux.HandleFunc("GET /v1/macs", s.getMACs)
	mux.HandleFunc("POST /v1/extensions/{name}/raise", forExtension(s.postRaise))
	mux.HandleFunc("POST /v1/extensions/{name}/lower", forExtension(s.postLower))
	mux.HandleFunc("POST /v1/extensions/{name}/trace", forExtension(s.postTrace))
	mux.HandleFunc("GET /v1/extensions/{name}/record", forExtension(s.getRecord))
	mux.HandleFunc("GET /v1/extensions/{name}/flight", forExtension(s.getFlight))
	mux.HandleFunc("POST /v1/reload", s.postReload)
	mux.HandleFunc("GET /v1/events", s.getEvents)
	return bounded(withProblems(mux))
}

// tcpRoutes is what may be read without credentials.
func (s *Server) tcpRoutes() http.Handler {
	mux := http.NewServeMux()
	s.addReading(mux)
	return bounded(withProblems(mux))
}

func (s *Server) addReading(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/status", s.getStatus)
	mux.HandleFunc("GET /healthz", s.getHealth)
	mux.HandleFunc("GET /metrics", s.getMetrics)
}

// forExtension answers for names that no extension can have, so that the gateway never sees them.
func forExtension(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := l2.ParseName(r.PathValue("name")); err != nil {
			unknownExtension(r.PathValue("name")).write(w)
			return
		}
		next(w, r)
	}
}

// bounded limits every request's body.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := int64(maxBody)
		if strings.HasSuffix(r.URL.Path, "/trace") {
			limit = maxTrace
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// withProblems answers with a problem document what the mux has no route for.
func withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" && r.URL.Path != "" && r.RequestURI != "*" {
			mux.ServeHTTP(w, r)
			return
		}
		// The mux's own answer knows whether another method would do.
		answer := &headerOnly{header: make(http.Header)}
		h.ServeHTTP(answer, r)
		if allow := answer.header.Get("Allow"); answer.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", allow)
			problemf(http.StatusMethodNotAllowed, "%s is not allowed on %s: allowed is %s", r.Method, r.URL.Path, allow).write(w)
			return
		}
		problemf(http.StatusNotFound, "nothing is at %s", r.URL.Path).write(w)
	})
}

// headerOnly takes an answer's status and header and forgets its body.
type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h *headerOnly) WriteHeader(status int)      { h.status = status }
