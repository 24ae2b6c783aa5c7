// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sort"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// The sizes of bpf/abi.h that the Go side needs.
const (
	maxExtensions = 4096
	maxNICs       = 512
	maxVTEPs      = 4096
	maxPeers      = 128
	maxUplinks    = 4
)

//go:embed abi/*.o
var objectFiles embed.FS

// ObjectHash names the embedded programs: SHA-256 over all BPF objects, in hexadecimal.
func ObjectHash() string {
	entries, err := objectFiles.ReadDir("abi")
	if err != nil {
		return ""
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	h := sha256.New()
	for _, e := range entries {
		data, err := objectFiles.ReadFile("abi/" + e.Name())
		if err != nil {
			return ""
		}
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// objects are the loaded programs and all maps, by their names in C.
type objects struct {
	maps     map[string]*ebpf.Map
	specs    map[string]*ebpf.MapSpec // what the maps were made of, or would be
	programs map[string]*ebpf.Program
	ids      map[string]ebpf.ProgramID
}

// collections are the embedded objects, as they are loaded.
func collections() ([]*ebpf.CollectionSpec, error) {
	var all []*ebpf.CollectionSpec
	for _, load := range []func() (*ebpf.CollectionSpec, error){abi.LoadTc, abi.LoadXdp, abi.LoadAdmin} {
		spec, err := load()
		if err != nil {
			return nil, fmt.Errorf("read embedded BPF object: %w", err)
		}
		if err := errors.Join(sizeFlows(spec), sizeHits(spec)); err != nil {
			return nil, err
		}
		all = append(all, spec)
	}
	return all, nil
}

// mapsOf are all maps of the collections: where several have one of a name, it is the same.
func mapsOf(all []*ebpf.CollectionSpec) map[string]*ebpf.MapSpec {
	specs := map[string]*ebpf.MapSpec{}
	for _, c := range all {
		for name, m := range c.Maps {
			if specs[name] == nil {
				specs[name] = m
			}
		}
	}
	return specs
}

// loadObjects adopts maps that are pinned, makes those that are not or that are of another layout, and loads all programs
// over them. What is replaced is the second result; nil when nothing is.
func loadObjects(p pins, all []*ebpf.CollectionSpec) (*objects, *succession, error) {
	o := &objects{maps: map[string]*ebpf.Map{}, programs: map[string]*ebpf.Program{}, specs: mapsOf(all), ids: map[string]ebpf.ProgramID{}}
	replaced, err := o.openMaps(p, o.specs)
	if err != nil {
		return nil, nil, errors.Join(err, o.close())
	}
	if err := o.mapMemory(); err != nil {
		return nil, nil, errors.Join(err, o.close(), replaced.close())
	}
	for _, c := range all {
		if err := o.load(c); err != nil {
			return nil, nil, errors.Join(err, o.close(), replaced.close())
		}
	}
	return o, replaced, nil
}

// mapMemory maps what is read without system calls, 128 KiB a CPU. The library does that when it is first asked, and not for two at once.
func (o *objects) mapMemory() error {
	m := o.maps["hits"]
	if m == nil {
		return nil
	}
	if _, err := m.Memory(); err != nil {
		return fmt.Errorf("map memory of %s: %w", m, err)
	}
	return nil
}

func (o *objects) load(c *ebpf.CollectionSpec) error {
	replace := map[string]*ebpf.Map{}
	for name := range c.Maps {
		replace[name] = o.maps[name]
	}
	coll, err := ebpf.NewCollectionWithOptions(c, ebpf.CollectionOptions{MapReplacements: replace})
	if err != nil {
		return fmt.Errorf("load BPF programs: %w", err)
	}
	defer coll.Close()
	for name := range coll.Programs {
		o.programs[name] = coll.DetachProgram(name)
		info, err := o.programs[name].Info()
		if err != nil {
			return fmt.Errorf("read ID of program %s: %w", name, err)
		}
		o.ids[name], _ = info.ID()
	}
	return nil
}

// openMaps decides which generation of maps the programs get.
func (o *objects) openMaps(p pins, specs map[string]*ebpf.MapSpec) (*succession, error) {
	if err := p.settle(); err != nil {
		return nil, err
	}
	current, err := openGeneration(p.maps(), specs)
	if err != nil {
		return nil, err
	}
	if len(current.maps) == 0 {
		return nil, o.makeMaps(specs, nil, p.maps())
	}
	older, err := openGeneration(p.oldMaps(), specs)
	if err != nil {
		return nil, errors.Join(err, current.close())
	}
	anew := current.unfit(specs)
	if len(anew) > 0 && len(older.unfit(specs)) == 0 { // a way back from an exchange that was not finished
		if err := p.goBack(); err != nil {
			return nil, errors.Join(err, current.close(), older.close())
		}
		current, older, anew = older, current, nil
	}
	if len(anew) == 0 {
		o.maps = current.maps
		return resume(older, o.maps), nil
	}
	err = errors.Join(older.close(), makeFolder(p.newMaps()))
	if err == nil {
		err = o.share(current, anew, p.newMaps())
	}
	if err == nil {
		err = o.makeMaps(specs, o.maps, p.newMaps())
	}
	if err != nil {
		return nil, errors.Join(err, current.close())
	}
	return &succession{old: current, anew: anew}, nil
}

// makeMaps makes the maps that are not there yet and pins them in a folder.
func (o *objects) makeMaps(specs map[string]*ebpf.MapSpec, there map[string]*ebpf.Map, dir string) error {
	for name, spec := range specs {
		if there[name] != nil {
			continue
		}
		spec = spec.Copy()
		spec.Pinning = ebpf.PinNone
		m, err := ebpf.NewMap(spec)
		if err != nil {
			return fmt.Errorf("create map %s: %w", name, err)
		}
		o.maps[name] = m
		if err := m.Pin(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("pin map %s: %w", name, err)
		}
	}
	return nil
}

// share pins the maps that stay in another folder too.
func (o *objects) share(g *generation, anew map[string]bool, dir string) error {
	for name, m := range g.maps {
		if anew[name] {
			continue
		}
		same, err := m.Clone()
		if err != nil {
			return fmt.Errorf("open map %s: %w", name, err)
		}
		o.maps[name] = same
		if err := same.Pin(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("pin map %s: %w", name, err)
		}
	}
	return nil
}

func (o *objects) close() error {
	var errs []error
	for _, m := range o.maps {
		errs = append(errs, m.Close())
	}
	for _, p := range o.programs {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// memory is what the maps hold in the kernel, in bytes.
func (o *objects) memory() uint64 {
	var sum uint64
	for _, m := range o.maps {
		info, err := m.Info()
		if err != nil {
			continue
		}
		if n, ok := info.Memlock(); ok {
			sum += n
		}
	}
	return sum
}
