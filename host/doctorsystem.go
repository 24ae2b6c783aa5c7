// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// System is what doctor looks at of the machine as a whole, beside Facts.
type System struct {
	Facts
	BPFFSMounted bool // at the usual place
	JIT          bool // BPF programs are compiled
	Memlock      int64
	MemAvailable int64 // bytes; 0 when the kernel does not say
	Clock        Clock
}

// Clock is the clock of the wall.
type Clock struct {
	Now          time.Time
	Built        time.Time // of the kernel: no clock is right that is before it; zero when it is not told
	Synchronised bool
}

// Unlimited is the value of a limit that is none.
const Unlimited = math.MaxInt64

// bpffs is where the BPF file system belongs, bpffsMagic what statfs says of it.
const (
	bpffs      = "/sys/fs/bpf"
	bpffsMagic = unix.BPF_FS_MAGIC
)

// ReadSystem looks at the machine. What cannot be read has its zero value.
func ReadSystem() System {
	s := System{Facts: ReadFacts(), BPFFSMounted: isBPFFS(bpffs), Clock: readClock()}
	// No file: compiled in, always on.
	jit, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable")
	s.JIT = err != nil || strings.TrimSpace(string(jit)) != "0"
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		s.Memlock = int64(min(limit.Cur, Unlimited))
	}
	s.MemAvailable = memAvailable()
	return s
}

// KernelFault says why the kernel is too old; nil when it is not.
func (s System) KernelFault() error { return s.missingKernel() }

// HasBPFFS reports whether the kernel has the BPF file system at all.
func (s System) HasBPFFS() bool { return s.hasBPFFS() }

func isBPFFS(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && int64(fs.Type) == bpffsMagic
}

func readClock() Clock {
	c := Clock{Now: time.Now()}
	var t unix.Timex // modes 0: only read
	state, err := unix.Adjtimex(&t)
	c.Synchronised = err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		c.Built = kernelBuilt(text(name.Version[:]))
	}
	return c
}

// kernelBuilt reads the date in a kernel's version: "#1 SMP PREEMPT_DYNAMIC Debian 6.12.43-1 (2025-08-27)" or
// "#1 SMP Mon Jun 2 12:00:00 UTC 2025". The zero time when there is none.
func kernelBuilt(version string) time.Time {
	fields := strings.Fields(version)
	for i, f := range fields {
		if t, err := time.Parse("(2006-01-02)", f); err == nil {
			return t
		}
		if i+6 <= len(fields) {
			if t, err := time.Parse(time.UnixDate, strings.Join(fields[i:i+6], " ")); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

func memAvailable() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if _, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}

// ReversePathFilter is the value in force of rp_filter on a NIC: 0 off, 1 strict, 2 loose. The greater of the
// NIC's own and that of all counts (Documentation/networking/ip-sysctl).
func (h *Host) ReversePathFilter(nic string) (mode int) {
	_ = h.inside(func() error {
		mode = max(readNumber("/proc/sys/net/ipv4/conf/all/rp_filter"), readNumber("/proc/sys/net/ipv4/conf/"+nic+"/rp_filter"))
		return nil
	})
	return mode
}

// fileHasLine reports whether a file has a line; false without the file.
func fileHasLine(file, line string) bool {
	content, err := os.ReadFile(file)
	return err == nil && slices.Contains(strings.Split(string(content), "\n"), line)
}
