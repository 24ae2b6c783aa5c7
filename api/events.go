// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// mediaEventStream is the media type of server-sent events (WHATWG HTML, section 9.2).
const mediaEventStream = "text/event-stream"

// getEvents answers with the event log: as a stream that goes on, or as JSON lines up to now for who asks for
// them. ?since=SEQ, and on a stream the header Last-Event-ID, leave out what the reader has already.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) {
	follow, err := wantsStream(r)
	if err != nil {
		problemf(http.StatusBadRequest, "%v", err).write(w)
		return
	}
	since, err := sinceOf(r, follow)
	if err != nil {
		problemf(http.StatusBadRequest, "%v", err).write(w)
		return
	}
	if follow && r.ContentLength != 0 {
		// The server sees that a reader went only when nothing is left to be read.
		problemf(http.StatusBadRequest, "a body was sent: none is allowed when the events are followed").write(w)
		return
	}
	if follow {
		s.followEvents(w, r, since)
		return
	}
	w.Header().Set("Content-Type", mediaNDJSON)
	writeLines(w, s.gw.Events(since))
}

// writeLines writes one record a line. A reader that went away ends it.
func writeLines(w io.Writer, records []Event) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, rec := range records {
		if enc.Encode(recordOf(rec)) != nil {
			return
		}
	}
}

func wantsStream(r *http.Request) (bool, error) {
	if text := r.URL.Query().Get("follow"); text != "" {
		follow, err := strconv.ParseBool(text)
		if err != nil {
			return false, fmt.Errorf("follow is %q: true or false is allowed", text)
		}
		return follow, nil
	}
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, mediaEventStream) || !strings.Contains(accept, mediaNDJSON), nil
}

// sinceOf is the last record that the reader has; 0: none.
func sinceOf(r *http.Request, follow bool) (uint64, error) {
	name, text := "since", r.URL.Query().Get("since")
	if id := r.Header.Get("Last-Event-ID"); follow && id != "" {
		name, text = "Last-Event-ID", id
	}
	if text == "" {
		return 0, nil
	}
	since, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is %q: the seq of a record is allowed", name, text)
	}
	return since, nil
}
