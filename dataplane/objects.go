// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"unsafe"

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
	programs map[string]*ebpf.Program
	ids      map[string]ebpf.ProgramID
}

// loadObjects opens or creates every map, then loads all programs over them.
func loadObjects(p pins) (*objects, error) {
	o := &objects{maps: map[string]*ebpf.Map{}, programs: map[string]*ebpf.Program{}, ids: map[string]ebpf.ProgramID{}}
	for _, load := range []func() (*ebpf.CollectionSpec, error){abi.LoadTc, abi.LoadXdp, abi.LoadAdmin} {
		spec, err := load()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read embedded BPF object: %w", err), o.close())
		}
		if err := sizeFlows(spec); err != nil {
			return nil, errors.Join(err, o.close())
		}
		if err := o.add(spec, p); err != nil {
			return nil, errors.Join(err, o.close())
		}
	}
	return o, nil
}

func (o *objects) add(spec *ebpf.CollectionSpec, p pins) error {
	replace := map[string]*ebpf.Map{}
	for name, m := range spec.Maps {
		if o.maps[name] == nil {
			opened, err := openMap(name, m, p)
			if err != nil {
				return err
			}
			o.maps[name] = opened
		}
		replace[name] = o.maps[name]
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: replace})
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

// Recent flows: all CPUs' parts together take at most so many bytes, and a part has at least and at most so many flows.
const (
	flowsMemory = 32 << 20
	fewestFlows = 256
	mostFlows   = 1 << 16
)

// flowsOf is how many recent flows each CPU keeps: a power of two.
func flowsOf(cpus int) uint32 {
	n := uint32(mostFlows)
	for n > fewestFlows && uint64(n)*uint64(cpus)*uint64(unsafe.Sizeof(abi.TcFlow{})) > flowsMemory {
		n /= 2
	}
	return n
}

// sizeFlows makes the map of recent flows fit the machine.
func sizeFlows(spec *ebpf.CollectionSpec) error {
	m := spec.Maps["recent_flows"]
	if m == nil {
		return nil
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	m.MaxEntries = flowsOf(cpus) * uint32(cpus)
	return nil
}

// openMap adopts a pinned map, or creates and pins it.
func openMap(name string, spec *ebpf.MapSpec, p pins) (*ebpf.Map, error) {
	path := p.mapPath(name)
	spec = spec.Copy()
	spec.Pinning = ebpf.PinNone
	if !isMissing(path) {
		m, err := ebpf.LoadPinnedMap(path, nil)
		if err != nil {
			return nil, fmt.Errorf("open pinned map %s: %w", path, err)
		}
		if err := spec.Compatible(m); err != nil {
			_ = m.Close()
			return nil, fmt.Errorf("adopt map %s: %w: it was written by another version; run drawbridge uninstall-state --name %s first", path, err, p.gateway)
		}
		return m, nil
	}
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("create map %s: %w", name, err)
	}
	if err := m.Pin(path); err != nil {
		_ = m.Close()
		return nil, fmt.Errorf("pin map %s: %w", path, err)
	}
	return m, nil
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
