// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// The programs' clock counts jiffies, which cost them nothing to read. How long one is the kernel does
// not tell: it is measured once per boot, over at least this many. Both clocks are read at one moment in the
// kernel, so that being descheduled does no harm; 25 ticks tell 250 Hz from 300 Hz.
const ticksMeasured = 25

// runAdmin runs fdb_admin as it is.
func (p *Plane) runAdmin(a *abi.AdminAdmin) (uint32, error) {
	return p.objects.programs["fdb_admin"].Run(&ebpf.RunOptions{
		Context:    unsafe.Slice((*byte)(unsafe.Pointer(a)), unsafe.Sizeof(*a)),
		ContextOut: unsafe.Slice((*byte)(unsafe.Pointer(a)), unsafe.Sizeof(*a)),
	})
}

// moment is one reading of both clocks.
type moment struct {
	ticks     uint64
	monotonic uint64 // ns
}

func (p *Plane) now() (moment, error) {
	a := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_CLOCK}
	if _, err := p.runAdmin(&a); err != nil {
		return moment{}, fmt.Errorf("read the kernel's clock: %w", err)
	}
	return moment{a.Now, a.Monotonic}, nil
}

// clock is the programs' time. Its zero is arbitrary.
func (p *Plane) clock() (time.Duration, error) {
	if p.tick == 0 {
		return time.Duration(p.stopped), nil
	}
	m, err := p.now()
	return time.Duration(m.ticks * p.tick), err
}

// measureTick finds the length of a jiffy: 1, 4, or 10 ms on almost every kernel. It takes a quarter of
// a second at the most.
func (p *Plane) measureTick() (uint64, error) {
	first, err := p.now()
	if err != nil {
		return 0, err
	}
	for {
		m, err := p.now()
		if err != nil {
			return 0, err
		}
		if passed := m.ticks - first.ticks; passed >= ticksMeasured {
			return closestTick((m.monotonic - first.monotonic) / passed)
		}
		time.Sleep(time.Millisecond)
	}
}

// closestTick rounds what was measured to a frequency that kernels are built with (CONFIG_HZ).
func closestTick(measured uint64) (uint64, error) {
	best := uint64(0)
	for _, hz := range []uint64{100, 250, 300, 1000} {
		tick := 1_000_000_000 / hz
		if best == 0 || distance(tick, measured) < distance(best, measured) {
			best = tick
		}
	}
	if distance(best, measured) > best/4 {
		return 0, errors.New("measure the kernel's clock: a tick of " + time.Duration(measured).String() + " is none that kernels have")
	}
	return best, nil
}

func distance(a, b uint64) uint64 {
	if a > b {
		return a - b
	}
	return b - a
}
