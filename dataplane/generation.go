// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A generation is a set of maps that programs work on. There is more than one only while maps of another layout take the
// place of what they differ from. What does not differ is in both.
//
//	maps      the one that counts
//	maps-new  being made: worthless until it takes the place of maps
//	maps-old  replaced, and perhaps still worked on by programs that were not exchanged yet
type generation struct {
	maps    map[string]*ebpf.Map
	layouts map[string]mapLayout
	formats layout
}

// openGeneration opens all maps that are pinned in a folder and have a name of this version.
func openGeneration(dir string, specs map[string]*ebpf.MapSpec) (*generation, error) {
	g := &generation{maps: map[string]*ebpf.Map{}, layouts: map[string]mapLayout{}}
	for name, spec := range specs {
		path := dir + "/" + name
		if isMissing(path) {
			continue
		}
		m, err := ebpf.LoadPinnedMap(path, nil)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open pinned map %s: %w", path, err), g.close())
		}
		g.maps[name], g.layouts[name] = m, pinnedLayout(m, spec)
	}
	g.formats = g.layouts["formats"].value
	return g, nil
}

func (g *generation) close() error {
	var errs []error
	for _, m := range g.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// fits reports whether a map can be used as it is.
func (g *generation) fits(name string, spec *ebpf.MapSpec, formats layout) bool {
	m := g.maps[name]
	if m == nil || spec.Compatible(m) != nil || !g.layouts[name].same(wantedLayout(spec)) {
		return false
	}
	if !g.formats.known {
		return true
	}
	if path, ok := spoken[name]; ok && !g.formats.sameWithin(formats, path) {
		return false
	}
	return !slices.Contains(counted, name) || g.formats.sameWithin(formats, "reason")
}

// unfit lists the maps that must be made anew: those that differ or are missing, with all of their families.
func (g *generation) unfit(specs map[string]*ebpf.MapSpec) map[string]bool {
	formats := formatsOf(specs)
	anew := map[string]bool{}
	for name, spec := range specs {
		if !g.fits(name, spec, formats) {
			anew[name] = true
		}
	}
	for _, family := range families {
		if !slices.ContainsFunc(family, func(name string) bool { return anew[name] }) {
			continue
		}
		for _, name := range family {
			anew[name] = true
		}
	}
	for name := range identities {
		if len(g.maps) > 0 && anew[name] && !g.isCarried(name, specs[name]) {
			g.forget()
			return g.unfit(specs)
		}
	}
	return anew
}

// isCarried reports whether an identity can be carried over.
func (g *generation) isCarried(name string, spec *ebpf.MapSpec) bool {
	if g.maps[name] == nil {
		return false
	}
	from, to := g.layouts[name], wantedLayout(spec)
	key, keys := translate(from.key, to.key)
	_, values := translate(from.value, to.value)
	return keys && values && key.lossless(from.key)
}

// forget makes a generation one of which nothing can be used. Its programs go on with it until they are exchanged.
func (g *generation) forget() {
	for name, m := range g.maps {
		_ = m.Close()
		delete(g.maps, name)
	}
}

// renumbered is a layout whose drops are in the order of this version's reasons.
func (g *generation) renumbered(name string, l layout, formats layout) layout {
	if !slices.Contains(counted, name) || !l.known || !g.formats.known || g.formats.sameWithin(formats, "reason") {
		return l
	}
	numbers := map[string]string{} // the path's end: of the old number, the new one
	now := reasonNumbers(formats)
	for reason, old := range reasonNumbers(g.formats) {
		if n, ok := now[reason]; ok {
			numbers["drops["+old+"]"], numbers["would_drop["+old+"]"] = "drops["+n+"]", "would_drop["+n+"]"
		}
	}
	l.fields = slices.Clone(l.fields)
	for i, f := range l.fields {
		if strings.Contains(f.path, "drop") {
			l.fields[i].path = numbers[f.path]
		}
	}
	return l
}

// reasonNumbers are the numbers of enum drop_reason by its names.
func reasonNumbers(formats layout) map[string]string {
	numbers := map[string]string{}
	for _, f := range formats.within("reason") {
		for _, pair := range f.names {
			name, number, _ := strings.Cut(pair, "=")
			numbers[name] = number
		}
	}
	return numbers
}

func formatsOf(specs map[string]*ebpf.MapSpec) layout {
	if s := specs["formats"]; s != nil {
		return wantedLayout(s).value
	}
	return layout{}
}

// The folders of generations. The BPF file system allows no dots.

func (p *pins) newMaps() string { return p.maps() + "-new" }
func (p *pins) oldMaps() string { return p.maps() + "-old" }

// settle puts folders in order that a process left which ended in the middle: the one that counts is maps, and what was
// only begun is gone.
func (p *pins) settle() error {
	if isMissing(p.maps()) && !isMissing(p.oldMaps()) {
		from := p.oldMaps() // nothing was finished to take its place
		if !isMissing(p.newMaps()) {
			from = p.newMaps() // it was finished: maps goes away only then
		}
		if err := os.Rename(from, p.maps()); err != nil {
			return fmt.Errorf("put maps in their place: %w", err)
		}
	}
	return errors.Join(removeFolder(p.newMaps()), makeFolder(p.maps()))
}

// makeRoom and succeed put the new maps in the place of the old ones.
func (p *pins) makeRoom() error {
	err := removeFolder(p.oldMaps())
	if err == nil && !isMissing(p.maps()) {
		err = os.Rename(p.maps(), p.oldMaps())
	}
	if err != nil {
		return fmt.Errorf("make room for new maps: %w", err)
	}
	return nil
}

func (p *pins) succeed() error {
	if err := os.Rename(p.newMaps(), p.maps()); err != nil {
		return fmt.Errorf("put new maps in the place of the old: %w", err)
	}
	return nil
}

// goBack exchanges maps with those that they had replaced.
func (p *pins) goBack() error {
	if err := unix.Renameat2(unix.AT_FDCWD, p.maps(), unix.AT_FDCWD, p.oldMaps(), unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("go back to the maps of before: %w", err)
	}
	return nil
}

func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create %s: %w", dir, err)
	}
	return nil
}

func removeFolder(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}
