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

// runDir has a note for each gateway of this boot. keptDir has one that outlives it, for those that keep their state elsewhere
// than in the default directory: a configuration that cannot be read does not say where.
var (
	runDir  = "/run/drawbridge"
	keptDir = filepath.Join(defaultState, "elsewhere")
)

// whereabouts is where a gateway keeps what it keeps, so that its name alone is enough to find it: the BPF
// file system, where its name stands, holds no files.
type whereabouts struct {
	Gateway   l2.Name `json:"gateway"`
	State     string  `json:"state"`     // directory
	Socket    string  `json:"socket"`    // of the API
	Namespace string  `json:"namespace"` // of the network
	Config    string  `json:"config"`    // file; empty when it was given by flags
}

func whereaboutsFile(name l2.Name) string { return filepath.Join(runDir, string(name)+".json") }

func keptFile(name l2.Name) string { return filepath.Join(keptDir, string(name)+".json") }

// write replaces the gateway's note as a whole.
func (w whereabouts) write() error {
	text, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return fmt.Errorf("encode whereabouts: %w", err)
	}
	err = replaceNote(whereaboutsFile(w.Gateway), append(text, '\n'))
	if w.State == defaultState {
		return errors.Join(err, removeNote(keptFile(w.Gateway)))
	}
	return errors.Join(err, replaceNote(keptFile(w.Gateway), append(text, '\n')))
}

func replaceNote(file string, text []byte) error {
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file+".new", text, 0o644)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		return fmt.Errorf("note whereabouts: %w", err)
	}
	return nil
}

func removeNote(file string) error {
	for _, f := range []string{file, file + ".new"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget whereabouts: %w", err)
		}
	}
	return nil
}

// notedState is where the gateway of a configuration file keeps its state, by its own notes; empty when there is none.
func notedState(config string) string {
	for _, dir := range []string{runDir, keptDir} {
		files, _ := filepath.Glob(filepath.Join(dir, "*.json")) // fails only for a bad pattern
		for _, file := range files {
			var w whereabouts
			text, err := os.ReadFile(file)
			if err == nil && json.Unmarshal(text, &w) == nil && w.Config == config && w.State != "" {
				return w.State
			}
		}
	}
	return ""
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

// forgetWhereabouts removes the notes, and their directories when nothing else is in them. What is gone is success.
func forgetWhereabouts(name l2.Name) error {
	err := errors.Join(removeNote(whereaboutsFile(name)), removeNote(keptFile(name)))
	removeEmpty(runDir)
	removeEmpty(keptDir)
	removeEmpty(filepath.Dir(keptDir))
	return err
}
