// SPDX-License-Identifier: Apache-2.0

package api

import (
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// route is one route: who answers it, and what openapi.json says of it.
type route struct {
	pattern string // method and path, as http.ServeMux takes them
	serve   http.HandlerFunc
	tcp     bool  // also over TCP, for anybody
	maxBody int64 // bytes; 0: maxBody

	summary string
	query   []parameter
	takes   *content // nil: no body
	answers []reply  // that are no problem
}

// parameter is a query parameter. Its kind is a value of its type.
type parameter struct {
	name, about string
	kind        any
	allowed     []string // nil: anything of the kind
}

// content is a body. The values' types are its schema; several are alternatives, none is text.
type content struct {
	media    string
	values   []any
	optional bool
}

// reply is what a route answers when all is well.
type reply struct {
	status  int
	about   string
	content []content
	headers []parameter
}

const (
	mediaJSON    = "application/json"
	mediaNDJSON  = "application/x-ndjson"
	mediaText    = "text/plain; charset=utf-8"
	mediaYAML    = "text/yaml; charset=utf-8"
	mediaMetrics = "text/plain; version=0.0.4; charset=utf-8"
)

func replyJSON(about string, values ...any) []reply {
	return []reply{{status: http.StatusOK, about: about, content: []content{{media: mediaJSON, values: values}}}}
}

func replyText(about, media string) []reply {
	return []reply{{status: http.StatusOK, about: about, content: []content{{media: media}}}}
}

var done = []reply{{status: http.StatusNoContent, about: "Done."}}

// routes is everything there is.
func (s *Server) routes() []route {
	return slices.Concat(s.readingRoutes(), s.extensionRoutes(), s.frameRoutes(), s.configRoutes(), s.pageRoutes())
}

func (s *Server) readingRoutes() []route {
	since := parameter{name: "since", about: "Leave out the records up to this seq.", kind: uint64(0)}
	follow := parameter{name: "follow", about: "false: the records up to now, one a line; so does the header Accept: " + mediaNDJSON + ".", kind: false}
	status := replyJSON("The gateway.", Status{}, Table{})
	status[0].headers = []parameter{
		{name: bridgesHeader, about: "Whether all bridges in it are lowered.", kind: "", allowed: []string{bridgesLowered, bridgesOther}},
		{name: accessHeader, about: "What the caller may do. Over TCP there is none.", kind: "", allowed: []string{accessRead.String(), accessChange.String()}},
	}
	return []route{
		{pattern: "GET /v1/status", serve: s.getStatus, tcp: true, summary: "The gateway, its interfaces and its extensions.", answers: status,
			query: []parameter{
				{name: "extension", about: "Only this extension.", kind: ""},
				{name: "view", about: "table: in columns, with sums only.", kind: "", allowed: []string{"table"}},
			}},
		{pattern: "GET /healthz", serve: s.getHealth, tcp: true, summary: "Whether the daemon's loop answers.", answers: replyText("It does: ok.", mediaText)},
		{pattern: "GET /metrics", serve: s.getMetrics, tcp: true, summary: "All counters, for Prometheus.", answers: replyText("The metrics.", mediaMetrics)},
		{pattern: "GET /v1/events", serve: s.getEvents, summary: "The event log.", query: []parameter{since, follow},
			answers: []reply{{status: http.StatusOK, about: "The records, oldest first, and what comes: one an event, whose id is its seq; or one a line. An event of type note is about the stream itself.",
				content: []content{{media: mediaEventStream}, {media: mediaNDJSON, values: []any{event.Record{}}}}}}},
		{pattern: "GET /openapi.json", serve: s.getOpenAPI, summary: "This document.", answers: replyJSON("This document.", map[string]any{})},
	}
}

func (s *Server) extensionRoutes() []route {
	reason := &content{media: mediaJSON, values: []any{raiseRequest{}}, optional: true}
	return []route{
		{pattern: "GET /v1/extensions", serve: s.getExtensions, summary: "All extensions.", answers: replyJSON("Sorted by name.", []Extension{})},
		{pattern: "GET /v1/extensions/{name}", serve: forExtension(s.getExtension), summary: "One extension.", answers: replyJSON("The extension.", Extension{})},
		{pattern: "GET /v1/extensions/{name}/macs", serve: forExtension(s.getExtensionMACs), summary: "The FDB of one extension.", answers: replyJSON("Its live entries.", []MAC{})},
		{pattern: "GET /v1/extensions/{name}/sources", serve: forExtension(s.getSources), summary: "Who is behind what is dropped.", answers: replyJSON("The busiest of the last ten seconds, by direction.", []Source{})},
		{pattern: "GET /v1/macs", serve: s.getMACs, summary: "The FDB of all extensions.", answers: replyJSON("The live entries.", []MAC{})},
		{pattern: "POST /v1/extensions/{name}/raise", serve: forExtension(s.postRaise), summary: "Draw the bridge up, until it is lowered.", takes: reason, answers: done},
		{pattern: "POST /v1/extensions/{name}/lower", serve: forExtension(s.postLower), summary: "Let the bridge down.", answers: done},
	}
}

func (s *Server) configRoutes() []route {
	yaml := replyText("The text that runs.", mediaYAML)
	yaml[0].headers = []parameter{{name: confirmHeader, about: "When it is rolled back unless it is confirmed (RFC 3339).", kind: ""}}
	onTrial := reply{status: http.StatusAccepted, about: "It runs, on trial.", content: []content{{media: mediaJSON, values: []any{ConfigTrial{}}}}}
	return []route{
		{pattern: "POST /v1/reload", serve: s.postReload, summary: "Make the configuration file the running configuration.", answers: done},
		{pattern: "GET /v1/config", serve: s.getConfig, summary: "The running configuration.", answers: yaml},
		{pattern: "PUT /v1/config", serve: s.putConfig, summary: "Make another configuration the running one, as a whole or not at all.", maxBody: maxConfig,
			query:   []parameter{{name: "confirm", about: "Roll back after this time (1s to 24h, such as 120s) unless it is confirmed.", kind: ""}},
			takes:   &content{media: "application/yaml"},
			answers: append([]reply{onTrial}, done...)},
		{pattern: "POST /v1/config/confirm", serve: s.postConfirm, summary: "Keep the configuration that is on trial.", answers: done},
	}
}

// pageRoutes are the page's files.
func (s *Server) pageRoutes() []route {
	var routes []route
	for _, path := range slices.Sorted(maps.Keys(s.opts.Page)) {
		media := "text/html; charset=utf-8"
		pattern := "GET " + path
		if strings.HasSuffix(path, "/") {
			pattern += "{$}"
		} else {
			media = "*/*"
		}
		routes = append(routes, route{
			pattern: pattern, serve: s.opts.Page[path].ServeHTTP, tcp: true,
			summary: "The page for people, or a part of it.", answers: replyText("The file.", media),
		})
	}
	return routes
}

// socketRoutes is everything there is.
func (s *Server) socketRoutes() http.Handler {
	return handler(s.routes())
}

// tcpRoutes is what may be read without credentials.
func (s *Server) tcpRoutes() http.Handler {
	return handler(slices.DeleteFunc(s.routes(), func(r route) bool { return !r.tcp }))
}

func handler(routes []route) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		limit := r.maxBody
		if limit == 0 {
			limit = maxBody
		}
		mux.HandleFunc(r.pattern, bounded(limit, r.serve))
	}
	return withProblems(mux)
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

// bounded limits a request's body.
func bounded(limit int64, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next(w, r)
	}
}

// withProblems answers with a problem document what the mux has no route for.
func withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		h, pattern := mux.Handler(r)
		if pattern != "" && isClean(r.URL.EscapedPath()) && r.RequestURI != "*" {
			mux.ServeHTTP(w, r)
			return
		}
		// The mux's own answer knows whether another method would do.
		own := &headerOnly{header: make(http.Header)}
		h.ServeHTTP(own, r)
		if allow := own.header.Get("Allow"); own.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", allow)
			problemf(http.StatusMethodNotAllowed, "%s is not allowed on %s: allowed is %s", r.Method, r.URL.Path, allow).write(w)
			return
		}
		problemf(http.StatusNotFound, "nothing is at %s", r.URL.Path).write(w)
	})
}

// isClean reports whether a path is written as routes are: the mux redirects others, such as //v1/status, which programs do not
// expect.
func isClean(p string) bool { return p == path.Clean(p) || p == path.Clean(p)+"/" }

// headerOnly takes an answer's status and header and forgets its body.
type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h *headerOnly) WriteHeader(status int)      { h.status = status }
