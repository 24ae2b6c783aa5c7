// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// runDir has a note for each gateway of this boot.
var runDir = "/run/drawbridge"

// whereabouts is where a gateway keeps what it keeps, so that its name alone is enough to find it: the BPF
// file system, where its name stands, holds no files.
type whereabouts struct {
	Gateway   l2.Name `json:"gateway"`
	State     string  `json:"state"`     // directory
	Socket    string  `json:"socket"`    // of the API
	Namespace string  `json:"namespace"` // of the network
}

func whereaboutsFile(name l2.Name) string { return filepath.Join(runDir, string(name)+".json") }

// write replaces the gateway's note as a whole.
func (w whereabouts) write() error {
	text, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return fmt.Errorf("encode whereabouts: %w", err)
	}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return fmt.Errorf("note whereabouts: %w", err)
	}
	file := whereaboutsFile(w.Gateway)
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("note whereabouts: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("note whereabouts: %w", err)
	}
	return nil
}

// findWhereabouts reads a gateway's note; the zero value when there is none.
func findWhereabouts(name l2.Name) (whereabouts, error) {
	text, err := os.ReadFile(whereaboutsFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return whereabouts{}, nil
	}
	var w whereabouts
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	if err != nil {
		return whereabouts{}, fmt.Errorf("read %s: %w (remedy: name the state directory with --state)", whereaboutsFile(name), err)
	}
	return w, nil
}

// forgetWhereabouts removes the note, and the directory when nothing else is in it. What is gone is success.
func forgetWhereabouts(name l2.Name) error {
	for _, file := range []string{whereaboutsFile(name), whereaboutsFile(name) + ".new"} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget whereabouts: %w", err)
		}
	}
	removeEmpty(runDir)
	return nil
}
