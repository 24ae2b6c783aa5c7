// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is a handle on one network namespace. Its methods may be called from any goroutine at any time
// until Close; they block no longer than the kernel takes to answer.
type Host struct {
	ns      netns.NsHandle
	rtnl    *netlink.Handle           // the library's requests
	sockets map[int]*nl.SocketHandle  // our own requests, by netlink protocol
	ioctl   int                       // any socket: carries ethtool's ioctls
	uplinks atomic.Pointer[uplinkSet] // whose neighbours Watch cares for
	managed managedSet                // the neighbours that we keep
}

type uplinkSet map[int]bool

// Open takes hold of the network namespace of the calling thread.
func Open() (*Host, error) {
	h := &Host{ns: netns.None(), ioctl: -1}
	if err := h.open(); err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("open host: %w", err)
	}
	return h, nil
}

func (h *Host) open() (err error) {
	// Namespace and sockets must come from one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h.managed = managedSet{own: map[neighbourKey]bool{}, adopted: uplinkSet{}}
	if h.ns, err = netns.Get(); err != nil {
		return fmt.Errorf("find network namespace: %w", err)
	}
	if h.rtnl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	h.sockets = map[int]*nl.SocketHandle{}
	for _, protocol := range []int{unix.NETLINK_ROUTE, unix.NETLINK_GENERIC} {
		if err := h.openSocket(protocol); err != nil {
			return err
		}
	}
	h.ioctl, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		h.ioctl, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	return nil
}

func (h *Host) openSocket(protocol int) error {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), protocol)
	if err != nil {
		return fmt.Errorf("open netlink protocol %d: %w", protocol, err)
	}
	h.sockets[protocol] = &nl.SocketHandle{Socket: s}
	// The kernel's own words for a refusal are worth having; a kernel without them still answers.
	_ = s.SetExtAck(true)
	return nil
}

// Close lets go of the namespace. It changes nothing on the host.
func (h *Host) Close() error {
	if h.rtnl != nil {
		h.rtnl.Close()
	}
	for _, s := range h.sockets {
		s.Close()
	}
	if h.ioctl >= 0 {
		_ = unix.Close(h.ioctl)
		h.ioctl = -1
	}
	if h.ns.IsOpen() {
		return h.ns.Close()
	}
	return nil
}

// inside runs f on a thread that is in the host's namespace: /proc/sys/net and new sockets belong to the
// namespace of the thread that opens them. The usual process is in one namespace only, where nothing
// needs to change and no privilege to change it is needed.
func (h *Host) inside(f func() error) error {
	runtime.LockOSThread()
	here, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("find network namespace: %w", err)
	}
	defer here.Close()
	if here.Equal(h.ns) {
		defer runtime.UnlockOSThread()
		return f()
	}
	runtime.UnlockOSThread()
	return h.onThread(f)
}

// onThread uses a goroutine that never unlocks its thread: the thread ends with it, so a foreign
// namespace cannot leak into the rest of the program.
func (h *Host) onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(h.ns); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}
