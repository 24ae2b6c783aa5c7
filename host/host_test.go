// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// deadline bounds every wait for the kernel.
const deadline = 10 * time.Second

// fresh puts the test into a network namespace of its own, with lo up, and opens a Host there. The thread
// stays locked, so it ends with the test's goroutine and the namespace, which has no name, with it: nothing
// can be left behind, however the test ends.
func fresh(t *testing.T) *Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	runtime.LockOSThread()
	must(t, unix.Unshare(unix.CLONE_NEWNET))
	h, err := Open()
	must(t, err)
	t.Cleanup(func() { must(t, h.Close()) })
	must(t, h.rtnl.LinkSetUp(link(t, h.rtnl, "lo")))
	return h
}

// elsewhere makes one more namespace, for the other end of a cable.
func elsewhere(t *testing.T) (netns.NsHandle, *netlink.Handle) {
	t.Helper()
	type result struct {
		ns  netns.NsHandle
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		ns, err := netns.New()
		made <- result{ns, err}
	}()
	r := <-made
	must(t, r.err)
	t.Cleanup(func() { _ = r.ns.Close() })
	rtnl, err := netlink.NewHandleAt(r.ns, unix.NETLINK_ROUTE)
	must(t, err)
	t.Cleanup(rtnl.Close)
	must(t, rtnl.LinkSetUp(link(t, rtnl, "lo")))
	return r.ns, rtnl
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, rtnl *netlink.Handle, name string) netlink.Link {
	t.Helper()
	l, err := rtnl.LinkByName(name)
	must(t, err)
	return l
}

// veth makes a pair of Ethernet devices, both down.
func veth(t *testing.T, h *Host, name, peer string) {
	t.Helper()
	must(t, h.rtnl.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, TxQLen: -1}, PeerName: peer}))
}

func up(t *testing.T, rtnl *netlink.Handle, names ...string) {
	t.Helper()
	for _, name := range names {
		must(t, rtnl.LinkSetUp(link(t, rtnl, name)))
	}
}

func address(t *testing.T, rtnl *netlink.Handle, name, prefix string) {
	t.Helper()
	a, err := netlink.ParseAddr(prefix)
	must(t, err)
	a.Flags = unix.IFA_F_NODAD
	must(t, rtnl.AddrAdd(link(t, rtnl, name), a))
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(deadline); !holds(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v: %s", deadline, what)
		}
	}
}

func observeLink(t *testing.T, h *Host, name string) *observed {
	t.Helper()
	o, err := h.observe(name)
	must(t, err)
	return o
}

func TestInsideEntersTheHostsNamespace(t *testing.T) {
	h := fresh(t)
	same := make(chan bool)
	go func() { // on another thread, which is in the namespace of the process
		_ = h.inside(func() error {
			here, err := netns.Get()
			same <- err == nil && here.Equal(h.ns)
			_ = here.Close()
			return nil
		})
	}()
	if !<-same {
		t.Error("ran in another namespace")
	}
}
