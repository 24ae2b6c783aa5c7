// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// socketMode lets owner and group connect: connect(2) needs the right to write. Group drawbridge becomes
// the socket's group, and group drawbridge-read is let in by an ACL, so that the others cannot even connect.
const socketMode = 0o660

// ErrInUse says that another daemon serves the socket.
var ErrInUse = errors.New("another daemon serves it")

// Listen makes the unix socket at path, and its directory when that is missing. The socket of a daemon
// that died is replaced; a served one is refused with ErrInUse, and what is no socket is left alone. Groups
// that the host does not have are left out. The caller closes the listener, which removes the socket.
func Listen(path string, log *slog.Logger) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the socket's directory: %w", err)
	}
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("make the socket: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, fmt.Errorf("set the socket's mode: %w", err)
	}
	// The daemon's work is worth more than these: without them root still gets in.
	if err := admitGroups(path); err != nil && log != nil {
		log.Warn("only root may use the socket", "socket", path, "error", err)
	}
	return l, nil
}

// removeStale removes the socket that nobody serves. Connecting tells: the kernel refuses at once when the
// listener is gone, and queues, or says EAGAIN with a full queue, when the daemon is only busy or frozen.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("a file that is no socket is in the way: remove it, or set gateway.api.socket to another path")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%w: stop it, or set gateway.api.socket to another path", ErrInUse)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("%w (%v)", ErrInUse, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the dead daemon's socket: %w", err)
	}
	return nil
}

// admitGroups lets the members of our groups connect.
func admitGroups(path string) error {
	if gid, ok := lookupGroup(GroupChange); ok {
		if err := os.Lchown(path, -1, int(gid)); err != nil {
			return fmt.Errorf("give the socket to group %s: %w", GroupChange, err)
		}
	}
	if gid, ok := lookupGroup(GroupRead); ok {
		if err := allowGroup(path, gid); err != nil {
			return fmt.Errorf("let group %s connect: %w", GroupRead, err)
		}
	}
	return nil
}
