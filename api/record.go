// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/pcapng"
	"github.com/drawbridge-l2/drawbridge/state"
)

// ErrBusy says that as much of it runs as may at a time.
var ErrBusy = errors.New("too many at a time")

// ErrRecordingEnded says that the daemon ended a recording, and not its reader. What was handed over until then is whole blocks.
var ErrRecordingEnded = errors.New("the daemon ended the recording")

const (
	mediaPcapng     = "application/x-pcapng"
	recordWaiting   = 8 << 20 // bytes of frames that may wait for the reader; what comes when they are full is lost
	recordOverhead  = 128     // bytes that a waiting frame takes beside its own
	recordFlush     = 100 * time.Millisecond
	recordStatistic = time.Second // between two words about what was lost
)

// Recording chooses what GET …/record sends. The zero value is everything.
type Recording struct {
	Dropped bool   // only what was dropped, or would have been
	To      string // cloud or customer; empty: both
}

func (c *Recording) wants(f *state.RecordedFrame) bool {
	if c.Dropped && f.Reason == "" && f.WouldDrop == "" {
		return false
	}
	return c.To == "" || f.Direction.String() == "to-"+c.To
}

// getRecord streams frames as pcapng, each with its verdict as a comment, until the reader goes. It is the customers'
// payload: who may only read the gateway's state may not read that.
func (s *Server) getRecord(w http.ResponseWriter, r *http.Request) {
	if s.refusesFrames(w, r) {
		return
	}
	choice, err := parseRecording(r.URL.Query())
	if err != nil {
		problemf(http.StatusBadRequest, "%v", err).write(w)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(serveContext(r), cancel)()
	name := r.PathValue("name")
	frames := make(chan state.RecordedFrame, 1024)
	ended, err := s.gw.Record(ctx, name, frames)
	switch {
	case errors.Is(err, ErrBusy):
		problemf(http.StatusServiceUnavailable, "%v: end one of them first", err).write(w)
		return
	case err != nil:
		problemOf(err, name).write(w)
		return
	}
	peer, _ := peerOf(r.Context())
	s.opts.Log.With(peer.attributes()...).Info("recording", "extension", name)
	w.Header().Set("Content-Type", mediaPcapng)
	w.Header().Set("Cache-Control", "no-store")
	waiting := &waitingFrames{choice: choice}
	go waiting.collect(ctx, frames)
	writeRecording(ctx, newStream(w, s.opts.StreamWrite), name, waiting, ended)
	cancel()
	<-ended
}

// refusesFrames refuses customers' frames to those who may only read.
func (s *Server) refusesFrames(w http.ResponseWriter, r *http.Request) bool {
	peer, known := peerOf(r.Context())
	if known && accessOf(peer, s.opts.LookupGroup) == accessChange {
		return false
	}
	refuse(w, fmt.Sprintf("%v may not read customers' frames: %s", peer, peer.admission(GroupChange)))
	return true
}

func parseRecording(query url.Values) (Recording, error) {
	var c Recording
	if text := query.Get("dropped"); text != "" {
		dropped, err := strconv.ParseBool(text)
		if err != nil {
			return c, fmt.Errorf("dropped is %q: true or false is allowed", text)
		}
		c.Dropped = dropped
	}
	c.To = query.Get("to")
	if c.To != "" && c.To != "cloud" && c.To != "customer" {
		return c, fmt.Errorf("to is %q: cloud or customer is allowed", c.To)
	}
	return c, nil
}

// waitingFrames are those that the reader has not taken yet. The data plane never waits for a reader.
type waitingFrames struct {
	choice Recording

	mu     sync.Mutex // guards the following
	frames []state.RecordedFrame
	bytes  int
	seen   uint64 // that the reader wants, lost ones too
	lost   uint64
}

// collect takes frames until ctx ends.
func (q *waitingFrames) collect(ctx context.Context, frames <-chan state.RecordedFrame) {
	for {
		select {
		case f := <-frames:
			q.add(f)
		case <-ctx.Done():
			return
		}
	}
}

func (q *waitingFrames) add(f state.RecordedFrame) {
	if !q.choice.wants(&f) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen++
	size := len(f.Bytes) + recordOverhead
	if q.bytes+size > recordWaiting {
		q.lost++
		return
	}
	q.frames = append(q.frames, f)
	q.bytes += size
}

// take returns what waits, and how much was seen and lost so far.
func (q *waitingFrames) take() (frames []state.RecordedFrame, seen, lost uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	frames, q.frames, q.bytes = q.frames, nil, 0
	return frames, q.seen, q.lost
}

// writeRecording writes until ctx or the recording ends, or the reader takes nothing any more.
func writeRecording(ctx context.Context, out *stream, name string, waiting *waitingFrames, ended <-chan error) {
	w, err := pcapng.NewWriter(&out.buf, "drawbridge", name, "extension "+name+", without the circuit's tags", 0)
	out.flush()
	tick := time.NewTicker(recordFlush)
	defer tick.Stop()
	var told time.Time
	for err == nil && out.err == nil {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case now := <-tick.C:
			frames, seen, lost := waiting.take()
			for i := range frames {
				if err = w.Write(packetOf(&frames[i])); err == nil && out.buf.Len() > streamBuffer {
					out.flush()
				}
			}
			if now.Sub(told) >= recordStatistic {
				told, err = now, errors.Join(err, w.Statistics(now, seen, lost))
			}
			if out.buf.Len() > 0 {
				out.flush()
			}
		}
	}
}

func packetOf(f *state.RecordedFrame) pcapng.Packet {
	verdict := pcapng.Verdict(f.Direction.String(), f.Reason)
	if f.WouldDrop != "" {
		verdict += ", would be dropped: " + f.WouldDrop
	}
	return pcapng.Packet{At: f.At, Size: f.Size, Bytes: f.Bytes, Comment: verdict, ToCloud: f.Direction == l2.ToCloud}
}

// Record hands over a capture in pcapng, block by block, until ctx ends. ErrRecordingEnded: the daemon, or the extension, went before.
func (c *Client) Record(ctx context.Context, ext string, choice Recording, take func(block []byte) error) error {
	query := url.Values{}
	if choice.Dropped {
		query.Set("dropped", "true")
	}
	if choice.To != "" {
		query.Set("to", choice.To)
	}
	path := extensionPath(ext, "record")
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	resp, err := c.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for {
		block, err := pcapng.ReadBlock(resp.Body)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
				return fmt.Errorf("%w: it ended itself, or extension %s was removed", ErrRecordingEnded, ext)
			}
			return fmt.Errorf("read the recording: %w", err)
		}
		if err := take(block); err != nil {
			return err
		}
	}
}
