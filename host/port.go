// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
)

// PortTakenError says that the tunnel's UDP port belongs to somebody else in this network namespace.
type PortTakenError struct {
	Port    uint16
	Devices []string // the vxlan devices on it; none means another socket
	Err     error    // the kernel's refusal; nil when nobody tried yet
}

// Error names the holder and the remedy.
func (e *PortTakenError) Error() string {
	if len(e.Devices) == 0 {
		return fmt.Sprintf("UDP port %d is taken by another socket (remedy: \"ss -lunp sport = :%d\" names its process; end it, or set gateway.underlay.port)",
			e.Port, e.Port)
	}
	remedies := make([]string, len(e.Devices))
	for i, d := range e.Devices {
		remedies[i] = "ip link del " + d
	}
	return fmt.Sprintf("UDP port %d is taken by the vxlan device %s, which may be another gateway's (remedy: set gateway.underlay.port, or where nobody uses it: %s)",
		e.Port, strings.Join(e.Devices, ", "), strings.Join(remedies, "; "))
}

// Unwrap gives the kernel's refusal.
func (e *PortTakenError) Unwrap() error { return e.Err }

// PortTaken tells who besides the device named ours holds a UDP port: a PortTakenError, nil when it is
// free or ours, or what went wrong while looking.
func (h *Host) PortTaken(port uint16, ours string) error {
	others, mine, err := h.vxlanDevices(port, ours)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		return &PortTakenError{Port: port, Devices: others}
	}
	if mine {
		return nil
	}
	bound, err := h.portBound(port)
	if err != nil || !bound {
		return err
	}
	return &PortTakenError{Port: port}
}

// portTaken explains the kernel's refusal to give a port to the device named ours.
func (h *Host) portTaken(port uint16, ours string, refusal error) error {
	others, _, err := h.vxlanDevices(port, ours)
	if err != nil {
		return errors.Join(refusal, err)
	}
	return &PortTakenError{Port: port, Devices: others, Err: refusal}
}

// vxlanDevices names the vxlan devices on a port other than ours, and reports whether ours is up on it.
func (h *Host) vxlanDevices(port uint16, ours string) (others []string, mine bool, err error) {
	links, err := h.rtnl.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, false, fmt.Errorf("list vxlan devices: %w", err)
	}
	for _, l := range links {
		v, ok := l.(*netlink.Vxlan)
		switch {
		case !ok || v.Port != int(port):
		case v.Name != ours:
			others = append(others, v.Name)
		default:
			mine = v.OperState != netlink.OperDown
		}
	}
	return others, mine, nil
}

// portBound looks for sockets on a UDP port without binding it, which would itself take packets away.
func (h *Host) portBound(port uint16) (bound bool, err error) {
	err = h.inside(func() error {
		for _, file := range []string{"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"} {
			f, err := os.Open(file)
			if errors.Is(err, os.ErrNotExist) {
				continue // no IPv6
			}
			if err != nil {
				return err
			}
			bound = bound || hasPort(f, port)
			_ = f.Close()
		}
		return nil
	})
	return bound, err
}

// hasPort looks for a local port in a table like /proc/net/udp: "sl local_address …", where the address
// ends in a colon and four hexadecimal digits of port.
func hasPort(table io.Reader, port uint16) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && strings.HasSuffix(fields[1], suffix) {
			return true
		}
	}
	return false
}

// TunnelObstacles tells in sentences what on this host is in the way of tunnel packets to a UDP port, as
// far as it can be seen; none is no promise. Our device is the one named ours.
func (h *Host) TunnelObstacles(port uint16, ours string) []string {
	var obstacles []string
	if err := h.PortTaken(port, ours); err != nil {
		obstacles = append(obstacles, err.Error())
	}
	for _, chain := range h.DroppingChains() {
		obstacles = append(obstacles, fmt.Sprintf("nftables chain %s drops what no rule accepts (remedy: nft insert rule %s udp dport %d accept)",
			chain, chain, port))
	}
	return obstacles
}
