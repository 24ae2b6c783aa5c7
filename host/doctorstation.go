// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ErrXDP says that a station cannot be asked: an XDP program takes the answer before a socket sees it.
var ErrXDP = errors.New("an XDP program serves the NIC, which takes the answer before it could be seen")

const (
	askTries = 3
	askWait  = 700 * time.Millisecond // as long as a station may take
)

// AskStation asks a station on a circuit by an ARP probe (RFC 5227) from a MAC that is nobody's, and reports
// whether the answer came back. A frame with a foreign source has then left by the NIC, and a frame to a
// foreign destination has arrived by it: on a virtual NIC, forged transmits and promiscuous mode work. The
// probe claims no address, so nobody's tables change, but for the one MAC that switches learn.
//
// It goes past programs at the NIC's egress (PACKET_QDISC_BYPASS), where a running gateway would drop it. The
// NIC must be up. The error matches ErrXDP where nothing can be heard. It blocks some two seconds at most.
func (h *Host) AskStation(ctx context.Context, nic string, circuit l2.VLAN, station netip.Addr) (answered bool, err error) {
	o, err := h.observe(nic)
	if err != nil {
		return false, err
	}
	if h.XDPAttached(nic) {
		return false, ErrXDP
	}
	var fd int
	if err := h.inside(func() (err error) { fd, err = askingSocket(o.Ifindex); return err }); err != nil {
		return false, fmt.Errorf("ask station %s on %s: %w", station, nic, err)
	}
	defer unix.Close(fd)
	mac := nobodysMAC()
	probe := frame.Stack(frame.Ethernet{Dst: l2.Broadcast, Src: mac}).With(frame.Tags(circuit, 0)...).
		With(frame.ARP{Op: frame.ARPRequest, SenderMAC: mac, TargetIP: station}).Padded(60).Bytes()
	for range askTries {
		if _, err := unix.Write(fd, probe); err != nil {
			return false, fmt.Errorf("ask station %s on %s: %w", station, nic, err)
		}
		if heardAnswer(ctx, fd, mac, station) {
			return true, nil
		}
	}
	return false, ctx.Err()
}

// askingSocket sends past the egress programs and hears what is not for the NIC itself.
func askingSocket(ifindex int) (int, error) {
	all := int(uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8) // network byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all)
	if err != nil {
		return -1, err
	}
	membership := unix.PacketMreq{Ifindex: int32(ifindex), Type: unix.PACKET_MR_PROMISC}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &membership),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: ifindex}))
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// nobodysMAC is a random locally administered unicast address.
func nobodysMAC() (mac l2.MAC) {
	_, _ = rand.Read(mac[:]) // never fails
	mac[0] = 0x06
	return mac
}

// heardAnswer waits for the ARP reply of a station to our MAC.
func heardAnswer(ctx context.Context, fd int, mac l2.MAC, station netip.Addr) bool {
	buffer := make([]byte, 2048)
	for end := time.Now().Add(askWait); ctx.Err() == nil; {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, max(1, int(left.Milliseconds()))); err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		for {
			n, _, err := unix.Recvfrom(fd, buffer, unix.MSG_DONTWAIT)
			if err != nil {
				break
			}
			if isAnswer(buffer[:n], mac, station) {
				return true
			}
		}
	}
	return false
}

// isAnswer knows the reply. The kernel may have taken its tags off.
func isAnswer(packet []byte, mac l2.MAC, station netip.Addr) bool {
	p, err := frame.Parse(packet)
	return err == nil && p.Ethernet.Dst == mac && p.ARP != nil && p.ARP.Op == frame.ARPReply && p.ARP.SenderIP == station
}

// XDPAttached reports whether an XDP program is attached to a link, ours or another.
func (h *Host) XDPAttached(name string) bool {
	r := h.request(unix.NETLINK_ROUTE, unix.RTM_GETLINK, 0)
	r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	messages, err := r.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil || len(messages) != 1 {
		return false
	}
	xdp := attributes(attributes(messages[0], unix.SizeofIfInfomsg)[unix.IFLA_XDP], 0)
	return u8(xdp[nl.IFLA_XDP_ATTACHED]) != 0
}
