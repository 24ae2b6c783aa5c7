// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// namespace is a named network namespace that this run made and removes.
type namespace struct {
	name   string
	handle netns.NsHandle
	links  *netlink.Handle
}

// newNamespace makes a namespace without IPv6 (its chatter would be counted as loss) and with its loopback up.
func newNamespace(name string) (*namespace, error) {
	n := &namespace{name: name}
	err := onOwnThread(func() error {
		handle, err := netns.NewNamed(name)
		n.handle = handle
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make network namespace %s: %w", name, err)
	}
	if err := n.prepare(); err != nil {
		return nil, errors.Join(err, n.remove())
	}
	return n, nil
}

func (n *namespace) prepare() error {
	links, err := netlink.NewHandleAt(n.handle)
	if err != nil {
		return fmt.Errorf("open netlink in %s: %w", n.name, err)
	}
	n.links = links
	for _, key := range []string{"ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6"} {
		if err := n.sysctl(key, "1"); err != nil {
			return err
		}
	}
	lo, err := links.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback of %s: %w", n.name, err)
	}
	return links.LinkSetUp(lo)
}

// path is what nsenter takes as --net.
func (n *namespace) path() string { return filepath.Join("/run/netns", n.name) }

// run calls f on a thread of its own inside the namespace. What f changes about the thread (affinity, mounts) ends
// with it.
func (n *namespace) run(f func() error) error {
	return onOwnThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.name, err)
		}
		return f()
	})
}

// sysctl writes a key below net/. A key that the kernel lacks (IPv6 left out, say) is success.
func (n *namespace) sysctl(key, value string) error {
	return n.run(func() error {
		err := os.WriteFile(filepath.Join("/proc/sys/net", key), []byte(value), 0o644)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set net/%s to %s in %s: %w", key, value, n.name, err)
		}
		return nil
	})
}

// remove deletes the namespace and everything in it. One that is gone is success.
func (n *namespace) remove() error {
	if n.links != nil {
		n.links.Close()
	}
	n.handle.Close()
	if err := netns.DeleteNamed(n.name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove network namespace %s: %w", n.name, err)
	}
	return nil
}

// onOwnThread runs f on a thread that dies with it, so that no later goroutine inherits its namespace.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime then ends the thread
		done <- f()
	}()
	return <-done
}
