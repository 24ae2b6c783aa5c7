// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peer is who is at the other end: of a unix socket a process, as it was when it connected; over TCP who has the key of a
// certificate.
type Peer struct {
	Certificate *x509.Certificate // nil: a process, which the others are about

	UID, GID uint32
	PID      int32    // may be another process's by now: for logs only
	Groups   []uint32 // supplementary groups
}

// attributes name the peer in the log.
func (p Peer) attributes() []any {
	if p.Certificate != nil {
		return []any{"certificate", p.Certificate.Subject.String()}
	}
	return []any{"uid", p.UID, "pid", p.PID}
}

// String names the peer in answers.
func (p Peer) String() string {
	if p.Certificate != nil {
		return fmt.Sprintf("certificate %q", p.Certificate.Subject)
	}
	return fmt.Sprintf("uid %d", p.UID)
}

// admission says who would be let in as a member of a group.
func (p Peer) admission(groups string) string {
	if p.Certificate != nil {
		return "its subject needs the organization (O) " + groups
	}
	return "be root, or a member of group " + groups
}

type peerKey struct{}

// withPeer keeps the peer with the connection's context.
func withPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// peerOf is the peer of the request's connection, if it has one.
func peerOf(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}

// peerCredentials asks the kernel who connected: SO_PEERCRED and SO_PEERGROUPS (unix(7), socket(7)). Both
// are taken at connect(2). /proc/PID/status would tell the groups too, but of whoever has the PID now.
func peerCredentials(conn net.Conn) (Peer, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return Peer{}, errors.New("read the peer's credentials: not a socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("read the peer's credentials: %w", err)
	}
	var peer Peer
	var optErr error
	err = raw.Control(func(fd uintptr) { peer, optErr = readPeer(int(fd)) })
	if err = errors.Join(err, optErr); err != nil {
		return Peer{}, fmt.Errorf("read the peer's credentials: %w", err)
	}
	return peer, nil
}

func readPeer(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return Peer{}, err
	}
	return Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid, Groups: groups}, nil
}

// peerGroups reads SO_PEERGROUPS, for which x/sys has no function. The kernel answers ERANGE and the size
// in bytes when the buffer is too small; a process has at most 65536 groups (NGROUPS_MAX).
func peerGroups(fd int) ([]uint32, error) {
	const gidSize = 4
	buf := make([]byte, 64*gidSize)
	for {
		size := uint32(len(buf))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE && int(size) > len(buf) && size <= 65536*gidSize:
			buf = make([]byte, size)
			continue
		case errno != 0:
			return nil, errno
		}
		groups := make([]uint32, 0, size/gidSize)
		for b := buf[:size]; len(b) >= gidSize; b = b[gidSize:] {
			groups = append(groups, binary.NativeEndian.Uint32(b))
		}
		return groups, nil
	}
}
