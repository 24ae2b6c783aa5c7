// SPDX-License-Identifier: Apache-2.0

// Package web is the page at the API's root: a live view of all extensions, for people. Its files are in the
// binary, it loads nothing from anywhere else, and it knows the gateway only through the API that serves it.
//
// What it shows follows from how it is reached: over TCP it reads the status; over the socket, through a port
// that somebody forwards to it, also events and MACs; and it has buttons for who may change.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
)

//go:embed page
var files embed.FS

// types are the media types of the page's files. A file of another kind has no place here.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// contentSecurityPolicy allows the page's own files and its own requests, and nothing else: no inline script or
// style, no foreign origin, no frame around it.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handlers are the page's files by the path of their URL: "/" is the page, all others are below "/page/".
func Handlers() (map[string]http.Handler, error) {
	entries, err := files.ReadDir("page")
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	handlers := map[string]http.Handler{}
	for _, e := range entries {
		body, err := files.ReadFile("page/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the page: %w", err)
		}
		media, known := types[path.Ext(e.Name())]
		if !known {
			return nil, fmt.Errorf("read the page: %s has no media type", e.Name())
		}
		url := "/page/" + e.Name()
		if e.Name() == "index.html" {
			url = "/"
		}
		handlers[url] = newFile(media, body)
	}
	return handlers, nil
}

// file answers with one file.
type file struct {
	media, tag string
	body       []byte
}

func newFile(media string, body []byte) *file {
	sum := sha256.Sum256(body)
	return &file{media: media, tag: `"` + hex.EncodeToString(sum[:8]) + `"`, body: body}
}

// ServeHTTP answers with the file, or that the browser has it already.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // another version of the daemon has another page
	h.Set("ETag", f.tag)
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.media)
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	if r.Method != http.MethodHead {
		w.Write(f.body)
	}
}
