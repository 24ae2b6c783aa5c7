// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/gateway"
)

// source is where the configuration comes from, also a faulty one.
type source interface {
	gateway.Source
	stateDir() string
	path() string // of the file; empty when there is none
}

// initial is the configuration that a daemon starts with.
type initial struct {
	cfg   *config.Config
	text  []byte // that cfg was made of; nil for flags
	fault error  // why the source's own configuration is not it; nil when it is
}

// errFaulty says that there is no configuration to start with.
var errFaulty = errors.New("no usable configuration")

// loadInitial reads the source or, when that is faulty, the last good configuration. The error is about
// both when neither can be used.
func loadInitial(s source) (initial, error) {
	cfg, text, err := s.Load()
	if err == nil {
		return initial{cfg: cfg, text: text}, nil
	}
	dir := s.stateDir()
	file := filepath.Join(dir, gateway.LastGoodFile)
	last, text, lastErr := fileSource(file).lastGood(dir)
	if errors.Is(lastErr, os.ErrNotExist) {
		return initial{}, &faultyError{err, fmt.Errorf("there is no last good one in %s", dir)}
	}
	if lastErr != nil {
		return initial{}, &faultyError{err, fmt.Errorf("the last good one cannot be used: %w", lastErr)}
	}
	return initial{cfg: last, text: text, fault: err}, nil
}

// lastGood reads a last good configuration of a state directory.
func (s fileSource) lastGood(dir string) (*config.Config, []byte, error) {
	cfg, text, err := s.Load()
	if err != nil {
		return nil, nil, err
	}
	if cfg.Gateway.State != dir {
		return nil, nil, fmt.Errorf("it keeps its state in %s, not in %s", cfg.Gateway.State, dir)
	}
	return cfg, text, nil
}

// faultyError is a configuration that cannot be used, and why nothing can stand in for it.
type faultyError struct{ fault, standIn error }

// Error prints the faults, one a line, and then what is missing.
func (e *faultyError) Error() string {
	return fmt.Sprintf("%v\n%v: %v", e.fault, errFaulty, e.standIn)
}

// Is matches errFaulty.
func (e *faultyError) Is(target error) bool { return target == errFaulty }
