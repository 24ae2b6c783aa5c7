// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/drawbridge-l2/drawbridge/state"
)

// bridgesHeader tells, with a status, whether all bridges in it are lowered, so that nobody has to read the
// document for that.
const (
	bridgesHeader  = "Drawbridge-Bridges"
	bridgesLowered = "lowered"
	bridgesOther   = "other"
)

// getStatus answers with the whole status, with that of one extension (?extension=NAME) and the gateway, or
// in the shape of a table (?view=table).
func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) {
	st, ok := s.read(w, r)
	if !ok {
		return
	}
	if name := r.URL.Query().Get("extension"); name != "" {
		if st.Extensions = named(st.Extensions, name); len(st.Extensions) == 0 {
			unknownExtension(name).write(w)
			return
		}
	}
	w.Header().Set(bridgesHeader, bridgesOf(st.Extensions))
	if r.URL.Query().Get("view") == "table" {
		writeJSON(w, tableOf(st))
		return
	}
	doc := statusOf(st)
	writeBody(w, http.StatusOK, append(appendStatus(nil, &doc), '\n'))
}

func bridgesOf(extensions []state.ExtensionStatus) string {
	for i := range extensions {
		if extensions[i].Bridge != state.Lowered {
			return bridgesOther
		}
	}
	return bridgesLowered
}

func (s *Server) getExtensions(w http.ResponseWriter, r *http.Request) {
	if st, ok := s.read(w, r); ok {
		writeJSON(w, statusOf(st).Extensions)
	}
}

func (s *Server) getExtension(w http.ResponseWriter, r *http.Request) {
	st, ok := s.read(w, r)
	if !ok {
		return
	}
	name := r.PathValue("name")
	found := named(st.Extensions, name)
	if len(found) == 0 {
		unknownExtension(name).write(w)
		return
	}
	writeJSON(w, extensionOf(found[0]))
}

func (s *Server) getExtensionMACs(w http.ResponseWriter, r *http.Request) {
	s.writeMACs(w, r, r.PathValue("name"))
}

func (s *Server) getMACs(w http.ResponseWriter, r *http.Request) { s.writeMACs(w, r, "") }

func (s *Server) writeMACs(w http.ResponseWriter, r *http.Request, ext string) {
	ctx, cancel := context.WithTimeout(r.Context(), s.writeTimeout)
	defer cancel()
	list := macList{to: w}
	err := s.gw.EachMAC(ctx, ext, list.add)
	switch {
	case err == nil:
		list.end()
	case list.begun:
		panic(http.ErrAbortHandler) // a list that was cut off must not look like a whole one
	default:
		problemOf(err, ext).write(w)
	}
}

// getHealth says that the gateway's loop turns: it answers within time.
func (s *Server) getHealth(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	if err := s.gw.Ping(ctx); err != nil {
		problemOf(err, "").write(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}

// read asks the gateway for its status, and answers with the problem when it cannot tell.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (state.Status, bool) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	st, err := s.gw.Status(ctx)
	if err != nil {
		problemOf(err, "").write(w)
		return state.Status{}, false
	}
	return st, true
}

// named is the extension of that name as a list, empty when there is none.
func named(list []state.ExtensionStatus, name string) []state.ExtensionStatus {
	for i := range list {
		if string(list[i].Name) == name {
			return list[i : i+1]
		}
	}
	return nil
}

// writeJSON answers 200 with v and a newline.
func writeJSON(w http.ResponseWriter, v any) { writeJSONStatus(w, http.StatusOK, v) }

func writeJSONStatus(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		problemf(http.StatusInternalServerError, "encode the answer: %v", err).write(w)
		return
	}
	writeBody(w, status, body.Bytes())
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", mediaJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}
