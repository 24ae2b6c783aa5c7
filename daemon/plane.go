// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"log/slog"

	"github.com/drawbridge-l2/drawbridge/dataplane"
	"github.com/drawbridge-l2/drawbridge/gateway"
	"github.com/drawbridge-l2/drawbridge/l2"
	"golang.org/x/sys/unix"
)

var _ gateway.Plane = (*dataplane.Plane)(nil)

func openPlane(name l2.Name) (*dataplane.Plane, error) {
	return dataplane.Open(dataplane.Options{Gateway: name})
}

// dataplaneFS is where the kernel's state is pinned.
const dataplaneFS = "/sys/fs/bpf"

// noticeBPFFS warns when the BPF file system is not mounted yet. It gets mounted, but a mount that the host
// does not make itself may be gone with a container or unit, and the data plane with it.
func noticeBPFFS(logger *slog.Logger, dir string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.BPF_FS_MAGIC {
		return
	}
	logger.Warn("the BPF file system is not mounted on " + dir + ": it gets mounted, and forwarding lasts as long as that mount; better the host mounts it at boot")
}

// objectHash names the BPF objects in this binary.
func objectHash() string { return dataplane.ObjectHash() }

// removePins removes what is pinned of a gateway.
func removePins(name l2.Name) error {
	return dataplane.Uninstall(dataplane.Options{Gateway: name})
}
