// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A vxlan device that knows no peer drops what it is to send.
func TestLost(t *testing.T) {
	h := fresh(t)
	must(t, h.rtnl.LinkAdd(&netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vxlan7", TxQLen: -1}, VxlanId: 7, Port: port}))
	up(t, h.rtnl, "vxlan7")
	before, err := h.Lost("vxlan7")
	must(t, err)
	const frames = 3
	send(t, link(t, h.rtnl, "vxlan7").Attrs().Index, frames)
	after, err := h.Lost("vxlan7")
	must(t, err)
	if after-before < frames {
		t.Errorf("lost %d, want at least %d", after-before, frames)
	}
	if _, err := h.Lost("eth9"); !errors.Is(err, ErrNoLink) {
		t.Errorf("%v", err)
	}
}

func send(t *testing.T, ifindex, frames int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	frame := make([]byte, 60)
	copy(frame, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5})
	for range frames {
		must(t, unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: ifindex}))
	}
}

func TestDriverStats(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	stats, err := h.driverStats("eth1")
	must(t, err)
	if got, want := stats["peer_ifindex"], uint64(link(t, h.rtnl, "peer1").Attrs().Index); got != want {
		t.Errorf("peer_ifindex %d, want %d, in %v", got, want, stats)
	}
	if queues, err := h.RxQueues("eth1"); err != nil || queues < 1 {
		t.Errorf("%d queues: %v", queues, err)
	}
}

func TestXDPLossNames(t *testing.T) {
	for key, want := range map[string]bool{
		"tx_queue_0_xdp_xmit_errors": true, "rx_queue_0_xdp_tx_errors": true, "tx_queue_1_xdp_tx_drops": true,
		"rx_queue_0_xdp_drops": false, "tx_queue_0_xdp_xmit": false, "tx_packets": false,
	} {
		if isXDPLoss(key) != want {
			t.Errorf("%s: want %v", key, want)
		}
	}
}
