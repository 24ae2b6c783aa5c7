// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/drawbridge-l2/drawbridge/config"
)

// DefaultConfig is where the configuration is when nothing else is said.
const DefaultConfig = "/etc/drawbridge/drawbridge.yaml"

// defaultState is the state directory when the configuration names none.
const defaultState = "/var/lib/drawbridge"

// fileSize bounds what is read of a configuration, in bytes: one more than config takes.
const fileSize = 8<<20 + 1

// fileSource is a configuration in a file.
type fileSource string

// Load reads and checks the file. The text that it returns is what was checked.
func (s fileSource) Load() (*config.Config, []byte, error) {
	text, err := s.read()
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := config.Parse(string(s), text)
	return c, text, err
}

// watchedFile is a file that is read again and again, by one at a time, and with each change of it.
type watchedFile struct {
	fileSource
	memory config.Memory
}

// remembering makes reading a source again cheap, where that can be.
func remembering(s source) source {
	if file, ok := s.(fileSource); ok {
		return &watchedFile{fileSource: file}
	}
	return s
}

// Load is as a file's.
func (w *watchedFile) Load() (*config.Config, []byte, error) {
	text, err := w.read()
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := w.memory.Parse(string(w.fileSource), text)
	return c, text, err
}

// Parse is as a file's.
func (w *watchedFile) Parse(text []byte) (*config.Config, error) {
	return w.memory.Parse(apiText, text)
}

func (s fileSource) read() ([]byte, error) {
	f, err := os.Open(string(s))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: write one, as `man drawbridge.yaml` shows, or name another with --config", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var text bytes.Buffer
	if info, err := f.Stat(); err == nil {
		text.Grow(int(min(info.Size(), fileSize)) + bytes.MinRead) // thousands of extensions are a megabyte: in one go
	}
	_, err = text.ReadFrom(io.LimitReader(f, fileSize))
	return text.Bytes(), err
}

// stateLine finds gateway.state in a file that cannot be parsed as a whole.
var stateLine = regexp.MustCompile(`(?m)^[ \t]+state:[ \t]*["']?(/[^\s"'#]+)`)

// stateDir is the state directory of a faulty file, so that the last good configuration is found: the one that the file
// seems to name, else the one that the gateway noted when the file was last read.
func (s fileSource) stateDir() string {
	text, _ := s.read() // what cannot be read names no directory
	if found := stateLine.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return cmp.Or(notedState(s.path()), defaultState)
}

// path is the file's absolute name.
func (s fileSource) path() string {
	path, err := filepath.Abs(string(s))
	if err != nil {
		return string(s) // there is no working directory: then the name is good for this process
	}
	return path
}

// flagSource is a configuration on the command line.
type flagSource config.Flags

// Load checks the flags. There is no text.
func (s flagSource) Load() (*config.Config, []byte, error) {
	c, err := config.FromFlags(config.Flags(s))
	return c, nil, err
}

func (s flagSource) stateDir() string {
	if s.State != "" {
		return s.State
	}
	return defaultState
}

func (s flagSource) path() string { return "" }
