// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// KernelLog reads the kernel's complaints from when it was opened: of the whole machine, since a kernel has one log.
type KernelLog struct{ fd int }

// complaint is what a kernel writes when something in it is wrong.
var complaint = regexp.MustCompile(`WARNING|BUG|Oops|Call Trace|panic|refcount|general protection|unregister_netdevice: waiting|hung|stall|lockup|KASAN|leak`)

// OpenKernelLog begins to listen.
func OpenKernelLog() (*KernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's log: %w", err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open the kernel's log: %w", err)
	}
	return &KernelLog{fd: fd}, nil
}

// Complaints are those since the last call.
func (k *KernelLog) Complaints() ([]string, error) {
	var found []string
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(k.fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return found, nil
		case errors.Is(err, unix.EPIPE): // older lines were overwritten before we came
			continue
		case err != nil:
			return found, fmt.Errorf("read the kernel's log: %w", err)
		}
		_, line, _ := strings.Cut(string(buf[:n]), ";")
		if complaint.MatchString(line) {
			found = append(found, strings.TrimSpace(line))
		}
	}
}

// Close ends it.
func (k *KernelLog) Close() error { return unix.Close(k.fd) }
