// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The oldest kernel: TCX links came with Linux 6.6.
const (
	kernelMajor = 6
	kernelMinor = 6
)

// Facts are what Requirements are checked against. The zero value is a machine that lacks everything but
// root.
type Facts struct {
	UID         int    // effective
	Release     string // of the kernel, such as "6.12.0-amd64"
	BTF         bool   // /sys/kernel/btf/vmlinux can be read
	Filesystems string // content of /proc/filesystems
}

// Kernel is the running kernel's version.
func Kernel() (major, minor int, release string, err error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return 0, 0, "", fmt.Errorf("read kernel version: %w", err)
	}
	release = text(name.Release[:])
	major, minor, err = parseRelease(release)
	return major, minor, release, err
}

func parseRelease(release string) (major, minor int, err error) {
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return 0, 0, fmt.Errorf("kernel release %q is not understood", release)
	}
	return major, minor, nil
}

// ReadFacts looks at this machine.
func ReadFacts() Facts {
	_, _, release, _ := Kernel() // Missing judges the text
	filesystems, _ := os.ReadFile("/proc/filesystems")
	btf, err := os.Open("/sys/kernel/btf/vmlinux")
	if err == nil {
		_ = btf.Close()
	}
	return Facts{UID: os.Geteuid(), Release: release, BTF: err == nil, Filesystems: string(filesystems)}
}

// Requirements are the reasons why a gateway cannot run here; none means that it can.
func Requirements() []error { return ReadFacts().Missing() }

// Missing judges the facts.
func (f Facts) Missing() []error {
	var missing []error
	if f.UID != 0 {
		missing = append(missing, fmt.Errorf("not root but user %d: loading programs and changing NICs needs root", f.UID))
	}
	if err := f.missingKernel(); err != nil {
		missing = append(missing, err)
	}
	if !f.BTF {
		missing = append(missing, errors.New("the kernel has no BTF (/sys/kernel/btf/vmlinux): it needs Linux 6.6 or newer built with CONFIG_DEBUG_INFO_BTF=y"))
	}
	if !f.hasBPFFS() {
		missing = append(missing, errors.New("the kernel has no BPF filesystem: it needs Linux 6.6 or newer built with CONFIG_BPF_SYSCALL=y"))
	}
	return missing
}

func (f Facts) missingKernel() error {
	major, minor, err := parseRelease(f.Release)
	if err != nil {
		return err
	}
	if major < kernelMajor || major == kernelMajor && minor < kernelMinor {
		return fmt.Errorf("kernel %s is too old: TCX links need Linux %d.%d or newer", f.Release, kernelMajor, kernelMinor)
	}
	return nil
}

func (f Facts) hasBPFFS() bool {
	for line := range strings.Lines(f.Filesystems) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[len(fields)-1] == "bpf" {
			return true
		}
	}
	return false
}
