// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// watching runs Watch in the background, and waits for its first event.
func watching(t *testing.T, h *Host) <-chan event.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, ended := make(chan event.Event), make(chan error, 1)
	go func() { ended <- h.Watch(ctx, out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	wakes(t, out, "the beginning")
	return out
}

func wakes(t *testing.T, out <-chan event.Event, why string) {
	t.Helper()
	select {
	case e := <-out:
		if e != (event.LinksChanged{}) {
			t.Errorf("%T", e)
		}
	case <-time.After(deadline):
		t.Fatalf("no event for %s", why)
	}
}

// quiet takes events until none has come for a while.
func quiet(out <-chan event.Event) (events int) {
	for {
		select {
		case <-out:
			events++
		case <-time.After(4 * watchInterval):
			return events
		}
	}
}

func TestWatch(t *testing.T) {
	h := fresh(t)
	out := watching(t, h)
	veth(t, h, "eth1", "peer1")
	wakes(t, out, "a link")
	up(t, h.rtnl, "eth1", "peer1")
	wakes(t, out, "a link that came up")
	quiet(out)
	address(t, h.rtnl, "eth1", "192.0.2.10/24")
	wakes(t, out, "an address")
	quiet(out)
	eth1 := link(t, h.rtnl, "eth1").Attrs().Index
	addRoute(t, h, &netlink.Route{LinkIndex: eth1, Gw: net.ParseIP("192.0.2.1")}, "203.0.113.0/24")
	wakes(t, out, "a route")
	quiet(out)
	address(t, h.rtnl, "eth1", "2001:db8::10/64")
	wakes(t, out, "an IPv6 address")
	quiet(out)
	must(t, h.rtnl.LinkDel(link(t, h.rtnl, "eth1")))
	wakes(t, out, "a link that went")
}

// A thousand changes that nobody takes are one event, or two when the first was on its way.
func TestWatchCoalesces(t *testing.T) {
	h := fresh(t)
	out := watching(t, h)
	veth(t, h, "eth1", "peer1")
	l := link(t, h.rtnl, "eth1")
	for i := range 1000 {
		must(t, h.rtnl.LinkSetMTU(l, 1400+i%2))
	}
	wakes(t, out, "the changes")
	if more := quiet(out); more > 1 {
		t.Errorf("%d more events", more)
	}
}

// However fast changes come and events are taken, events keep their distance.
func TestWatchKeepsItsDistance(t *testing.T) {
	h := fresh(t)
	out := watching(t, h)
	quiet(out)
	lo := link(t, h.rtnl, "lo")
	const events = 5
	var start time.Time
	end := time.Now().Add(deadline)
	for taken, i := 0, 0; taken < events; i++ {
		if time.Now().After(end) {
			t.Fatalf("only %d events", taken)
		}
		must(t, h.rtnl.LinkSetAlias(lo, fmt.Sprint("changed ", i)))
		select {
		case <-out:
			if taken++; taken == 1 {
				start = time.Now()
			}
		case <-time.After(time.Millisecond):
		}
	}
	if took := time.Since(start); took < (events-1)*(watchInterval-10*time.Millisecond) {
		t.Errorf("%d events within %v", events, took)
	}
}

func TestWatchHearsNextHops(t *testing.T) {
	h := fresh(t)
	eth1, far := cable(t, h)
	peer := netip.MustParseAddr("192.0.2.20")
	must(t, h.SyncNeighbours([]netip.Addr{peer}, vtep4, []int{eth1}))
	resolvesTo(t, h, peer, vtep4, eth1, macOf(t, far, "far1"))
	out := watching(t, h)
	quiet(out)

	other := macOf(t, far, "far1")
	other[5]++
	must(t, h.rtnl.NeighSet(&netlink.Neigh{LinkIndex: eth1, IP: peer.AsSlice(), State: unix.NUD_REACHABLE, HardwareAddr: other[:]}))
	wakes(t, out, "another link address")
	quiet(out)
	flush(t, h, eth1)
	wakes(t, out, "a flush")
}

func TestWatchIgnoresOtherNeighbours(t *testing.T) {
	h := fresh(t)
	eth1, _ := cable(t, h)
	must(t, h.SyncNeighbours(nil, vtep4, []int{eth1 + 1000}))
	out := watching(t, h)
	quiet(out)
	mac, err := net.ParseMAC("02:00:00:00:00:99")
	must(t, err)
	must(t, h.rtnl.NeighSet(&netlink.Neigh{LinkIndex: eth1, IP: net.ParseIP("192.0.2.77"), State: unix.NUD_REACHABLE, HardwareAddr: mac}))
	if n := quiet(out); n != 0 {
		t.Errorf("%d events for a neighbour that is no next hop of ours", n)
	}
}

// The kernel's probing of a neighbour that stays what it is wakes nobody.
func TestNeighbourThatStaysTheSameDoesNotMatter(t *testing.T) {
	h := fresh(t)
	eth1, _ := cable(t, h)
	h.watchUplinks([]int{eth1})
	mac, err := net.ParseMAC("02:00:00:00:00:99")
	must(t, err)
	n := &netlink.Neigh{LinkIndex: eth1, IP: net.ParseIP("192.0.2.77"), HardwareAddr: mac}
	socket, err := h.subscribe()
	must(t, err)
	defer socket.Close()
	seen := neighbourWatch{}
	for i, c := range []struct {
		state  int
		matter bool
	}{
		{unix.NUD_REACHABLE, true}, {unix.NUD_STALE, false}, {unix.NUD_PROBE, false}, {unix.NUD_REACHABLE, false},
		{unix.NUD_FAILED, true}, {unix.NUD_REACHABLE, true},
	} {
		n.State = c.state
		must(t, h.rtnl.NeighSet(n))
		if got := h.relevant(neighbourDatagram(t, socket, netip.MustParseAddr("192.0.2.77")), seen); got != c.matter {
			t.Errorf("step %d, state %#x: matters: %v", i, c.state, got)
		}
	}
}

// neighbourDatagram reads the next notification about a neighbour. Others, as of a link-local address that
// is ready now, are passed over.
func neighbourDatagram(t *testing.T, socket *os.File, addr netip.Addr) []byte {
	t.Helper()
	must(t, socket.SetReadDeadline(time.Now().Add(deadline)))
	for b := make([]byte, 1<<16); ; {
		n, err := socket.Read(b)
		must(t, err)
		messages, err := syscall.ParseNetlinkMessage(b[:n])
		must(t, err)
		if key, _, ok := parseNeighbour(messages[0].Data); ok && messages[0].Header.Type == unix.RTM_NEWNEIGH && key.addr == addr {
			return b[:n]
		}
	}
}

// flooded is a subscription that has lost notifications.
func flooded(t *testing.T, h *Host) *os.File {
	t.Helper()
	socket, err := h.subscribe()
	must(t, err)
	conn, err := socket.SyscallConn()
	must(t, err)
	must(t, conn.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	}))
	must(t, err)
	lo := link(t, h.rtnl, "lo")
	for i := range 100 {
		must(t, h.rtnl.LinkSetAlias(lo, fmt.Sprint("changed ", i)))
	}
	return socket
}

func TestLostNotificationsBeginAnew(t *testing.T) {
	h := fresh(t)
	first := flooded(t, h)
	if err := h.receive(first, make(chan struct{}, 1)); !errors.Is(err, unix.ENOBUFS) {
		t.Fatalf("nothing was lost: the test tests nothing: %v", err)
	}
	must(t, first.Close())

	subscriptions := 0
	changed := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	second := flooded(t, h)
	ended := make(chan error, 1)
	resubscribed := make(chan struct{})
	go func() {
		ended <- h.listen(ctx, changed, func() (*os.File, error) {
			if subscriptions++; subscriptions == 1 {
				return second, nil
			}
			close(resubscribed)
			return h.subscribe()
		})
	}()
	select {
	case <-resubscribed:
	case <-time.After(deadline):
		t.Fatal("did not subscribe again")
	}
	select {
	case <-changed:
	case <-time.After(deadline):
		t.Fatal("no mark of change")
	}
	cancel()
	must(t, <-ended)
}
