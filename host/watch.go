// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"golang.org/x/sys/unix"
)

const (
	// watchInterval is the least time between two events.
	watchInterval = 50 * time.Millisecond
	// watchBuffer is the receive buffer, in bytes: a thousand links that come at once must fit.
	watchBuffer = 4 << 20
	// watchedNeighbours bounds what is remembered of neighbours. Beyond it every change wakes.
	watchedNeighbours = 1 << 16
)

var watchedGroups = []int{
	unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH,
	unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
}

// Watch sends event.LinksChanged once it watches, and then whenever links, addresses, routes, or the
// neighbours that SyncNeighbours cares for have changed: at most one in 50 ms, and always one after the
// last change. A slow receiver delays the event and loses nothing, since it carries nothing. When the
// kernel had to drop notifications it subscribes anew and sends one. It blocks until ctx is done, and then
// returns nil.
func (h *Host) Watch(ctx context.Context, out chan<- event.Event) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	coalesced := make(chan struct{})
	go func() {
		defer close(coalesced)
		coalesce(ctx, changed, out)
	}()
	err := h.listen(ctx, changed, h.subscribe)
	cancel()
	<-coalesced
	if err != nil {
		return fmt.Errorf("watch links: %w", err)
	}
	return nil
}

// listen marks changes until ctx is done.
func (h *Host) listen(ctx context.Context, changed chan<- struct{}, subscribe func() (*os.File, error)) error {
	for ctx.Err() == nil {
		socket, err := subscribe()
		if err != nil {
			return err
		}
		mark(changed)                                                 // what happened before the subscription
		stop := context.AfterFunc(ctx, func() { _ = socket.Close() }) // ends the read
		err = h.receive(socket, changed)
		stop()
		_ = socket.Close()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
	return nil
}

// mark never waits: what is marked already stays marked.
func mark(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}

// coalesce forwards marks of change as events, not more often than watchInterval.
func coalesce(ctx context.Context, changed <-chan struct{}, out chan<- event.Event) {
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		select {
		case out <- event.LinksChanged{}:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(watchInterval):
		case <-ctx.Done():
			return
		}
	}
}

// receive marks changes until the socket is closed, which is no error, or fails.
func (h *Host) receive(socket *os.File, changed chan<- struct{}) error {
	buffer := make([]byte, 1<<16)
	seen := neighbourWatch{}
	for {
		n, err := socket.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.relevant(buffer[:n], seen) {
			mark(changed)
		}
	}
}

func (h *Host) relevant(datagram []byte, seen neighbourWatch) bool {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return true // truncated: something has changed
	}
	wake := false
	for _, m := range messages {
		switch m.Header.Type {
		case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
			wake = h.neighbourMatters(m, seen) || wake
		default:
			wake = true
		}
	}
	return wake
}

// neighbourWatch remembers what each neighbour was, so that the kernel's regular probing wakes nobody.
type neighbourWatch map[neighbourKey]neighbourFace

// neighbourFace is what of a neighbour matters to a next hop.
type neighbourFace struct {
	mac      [6]byte
	resolved bool
}

func (h *Host) neighbourMatters(m syscall.NetlinkMessage, seen neighbourWatch) bool {
	uplinks := h.uplinks.Load()
	key, n, ok := parseNeighbour(m.Data)
	if !ok || uplinks == nil || !(*uplinks)[key.ifindex] {
		return false
	}
	if m.Header.Type == unix.RTM_DELNEIGH {
		delete(seen, key)
		return true
	}
	face := neighbourFace{n.mac, n.valid()}
	before, known := seen[key]
	if known && before == face {
		return false
	}
	if len(seen) < watchedNeighbours {
		seen[key] = face
	}
	return known || face.resolved // a neighbour that is still being asked for changes nothing
}

// subscribe opens a socket that hears the watched groups. Its file works with the runtime's poller, so
// that closing it ends a read.
func (h *Host) subscribe() (*os.File, error) {
	fd := -1
	err := h.inside(func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	file := os.NewFile(uintptr(fd), "netlink")
	// Without the privilege to exceed the limit a smaller buffer does: it overflows earlier.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, watchBuffer)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("bind netlink: %w", err)
	}
	for _, group := range watchedGroups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("subscribe to netlink group %d: %w", group, err)
		}
	}
	return file, nil
}
