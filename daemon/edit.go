// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/gateway"
)

var (
	_ gateway.Editable = fileSource("")
	_ gateway.Editable = (*watchedFile)(nil)
)

// apiText is what faults call a text that came over the API.
const apiText = "configuration"

// The files beside the configuration file.
const (
	unconfirmedSuffix = ".unconfirmed" // a configuration that came over the API and is not the file's yet
	previousSuffix    = ".previous"    // what the file held before that replaced it
)

// newFileMode is for a configuration file that was not there.
const newFileMode = 0o600

// Parse checks a text that came over the API.
func (s fileSource) Parse(text []byte) (*config.Config, error) {
	return config.Parse(apiText, text)
}

// Stage writes the text beside the file, with the file's owner and mode.
func (s fileSource) Stage(text []byte) error {
	target := s.target()
	return writeLike(target, target+unconfirmedSuffix, text)
}

// Commit keeps the file as it is under another name, and puts the staged text in its place.
func (s fileSource) Commit() error {
	target := s.target()
	former, err := os.ReadFile(target)
	switch {
	case errors.Is(err, fs.ErrNotExist): // somebody removed it: the text takes its place all the same
	case err != nil:
		return err
	default:
		if err := writeLike(target, target+previousSuffix, former); err != nil {
			return err
		}
	}
	if err := os.Rename(target+unconfirmedSuffix, target); err != nil {
		return err
	}
	return syncDir(filepath.Dir(target))
}

// Discard removes the staged text.
func (s fileSource) Discard() (found bool, err error) {
	err = os.Remove(s.target() + unconfirmedSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// target is the file itself where the path is a symbolic link to it: the link stays.
func (s fileSource) target() string {
	if target, err := filepath.EvalSymlinks(string(s)); err == nil {
		return target
	}
	return string(s)
}

// writeLike writes a file as a whole, with owner and mode of another one.
func writeLike(like, path string, data []byte) error {
	mode, owner := fs.FileMode(newFileMode), (*syscall.Stat_t)(nil)
	if info, err := os.Stat(like); err == nil {
		mode = info.Mode().Perm()
		owner, _ = info.Sys().(*syscall.Stat_t)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = fill(f, data, mode, owner)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name())) // it may hold the last free block of a full disk
	}
	return nil
}

func fill(f *os.File, data []byte, mode fs.FileMode, owner *syscall.Stat_t) error {
	if owner != nil {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// syncDir makes a rename survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open the file's directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
