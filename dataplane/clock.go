// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
)

// The programs' clock counts jiffies, which cost them nothing to read. How long one is the kernel does
// not tell: it is measured once, over this many.
const ticksMeasured = 5

// runAdmin runs fdb_admin as it is.
func (p *Plane) runAdmin(a *abi.AdminAdmin) (uint32, error) {
	return p.objects.programs["fdb_admin"].Run(&ebpf.RunOptions{
		Context:    unsafe.Slice((*byte)(unsafe.Pointer(a)), unsafe.Sizeof(*a)),
		ContextOut: unsafe.Slice((*byte)(unsafe.Pointer(a)), unsafe.Sizeof(*a)),
	})
}

// ticks reads jiffies.
func (p *Plane) ticks() (uint64, error) {
	a := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_CLOCK}
	if _, err := p.runAdmin(&a); err != nil {
		return 0, fmt.Errorf("read the kernel's clock: %w", err)
	}
	return a.Now, nil
}

// clock is the programs' time. Its zero is arbitrary.
func (p *Plane) clock() (time.Duration, error) {
	ticks, err := p.ticks()
	return time.Duration(ticks * p.tick), err
}

// measureTick finds the length of a jiffy: 1, 4, or 10 ms on almost every kernel. It waits for edges,
// 50 ms at the most where a jiffy is 10 ms.
func (p *Plane) measureTick() (uint64, error) {
	start, err := p.nextTick()
	if err != nil {
		return 0, err
	}
	first := monotonic()
	for {
		now, err := p.nextTick()
		if err != nil {
			return 0, err
		}
		if passed := now - start; passed >= ticksMeasured {
			return closestTick(uint64(monotonic()-first) / passed)
		}
	}
}

// nextTick waits for the next edge.
func (p *Plane) nextTick() (uint64, error) {
	before, err := p.ticks()
	for now := before; err == nil; now, err = p.ticks() {
		if now != before {
			return now, nil
		}
	}
	return 0, err
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

// monotonic is CLOCK_MONOTONIC.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
