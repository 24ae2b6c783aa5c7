// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-l2/drawbridge/pcapng"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	// stateLimit is the most bytes that the state directory holds. Recordings give way to all else.
	stateLimit = 256 << 20
	// recordingTime is how a recording's name tells the time, in UTC.
	recordingTime = "20060102T150405.000Z"
)

// recordings are the captures that trips leave behind, in a directory of the store: the newest ones, as
// far as there is room. Only the loop uses them.
type recordings struct {
	store *Store
	limit int64       // bytes of the whole state directory
	files []recording // oldest first
	size  int64       // bytes of them all
}

// recording is one file.
type recording struct {
	name string
	size int64
	at   time.Time
}

// openRecordings looks at what an earlier daemon left. Half-written files of it are removed.
func openRecordings(s *Store) (*recordings, error) {
	r := &recordings{store: s, limit: stateLimit}
	if err := os.MkdirAll(r.path(""), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of recordings: %w", err)
	}
	entries, err := os.ReadDir(r.path(""))
	if err != nil {
		return nil, fmt.Errorf("read the directory of recordings: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or nobody's recording
		}
		if strings.HasSuffix(e.Name(), newSuffix) {
			_ = os.Remove(r.path(e.Name())) // the next start tries again
			continue
		}
		r.add(recording{e.Name(), info.Size(), info.ModTime()})
	}
	slices.SortStableFunc(r.files, func(a, b recording) int { return a.at.Compare(b.at) })
	return r, nil
}

func (r *recordings) path(name string) string { return filepath.Join(r.store.dir, recordingsDir, name) }

func (r *recordings) add(f recording) {
	r.files = append(r.files, f)
	r.size += f.size
}

// save writes a capture and returns its path. The oldest ones make room.
func (r *recordings) save(name string, capture []byte, now time.Time) (string, error) {
	size := int64(len(capture))
	for len(r.files) > 0 && r.size+size > r.limit-r.store.others() {
		r.removeOldest()
	}
	err := errNoRoom
	if size <= r.limit-r.store.others() {
		err = r.write(name, capture)
	}
	if err != nil {
		r.store.failed.Add(1)
		return "", fmt.Errorf("keep the last frames before a trip: %w", withoutPath(err))
	}
	r.files = slices.DeleteFunc(r.files, func(f recording) bool { // the same name again: it was replaced
		if f.name == name {
			r.size -= f.size
		}
		return f.name == name
	})
	r.add(recording{name, size, now})
	return r.path(name), nil
}

var errNoRoom = errors.New("the state directory has no room for it")

// write replaces a file as a whole. It does not wait for the disk: a power cut may cost the evidence, and
// the loop has more urgent things to do.
func (r *recordings) write(name string, capture []byte) error {
	temp := r.path(name + newSuffix)
	err := os.WriteFile(temp, capture, 0o600)
	if err == nil {
		err = os.Rename(temp, r.path(name))
	}
	if err != nil {
		_ = os.Remove(temp) // it may hold the last free block of a full disk
	}
	return err
}

func (r *recordings) removeOldest() {
	f := r.files[0]
	_ = os.Remove(r.path(f.name)) // somebody may have removed it before
	r.files, r.size = r.files[1:], r.size-f.size
}

// withoutPath takes the file's name out of an error, so that a full disk is one fault and not many.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// capture puts recorded frames into a capture of one extension.
func capture(e state.ExtensionStatus, version string, frames []state.RecordedFrame) ([]byte, error) {
	var out bytes.Buffer
	about := fmt.Sprintf("extension %s: %s %s, VNI %d", e.Name, e.NIC, e.VLAN, e.VNI)
	w, err := pcapng.NewWriter(&out, "drawbridge "+version, string(e.Name), about, 0)
	if err != nil {
		return nil, err
	}
	for _, f := range frames {
		p := pcapng.Packet{At: f.At, Size: f.Size, Bytes: f.Bytes, Comment: pcapng.Verdict(f.Direction.String(), f.Reason)}
		if err := w.Write(p); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}
