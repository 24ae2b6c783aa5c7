// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// threadNAPI moves a NIC's packet processing to kernel threads, pins them to a CPU and returns them.
func (n *namespace) threadNAPI(name string, cpu int) ([]int, error) {
	if err := n.writeSysfs(filepath.Join("class/net", name, "threaded"), "1"); err != nil {
		return nil, fmt.Errorf("thread NAPI of %s: %w", name, err)
	}
	threads, err := kernelThreads(func(thread string) bool { return strings.HasPrefix(thread, "napi/"+name+"-") })
	if err != nil {
		return nil, err
	}
	if len(threads) == 0 {
		return nil, fmt.Errorf("thread NAPI of %s: the kernel started no thread napi/%s-*", name, name)
	}
	for _, thread := range threads {
		if err := pin(thread, cpu); err != nil {
			return nil, fmt.Errorf("pin thread %d of %s: %w", thread, name, err)
		}
	}
	return threads, nil
}

// writeSysfs writes a file of the namespace's own sysfs. A mount of sysfs shows the namespace that it was made in, so a
// thread with private mounts makes one for itself.
func (n *namespace) writeSysfs(file, value string) error {
	return n.run(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("unshare mounts: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("make mounts private: %w", err)
		}
		if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
			return fmt.Errorf("mount sysfs: %w", err)
		}
		return os.WriteFile(filepath.Join("/sys", file), []byte(value), 0o644)
	})
}

// pin ties a thread to one CPU; thread 0 is the caller's.
func pin(thread, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return unix.SchedSetaffinity(thread, &set)
}
