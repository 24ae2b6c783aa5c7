// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"unicode"
	"unicode/utf8"
)

// maxReason is the most letters of a reason: it stands in tables and in the event log.
const maxReason = 200

// raiseRequest is the optional body of POST …/raise.
type raiseRequest struct {
	Reason string `json:"reason,omitempty"`
}

func (s *Server) postRaise(w http.ResponseWriter, r *http.Request) {
	reason, problem := readReason(r)
	if problem != nil {
		problem.write(w)
		return
	}
	name := r.PathValue("name")
	s.change(w, r, "raise", name, func(ctx context.Context) error { return s.gw.Raise(ctx, name, reason) })
}

func (s *Server) postLower(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	s.change(w, r, "lower", name, func(ctx context.Context) error { return s.gw.Lower(ctx, name) })
}

func (s *Server) postReload(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, "reload", "", s.gw.Reload)
}

// change does one change and answers 204 (No Content) when it is done.
func (s *Server) change(w http.ResponseWriter, r *http.Request, act, name string, do func(context.Context) error) {
	if err := s.changing(r, act, name, do); err != nil {
		problemOf(err, name).write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// changing does one change, and logs who wanted it.
func (s *Server) changing(r *http.Request, act, name string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(r.Context(), changeTimeout)
	defer cancel()
	err := do(ctx)
	peer, _ := peerOf(r.Context())
	log := s.opts.Log.With(peer.attributes()...)
	if name != "" {
		log = log.With("extension", name)
	}
	switch {
	case errors.Is(err, ErrFaulty):
		log.Info(act + " refused") // the event log says why
	case err != nil:
		log.Info(act+" refused", "error", err)
	default:
		log.Info(act)
	}
	return err
}

// readReason reads the body of a raise. No body is no reason.
func readReason(r *http.Request) (string, *Problem) {
	body, problem := readAll(r)
	if problem != nil || len(body) == 0 {
		return "", problem
	}
	if media, err := mediaOf(r); err != nil || media != mediaJSON {
		return "", problemf(http.StatusUnsupportedMediaType, "Content-Type is %q: application/json is allowed", r.Header.Get("Content-Type"))
	}
	return parseReason(body)
}

func parseReason(body []byte) (string, *Problem) {
	var req raiseRequest
	if err := unmarshalStrict(body, &req); err != nil {
		return "", problemf(http.StatusBadRequest, `the body is not like {"reason": "maintenance"}: %v`, err)
	}
	if utf8.RuneCountInString(req.Reason) > maxReason {
		return "", problemf(http.StatusBadRequest, "the reason has more than %d letters", maxReason)
	}
	for _, c := range req.Reason {
		if !unicode.IsPrint(c) {
			return "", problemf(http.StatusBadRequest, "the reason has the character %q: only printable ones are allowed", c)
		}
	}
	return req.Reason, nil
}

// unmarshalStrict refuses unknown keys and anything after the value.
func unmarshalStrict(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}
