// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// followEvents sends the log and what comes to it as server-sent events, with the record's seq as id, so
// that a reader that comes back with Last-Event-ID misses nothing that the log still holds.
//
// Nobody waits for a reader. One that falls behind further than the gateway's bounded channel reaches gets
// an event of type note that says so, and the stream ends; one that takes nothing at all for
// Options.StreamWrite is cut off.
func (s *Server) followEvents(w http.ResponseWriter, r *http.Request, since uint64) {
	// Subscribed before the log is read: what comes in between is seen twice, and sent once.
	records, cancel := s.gw.Subscribe()
	defer cancel()
	out := newStream(w, s.opts.StreamWrite)
	out.open()
	if r.Method == http.MethodHead {
		return
	}
	reader := &follower{gw: s.gw, out: out, last: since}
	reader.restartedLog()
	reader.catchUp()

	heartbeat := time.NewTicker(s.opts.Heartbeat)
	defer heartbeat.Stop()
	for out.err == nil {
		select {
		case <-r.Context().Done():
			return
		case <-serveContext(r).Done():
			return
		case rec, more := <-records:
			if !more && serveContext(r).Err() != nil {
				return
			}
			if !more {
				out.note(fmt.Sprintf("this reader was too slow and was dropped after record %d: connect again with Last-Event-ID", reader.last))
				return
			}
			reader.take(rec)
		case <-heartbeat.C:
			out.send(": still here\n\n")
		}
		out.flush()
	}
}

// follower keeps one reader's place in the log.
type follower struct {
	gw   Gateway
	out  *stream
	last uint64 // seq of the last record sent; 0: none
}

// restartedLog notices that the reader has seen more than the log ever held: it was begun anew.
func (f *follower) restartedLog() {
	if f.last == 0 || len(f.gw.Events(f.last)) > 0 {
		return
	}
	all := f.gw.Events(0)
	if len(all) > 0 && all[len(all)-1].Seq < f.last {
		f.out.note(fmt.Sprintf("the event log was begun anew: record %d is not in it", f.last))
		f.last = 0
	}
}

// catchUp sends what the log holds after the last record sent, and says what it does not hold any more.
func (f *follower) catchUp() {
	for _, rec := range f.gw.Events(f.last) {
		if f.last != 0 && rec.Seq > f.last+1 {
			f.out.note(fmt.Sprintf("records %d to %d are no longer in the log", f.last+1, rec.Seq-1))
		}
		f.send(rec)
	}
	f.out.flush()
}

// take sends a record that was subscribed to, after those that the subscription left out.
func (f *follower) take(rec Event) {
	if f.last != 0 && rec.Seq > f.last+1 {
		f.catchUp()
	}
	f.send(rec)
}

// send sends a record once.
func (f *follower) send(rec Event) {
	if rec.Seq <= f.last || f.out.err != nil {
		return
	}
	f.out.record(rec)
	f.last = rec.Seq
}

// stream writes server-sent events. After the first error it writes nothing more.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	longest time.Duration // that one write may take
	buf     bytes.Buffer
	err     error
}

// streamBuffer is how many bytes wait for a flush at most.
const streamBuffer = 64 << 10

func newStream(w http.ResponseWriter, longest time.Duration) *stream {
	return &stream{w: w, control: http.NewResponseController(w), longest: longest}
}

// open sends the header. The server's deadline for writing is for answers that end: each flush has its own
// instead. The one for reading ends with the request.
func (s *stream) open() {
	s.w.Header().Set("Content-Type", mediaEventStream)
	s.w.Header().Set("Cache-Control", "no-store")
	s.w.WriteHeader(http.StatusOK)
	s.flush()
}

// record sends a record under its seq.
func (s *stream) record(rec Event) {
	data, err := json.Marshal(recordOf(rec))
	if err != nil {
		s.note(fmt.Sprintf("record %d cannot be encoded: %v", rec.Seq, err))
		return
	}
	s.send(fmt.Sprintf("id: %d\ndata: %s\n\n", rec.Seq, data))
}

// note sends a word about the stream itself and flushes.
func (s *stream) note(text string) {
	data, err := json.Marshal(streamNote{Message: text})
	if err != nil { // one string: cannot happen
		s.err = err
		return
	}
	s.send(fmt.Sprintf("event: %s\ndata: %s\n\n", noteEvent, data))
	s.flush()
}

// noteEvent is the type of the events that are no records.
const noteEvent = "note"

type streamNote struct {
	Message string `json:"message"`
}

func (s *stream) send(text string) {
	if s.err == nil {
		s.buf.WriteString(text)
	}
	if s.buf.Len() > streamBuffer {
		s.flush()
	}
}

// flush writes what waits; the reader has until the deadline to take it.
func (s *stream) flush() {
	if s.err != nil {
		return
	}
	if s.err = s.control.SetWriteDeadline(time.Now().Add(s.longest)); s.err != nil {
		return
	}
	if _, s.err = s.w.Write(s.buf.Bytes()); s.err != nil {
		return
	}
	s.buf.Reset()
	s.err = s.control.Flush()
}
