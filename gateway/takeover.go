// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// storeFiles are all files of the state directory, but for recordings. The note of how NICs were is the last: a directory that has it
// is a gateway's own.
var storeFiles = []string{LastGoodFile, operatorFile, bridgesFile, eventsFile, eventsOld, nicsFile}

// TakeOver moves what a gateway keeps from its former state directory to this one, before anything is read here. A directory that has a
// note of NICs already keeps what it has, and the error says so. What ends in the middle can be done again, and what cannot be
// moved stays where it is. It reports whether there was anything.
func (s *Store) TakeOver(former *Store) (taken bool, err error) {
	names, err := former.kept()
	if err != nil || len(names) == 0 {
		return false, err
	}
	own, err := s.read(nicsFile)
	if err != nil {
		return false, err
	}
	if own != nil {
		return false, fmt.Errorf("%s is there already", s.path(nicsFile))
	}
	var errs []error
	for _, name := range names {
		if err := s.take(former, name); err != nil {
			errs = append(errs, fmt.Errorf("move %s: %w", former.path(name), err))
		}
	}
	if len(errs) > 0 {
		return true, errors.Join(errs...)
	}
	return true, former.Remove()
}

// kept names all that a gateway has in the directory, recordings too.
func (s *Store) kept() ([]string, error) {
	var names []string
	recordings, err := os.ReadDir(s.path(recordingsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, r := range recordings {
		names = append(names, filepath.Join(recordingsDir, r.Name()))
	}
	for _, name := range storeFiles {
		if _, err := os.Stat(s.path(name)); err == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// take moves one file. To another file system it is written anew.
func (s *Store) take(former *Store, name string) error {
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700); err != nil {
		return err
	}
	err := os.Rename(former.path(name), s.path(name))
	if !errors.Is(err, syscall.EXDEV) {
		return errors.Join(err, syncDir(s.dir))
	}
	data, err := former.read(name)
	if err == nil {
		err = s.write(name, data)
	}
	if err == nil {
		err = os.Remove(former.path(name))
	}
	return err
}
