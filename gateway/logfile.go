// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/drawbridge-l2/drawbridge/event"
)

// logFileSize is the size in bytes from which the log goes on in a new file; one old file is kept.
const logFileSize = 8 << 20

// logFile is the event log on disk, one JSON object a line.
type logFile struct {
	store *Store
	limit int64
	f     *os.File
	size  int64
}

// openLogFile opens the log for appending and returns the records that are still of interest.
func openLogFile(s *Store) (*logFile, []event.Record, error) {
	var records []event.Record
	for _, name := range []string{eventsOld, eventsFile} {
		r, err := readRecords(s.path(name))
		if err != nil {
			return nil, nil, fmt.Errorf("read event log: %w", err)
		}
		records = append(records, r...)
		records = records[max(0, len(records)-keptRecords):]
	}
	l := &logFile{store: s, limit: logFileSize}
	if err := l.open(); err != nil {
		return nil, nil, fmt.Errorf("open event log: %w", err)
	}
	return l, records, nil
}

// readRecords reads the newest records of a file. A line that a crash tore is passed over.
func readRecords(path string) ([]event.Record, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []event.Record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r event.Record
		if json.Unmarshal(lines.Bytes(), &r) != nil || r.Seq == 0 {
			continue
		}
		if out = append(out, r); len(out) >= 2*keptRecords {
			out = append(out[:0], out[keptRecords:]...)
		}
	}
	return out, lines.Err()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.store.path(eventsFile), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.size = f, info.Size()
	return l.endTornLine()
}

// endTornLine keeps the next record from being glued to what a crash left behind.
func (l *logFile) endTornLine() error {
	last := []byte{'\n'}
	if l.size > 0 {
		if _, err := l.f.ReadAt(last, l.size-1); err != nil {
			return err
		}
	}
	if last[0] == '\n' {
		return nil
	}
	return l.write([]byte{'\n'})
}

// append writes one record. A full disk costs this record only: the next one is tried again.
func (l *logFile) append(r event.Record) error {
	line, err := encodeRecord(r)
	if err != nil {
		return err
	}
	if l.f == nil || l.size >= l.limit {
		if err := l.rotate(); err != nil {
			l.store.failed.Add(1)
			return err
		}
	}
	if err := l.write(line); err != nil {
		l.store.failed.Add(1)
		return err
	}
	return nil
}

func encodeRecord(r event.Record) ([]byte, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(r); err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return b.Bytes(), nil
}

// write appends whole lines: what a full disk cut off is taken back.
func (l *logFile) write(line []byte) error {
	n, err := l.f.Write(line)
	if err != nil && n > 0 && l.f.Truncate(l.size) == nil {
		return err
	}
	l.size += int64(n)
	return err
}

// rotate goes on in a new file and keeps one old one.
func (l *logFile) rotate() error {
	if err := l.close(); err != nil {
		return err
	}
	err := os.Rename(l.store.path(eventsFile), l.store.path(eventsOld))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, l.open())
	}
	return l.open()
}

func (l *logFile) close() error {
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}
