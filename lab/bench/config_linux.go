// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	pairsPerCall = 32    // pairs of devices that one system call asks for
	firstPair    = 10000 // interface numbers of the pairs: chosen here, so that no answer has to be waited for
	pairGroup    = 4711  // all pairs are in one group, which goes with one message
)

// applyLinux makes a bridge and a vxlan device in it per extension, in the fastest way that there is: a device that is up, in its
// bridge and has its VTEP after one message, many messages in a system call, no answers but to the last. The customers' VLAN
// devices are left out: not every kernel has them, and it favours Linux. Removing them all does not count.
func applyLinux(ctx context.Context, t *topology, pairs int) (took time.Duration, err error) {
	socket, err := nl.GetNetlinkSocketAt(t.gateway.handle, netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return 0, fmt.Errorf("open netlink: %w", err)
	}
	defer socket.Close()
	start := time.Now()
	for first := 0; first < pairs; first += pairsPerCall {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := addPairs(socket, first, min(first+pairsPerCall, pairs)); err != nil {
			return 0, err
		}
	}
	took = time.Since(start)
	return took, removePairs(t.gateway)
}

// addPairs asks for the pairs from first to before end, and waits for the answer.
func addPairs(socket *nl.NetlinkSocket, first, end int) error {
	var call []byte
	var last uint32
	for i := first; i < end; i++ {
		bridge, vxlan := bridgeRequest(i), vxlanRequest(i)
		if i == end-1 {
			vxlan.Flags |= unix.NLM_F_ACK
			last = vxlan.Seq
		}
		call = append(append(call, bridge.Serialize()...), vxlan.Serialize()...)
	}
	if err := unix.Sendto(socket.GetFd(), call, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("add pairs from %d on: %w", first, err)
	}
	if err := awaitAnswer(socket, last); err != nil {
		return fmt.Errorf("add pairs from %d on: %w", first, err)
	}
	return nil
}

// deviceRequest asks for a device that is up.
func deviceRequest(ifindex int, name, kind string) (request *nl.NetlinkRequest, data *nl.RtAttr) {
	request = nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Index, about.Flags, about.Change = int32(ifindex), unix.IFF_UP, unix.IFF_UP
	request.AddData(about)
	request.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(pairGroup)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
	request.AddData(info)
	return request, info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
}

func bridgeRequest(number int) *nl.NetlinkRequest {
	request, data := deviceRequest(firstPair+2*number, fmt.Sprintf("b%d", number), "bridge")
	data.AddRtAttr(nl.IFLA_BR_MCAST_SNOOPING, nl.Uint8Attr(0))
	return request
}

func vxlanRequest(number int) *nl.NetlinkRequest {
	request, data := deviceRequest(firstPair+2*number+1, fmt.Sprintf("v%d", number), "vxlan")
	request.AddData(nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(firstPair+2*number))))
	data.AddRtAttr(nl.IFLA_VXLAN_ID, nl.Uint32Attr(uint32(firstVNI+number)))
	data.AddRtAttr(nl.IFLA_VXLAN_LOCAL, gatewayVTEP.AsSlice())
	data.AddRtAttr(nl.IFLA_VXLAN_GROUP, cloudVTEP.AsSlice())
	data.AddRtAttr(nl.IFLA_VXLAN_PORT, []byte{4789 >> 8, 4789 & 0xff})
	data.AddRtAttr(nl.IFLA_VXLAN_LEARNING, nl.Uint8Attr(0))
	return request
}

// awaitAnswer reads until the kernel has answered the last request. A request before it is answered only when it failed.
func awaitAnswer(socket *nl.NetlinkSocket, last uint32) error {
	for {
		messages, _, err := socket.Receive()
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Header.Type != unix.NLMSG_ERROR || len(m.Data) < 4 {
				continue
			}
			if code := int32(nl.NativeEndian().Uint32(m.Data)); code != 0 {
				return syscall.Errno(-code)
			}
			if m.Header.Seq == last {
				return nil
			}
		}
	}
}

// removePairs removes all of them and waits for it: the kernel would remove them with their namespace, some time later, and
// disturb what is measured then.
func removePairs(n *namespace) error {
	request := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(pairGroup)))
	socket, err := nl.GetNetlinkSocketAt(n.handle, netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer socket.Close()
	if err := socket.Send(request); err != nil {
		return fmt.Errorf("remove pairs: %w", err)
	}
	if err := awaitAnswer(socket, request.Seq); err != nil {
		return fmt.Errorf("remove pairs: %w", err)
	}
	_, err = n.links.LinkByName("b0")
	if missing := (netlink.LinkNotFoundError{}); errors.As(err, &missing) {
		return nil
	}
	return fmt.Errorf("remove pairs: b0 is still there: %w", err)
}
