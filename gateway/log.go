// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
)

const (
	keptRecords     = 4096 // records in memory
	subscriberQueue = 256  // records that a subscriber may be behind: 27 kB for each of hundreds
)

// Log is the event log: the newest records in memory, all of them in a file of bounded size, and a copy
// for each subscriber. Safe for concurrent use; appending does not wait for anyone but the disk.
type Log struct {
	logger *slog.Logger
	now    func() time.Time

	mu   sync.Mutex // guards what follows
	file *logFile
	ring []event.Record // oldest first once it wraps at next
	next int
	seq  uint64
	subs map[chan event.Record]struct{}
}

// OpenLog reads what the store holds, so that numbers go on where they stopped.
func OpenLog(s *Store, logger *slog.Logger, now func() time.Time) (*Log, error) {
	file, old, err := openLogFile(s)
	if err != nil {
		return nil, err
	}
	l := &Log{logger: logger, now: now, file: file, subs: map[chan event.Record]struct{}{}}
	for _, r := range old {
		l.keep(r)
		l.seq = max(l.seq, r.Seq)
	}
	return l, nil
}

// Append numbers and stamps a record, and passes it on.
func (l *Log) Append(r event.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	r.Seq, r.Time = l.seq, l.now().UTC()
	if r.Detail == nil {
		r.Detail = map[string]any{}
	}
	l.keep(r)
	if err := l.file.append(r); err != nil {
		l.logger.Error("event log not written", "err", err)
	}
	l.print(r)
	for ch := range l.subs {
		l.offer(ch, r)
	}
}

// offer hands a record over, or drops a subscriber that does not keep up: its channel is closed, and
// it may come back with the number of the last record that it saw.
func (l *Log) offer(ch chan event.Record, r event.Record) {
	select {
	case ch <- r:
	default:
		delete(l.subs, ch)
		close(ch)
	}
}

func (l *Log) keep(r event.Record) {
	if len(l.ring) < keptRecords {
		l.ring = append(l.ring, r)
		return
	}
	l.ring[l.next] = r
	l.next = (l.next + 1) % keptRecords
}

func (l *Log) print(r event.Record) {
	level := map[event.Severity]slog.Level{
		event.Info: slog.LevelInfo, event.Warning: slog.LevelWarn, event.Error: slog.LevelError,
	}[r.Severity]
	attrs := []slog.Attr{slog.Uint64("seq", r.Seq), slog.String("kind", string(r.Kind))}
	if r.Extension != "" {
		attrs = append(attrs, slog.String("extension", r.Extension))
	}
	l.logger.LogAttrs(context.Background(), level, r.Message, attrs...)
}

// Since returns the kept records with a number above seq, oldest first.
func (l *Log) Since(seq uint64) []event.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append(slices.Clone(l.ring[l.next:]), l.ring[:l.next]...)
	for i, r := range all {
		if r.Seq > seq {
			return all[i:]
		}
	}
	return nil
}

// Subscribe returns the records that are appended from now on. The channel is closed by cancel, by
// Close, or when the reader is too far behind.
func (l *Log) Subscribe() (<-chan event.Record, func()) {
	ch := make(chan event.Record, subscriberQueue)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subs[ch] = struct{}{}
	return ch, func() { l.unsubscribe(ch) }
}

func (l *Log) unsubscribe(ch chan event.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, subscribed := l.subs[ch]; subscribed {
		delete(l.subs, ch)
		close(ch)
	}
}

// Close ends all subscriptions and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ch := range l.subs {
		delete(l.subs, ch)
		close(ch)
	}
	return l.file.close()
}
