// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// The files of the state directory.
const (
	LastGoodFile = "last-good.yaml" // the configuration that was applied last
	operatorFile = "operator.json"  // bridges that the operator raised
	bridgesFile  = "bridges.json"   // what users were told about bridges
	nicsFile     = "nics.json"      // settings of NICs before we changed them
	eventsFile   = "events.jsonl"   // the event log
	eventsOld    = "events.jsonl.1" // the part before it

	recordingsDir = "recordings" // what trips left behind
	newSuffix     = ".new"       // of a file that is being written
)

// Store is the state directory. A reader sees a file's old content or its new one, never a part, also
// after a power cut. Safe for concurrent use by different files.
type Store struct {
	dir    string
	failed atomic.Uint64
}

// OpenStore makes the directory when it is missing, for its owner only.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("protect state directory: %w", err)
	}
	return &Store{dir: dir}, nil
}

// Failed counts writes that did not reach the disk since start.
func (s *Store) Failed() uint64 { return s.failed.Load() }

// path names a file of the directory.
func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// write replaces a file as a whole.
func (s *Store) write(name string, data []byte) error {
	if err := s.replace(name, data); err != nil {
		s.failed.Add(1)
		return fmt.Errorf("write %s: %w", s.path(name), err)
	}
	return nil
}

func (s *Store) replace(name string, data []byte) error {
	temp := s.path(name + newSuffix)
	if err := writeSynced(temp, data); err != nil {
		_ = os.Remove(temp) // it may hold the last free block of a full disk
		return err
	}
	if err := os.Rename(temp, s.path(name)); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read returns a file's content; nothing when there is no such file.
func (s *Store) read(name string) ([]byte, error) {
	data, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// writeJSON replaces a file by the value's JSON.
func (s *Store) writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return s.write(name, append(data, '\n'))
}

// readJSON fills v from a file; a missing file leaves it as it is.
func (s *Store) readJSON(name string, v any) error {
	data, err := s.read(name)
	if err != nil || len(data) == 0 {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", s.path(name), err)
	}
	return nil
}

// LastGood returns the text of the configuration that was applied last; nothing when there is none.
func (s *Store) LastGood() ([]byte, error) { return s.read(LastGoodFile) }

// others is the room in bytes that everything but recordings takes or may come to take.
func (s *Store) others() int64 {
	sum := int64(2 * logFileSize)
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return sum // then nothing will be written either
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && e.Name() != eventsFile && e.Name() != eventsOld {
			sum += info.Size()
		}
	}
	return sum
}

// Remove deletes what a gateway wrote, and the directory when nothing else is in it.
func (s *Store) Remove() error {
	errs := []error{os.RemoveAll(s.path(recordingsDir))}
	for _, name := range storeFiles {
		for _, n := range []string{name, name + newSuffix} {
			if err := os.Remove(s.path(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
