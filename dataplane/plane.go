// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Options say which gateway's state to open.
type Options struct {
	Gateway l2.Name
	BPFFS   string // where the BPF file system is mounted, or shall be; default /sys/fs/bpf

	alter func([]*ebpf.CollectionSpec) // tests: another version's maps
	step  func(string)                 // tests: what the succession of maps has come to; it may panic, as a process may die
}

// Plane is the kernel's side of one gateway.
type Plane struct {
	pins    pins
	alter   func([]*ebpf.CollectionSpec)
	step    func(string)
	objects *objects
	adopted bool
	nonce   uint32 // marks frames that our programs have judged
	tick    uint64 // ns of a jiffy; 0 when the programs' clock stands still at stopped, as in tests
	stopped uint64 // ns

	mu      sync.RWMutex // guards what follows; the kernel's maps need no lock
	slots   slots        // extensions' slots
	nics    slots        // NICs' slots
	vteps   vteps
	tables  tables // what the maps hold
	limits  canonical
	carried carried
	desired *state.Desired
	banks   banks
	unswept bool // FDB entries may lead nowhere
	unclean bool // something that the desired state no longer needs could not be let go of
	// generation grows with each change; programs' cached flows of older ones are not believed
	generation uint32
	sparse     int                   // how often in a row the recent flows were found to have far too much room
	lookedAt   uint32                // the CPU whose recent flows were looked at last
	links      map[string]attachment // by pin name; what is attached now
	succession *succession           // nil: there is one generation of maps

	listening listeners
}

// Open mounts the BPF file system when it is missing, takes the gateway's lock, loads the programs, and
// adopts pinned maps and links or creates the maps. It changes nothing that forwards: Apply does. The
// error names the holder when another process has the lock.
func Open(o Options) (*Plane, error) {
	p, err := openPins(o)
	if err != nil {
		return nil, err
	}
	plane := &Plane{pins: p, alter: o.alter, step: o.step, links: map[string]attachment{}}
	if err := plane.load(); err != nil {
		return nil, errors.Join(err, plane.Close())
	}
	return plane, nil
}

func (p *Plane) load() error {
	var err error
	p.adopted, err = p.pins.hasMaps()
	if err != nil {
		return err
	}
	all, err := collections()
	if err != nil {
		return err
	}
	if p.alter != nil {
		p.alter(all)
	}
	if p.objects, p.succession, err = loadObjects(p.pins, all); err != nil {
		return err
	}
	p.reached("made")
	if err := p.adopt(); err != nil {
		return fmt.Errorf("adopt pinned state of gateway %s: %w", p.pins.gateway, err)
	}
	return nil
}

// adopt reads back what an earlier process wrote.
func (p *Plane) adopt() error {
	err := p.inherit()
	if err != nil {
		return err
	}
	if p.slots, err = readSlots(p.objects.maps["names"], maxExtensions); err != nil {
		return err
	}
	if p.nics, err = readSlots(p.objects.maps["nic_names"], maxNICs); err != nil {
		return err
	}
	if p.vteps, err = readVTEPs(p.objects.maps["vtep_ids"]); err != nil {
		return err
	}
	if p.tables, err = readTables(p.objects.maps); err != nil {
		return err
	}
	if p.carried, err = readCarried(p.objects.maps); err != nil {
		return err
	}
	if p.banks, err = readBanks(p.objects.maps["banks"], p.slots.byNumber); err != nil {
		return err
	}
	if p.succession != nil && !p.succession.taken {
		if err := p.succeedTo(); err != nil {
			return err
		}
	}
	p.generation, p.tables.gateway.Generation = p.tables.gateway.Generation, 0
	p.unswept = p.adopted // an earlier process may have ended in the middle
	if err := p.introduce(); err != nil {
		return err
	}
	return p.adoptLinks()
}

// Adopted reports whether Open found pinned state of an earlier process.
func (p *Plane) Adopted() bool { return p.adopted }

// Extension returns the name of the extension in a slot.
func (p *Plane) Extension(slot uint32) (l2.Name, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	name, ok := p.slots.byNumber[slot]
	return l2.Name(name), ok
}

// Close lets go of everything. What is pinned goes on forwarding.
func (p *Plane) Close() error {
	var errs []error
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.links {
		errs = append(errs, a.link.Close())
	}
	p.links = nil
	errs = append(errs, p.succession.close())
	p.succession = nil
	if p.objects != nil {
		p.objects.close()
	}
	return errors.Join(append(errs, p.pins.unlock())...)
}

func (p *Plane) mapNamed(name string) *ebpf.Map { return p.objects.maps[name] }
