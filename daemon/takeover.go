// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"os"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// takeOver brings what a gateway keeps on disk to its state directory when the last daemon of this boot noted another one. NICs are as
// that daemon made them: without its note they could never be given back what they were. It returns what is to be told; nil: nothing.
func takeOver(store *gateway.Store, name l2.Name, dir string) *event.Record {
	noted, err := findWhereabouts(name)
	former := noted.State
	if err != nil || !isDir(former) || sameFile(former, dir) {
		return nil // a note that cannot be read names no directory
	}
	taken, err := takeFrom(store, name, former)
	if err == nil && taken {
		noted.State = dir
		err = noted.write() // at once: nothing is in the former one any more
	}
	switch {
	case err != nil:
		return &event.Record{
			Kind: event.Hint, Severity: event.Warning,
			Message: fmt.Sprintf("the state of gateway %s was not taken over from %s to %s, or not all of it: %v (what is noted there of NICs comes back with uninstall-state --state %s)",
				name, former, dir, err, former),
			Detail: map[string]any{"from": former, "to": dir},
		}
	case !taken:
		return nil
	}
	return &event.Record{
		Kind: event.Hint, Severity: event.Info,
		Message: fmt.Sprintf("the state of gateway %s was taken over from %s to %s", name, former, dir),
		Detail:  map[string]any{"from": former, "to": dir},
	}
}

// takeFrom moves the files while no daemon has the former directory, which is removed in the end.
func takeFrom(store *gateway.Store, name l2.Name, dir string) (taken bool, err error) {
	former, err := gateway.OpenStore(dir)
	if err == nil {
		err = former.Serves(name)
	}
	if err != nil {
		return false, err
	}
	err = installed{name: name, dir: dir}.withLock(func() (err error) {
		taken, err = store.TakeOver(former)
		return err
	})
	return taken, err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, also := os.Stat(b)
	return err == nil && also == nil && os.SameFile(x, y)
}
