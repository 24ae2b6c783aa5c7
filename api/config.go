// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxConfig is the most bytes of a configuration that the server takes.
const maxConfig = 8 << 20

// The shortest and the longest time that a configuration may be on trial.
const (
	minConfirm = time.Second
	maxConfirm = 24 * time.Hour
)

// confirmHeader tells, with the running configuration, when it is rolled back unless it is confirmed.
const confirmHeader = "Drawbridge-Confirm-By"

// yamlMedia are the names that YAML goes by (RFC 9512 §2.1), and what curl says of a file: nothing with -T, and with
// --data-binary that it is a form. A browser's form cannot PUT.
var yamlMedia = []string{"", "application/yaml", "text/yaml", "application/x-yaml", "text/x-yaml", "application/x-www-form-urlencoded"}

// ConfigTrial is the answer to a configuration that runs until it is confirmed or rolled back.
type ConfigTrial struct {
	ConfirmBy time.Time `json:"confirm_by"` // UTC
}

func (s *Server) getConfig(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	c, err := s.gw.Config(ctx)
	if err != nil {
		problemOf(err, "").write(w)
		return
	}
	w.Header().Set("Content-Type", mediaYAML)
	w.Header().Set("Content-Length", strconv.Itoa(len(c.Text)))
	if !c.ConfirmBy.IsZero() {
		w.Header().Set(confirmHeader, c.ConfirmBy.UTC().Format(time.RFC3339))
	}
	w.Write(c.Text)
}

// putConfig answers 204 (No Content) when the configuration is the running one and the file's, and 202
// (Accepted) when it is on trial.
func (s *Server) putConfig(w http.ResponseWriter, r *http.Request) {
	confirm, err := confirmOf(r)
	if err != nil {
		problemf(http.StatusBadRequest, "%v", err).write(w)
		return
	}
	if media, err := mediaOf(r); err != nil || !slices.Contains(yamlMedia, media) {
		problemf(http.StatusUnsupportedMediaType, "Content-Type is %q: application/yaml is allowed", r.Header.Get("Content-Type")).write(w)
		return
	}
	text, problem := readAll(r)
	if problem != nil {
		problem.write(w)
		return
	}
	var until time.Time
	err = s.changing(r, "configuration set", "", func(ctx context.Context) (err error) {
		until, err = s.gw.SetConfig(ctx, text, confirm)
		return err
	})
	switch {
	case err != nil:
		problemOf(err, "").write(w)
	case confirm == 0:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSONStatus(w, http.StatusAccepted, ConfigTrial{ConfirmBy: until.UTC().Truncate(time.Second)})
	}
}

func (s *Server) postConfirm(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, "configuration confirmed", "", s.gw.ConfirmConfig)
}

// confirmOf is how long a configuration is on trial; 0: not at all.
func confirmOf(r *http.Request) (time.Duration, error) {
	query := r.URL.Query()
	if !query.Has("confirm") {
		return 0, nil
	}
	text := query.Get("confirm")
	confirm, err := time.ParseDuration(text)
	if err != nil || confirm < minConfirm || confirm > maxConfirm {
		return 0, fmt.Errorf("confirm is %q: a time from %v to %v such as 120s is allowed", text, minConfirm, maxConfirm)
	}
	return confirm, nil
}

// mediaOf is the media type of a request's body; empty when it names none.
func mediaOf(r *http.Request) (string, error) {
	if r.Header.Get("Content-Type") == "" {
		return "", nil
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return media, err
}

// readAll reads a request's body.
func readAll(r *http.Request) ([]byte, *Problem) {
	body, err := io.ReadAll(r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, problemf(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, problemf(http.StatusBadRequest, "read the body: %v", err)
	}
	return body, nil
}
