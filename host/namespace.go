// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Namespace tells the host's network namespace from all others of this boot, in the kernel's own words:
// net:[4026531840].
func (h *Host) Namespace() (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.ns), &st); err != nil {
		return "", fmt.Errorf("identify network namespace: %w", err)
	}
	return fmt.Sprintf("net:[%d]", st.Ino), nil
}

// NamespaceFile finds a file by which a network namespace can be entered: one with a name first, else that
// of a process in it. It is empty when nothing leads there, which usually means that it is gone.
func NamespaceFile(namespace string) string {
	for _, pattern := range []string{"/run/netns/*", "/run/docker/netns/*", "/proc/[0-9]*/ns/net"} {
		files, _ := filepath.Glob(pattern) // the patterns are right
		for _, file := range files {
			if namespaceOf(file) == namespace {
				return file
			}
		}
	}
	return ""
}

func namespaceOf(file string) string {
	if target, err := os.Readlink(file); err == nil {
		return target
	}
	var st unix.Stat_t
	if unix.Stat(file, &st) != nil {
		return ""
	}
	return fmt.Sprintf("net:[%d]", st.Ino)
}
