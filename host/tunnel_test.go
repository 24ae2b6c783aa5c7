// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const port = 4789

func ensureTunnel(t *testing.T, h *Host, port uint16, zeroChecksum6 bool) int {
	t.Helper()
	ifindex, err := h.EnsureTunnelDevice("dbtun", port, zeroChecksum6, nil)
	must(t, err)
	return ifindex
}

func TestTunnelDevice(t *testing.T) {
	h := fresh(t)
	ifindex := ensureTunnel(t, h, port, false)
	v := link(t, h.rtnl, "dbtun").(*netlink.Vxlan)
	if v.Index != ifindex || !v.FlowBased || v.Learning || v.Port != port || v.PortLow != 49152 || v.PortHigh != 65535 ||
		v.UDP6ZeroCSumTx || v.UDP6ZeroCSumRx || v.Alias != tunnelAlias || v.MTU < 65000 {
		t.Errorf("%+v", v)
	}
	o := observeLink(t, h, "dbtun")
	if !o.AdminUp || o.flags&unix.IFF_NOARP == 0 || o.noIPv6 != 1 || o.addrGen != 1 || len(o.Automatic) != 0 {
		t.Errorf("%+v", o)
	}
	if again := ensureTunnel(t, h, port, false); again != ifindex {
		t.Error("the right device was not kept")
	}
	must(t, h.PortTaken(port, "dbtun"))
	// One socket for each family of underlay.
	for _, network := range []string{"udp4", "udp6"} {
		if c, err := net.ListenUDP(network, &net.UDPAddr{Port: port}); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s: the device does not hold the port: %v", network, err)
			if c != nil {
				_ = c.Close()
			}
		}
	}
	must(t, h.RemoveTunnelDevice("dbtun"))
	must(t, h.RemoveTunnelDevice("dbtun"))
	if _, err := h.observe("dbtun"); !errors.Is(err, ErrNoLink) {
		t.Errorf("still there: %v", err)
	}
}

func TestTunnelDeviceIsRepaired(t *testing.T) {
	h := fresh(t)
	ifindex := ensureTunnel(t, h, port, false)
	l := link(t, h.rtnl, "dbtun")
	must(t, h.rtnl.LinkSetDown(l))
	must(t, h.rtnl.LinkSetMTU(l, 1400))
	must(t, h.rtnl.LinkSetARPOn(l))
	if again := ensureTunnel(t, h, port, false); again != ifindex {
		t.Error("made anew for what could be changed")
	}
	if o := observeLink(t, h, "dbtun"); !o.AdminUp || o.MTU != tunnelMTU || o.flags&unix.IFF_NOARP == 0 {
		t.Errorf("%+v", o)
	}
}

func TestTunnelDeviceOfAnotherShapeIsMadeAnew(t *testing.T) {
	h := fresh(t)
	first := ensureTunnel(t, h, port, false)
	second := ensureTunnel(t, h, port, true)
	v := link(t, h.rtnl, "dbtun").(*netlink.Vxlan)
	if second == first || !v.UDP6ZeroCSumTx || !v.UDP6ZeroCSumRx {
		t.Errorf("%+v", v)
	}
	ensureTunnel(t, h, 8472, true)
	if v := link(t, h.rtnl, "dbtun").(*netlink.Vxlan); v.Port != 8472 {
		t.Errorf("port %d", v.Port)
	}
}

func TestTunnelDeviceHalfMadeIsFinished(t *testing.T) {
	h := fresh(t)
	must(t, h.rtnl.LinkAdd(tunnelDevice("dbtun", port, false)))
	ifindex := link(t, h.rtnl, "dbtun").Attrs().Index
	if got := ensureTunnel(t, h, port, false); got != ifindex {
		t.Error("not adopted")
	}
	if o := observeLink(t, h, "dbtun"); o.Alias != tunnelAlias || !o.AdminUp {
		t.Errorf("%+v", o)
	}
}

func TestForeignDeviceOfTheNameStays(t *testing.T) {
	h := fresh(t)
	veth(t, h, "dbtun", "peer")
	ifindex := link(t, h.rtnl, "dbtun").Attrs().Index
	_, err := h.EnsureTunnelDevice("dbtun", port, false, nil)
	if err == nil || !strings.Contains(err.Error(), "ip link del dbtun") {
		t.Errorf("error without a remedy: %v", err)
	}
	must(t, h.RemoveTunnelDevice("dbtun"))
	if link(t, h.rtnl, "dbtun").Attrs().Index != ifindex {
		t.Error("a device that is not ours has gone")
	}
}

// A foreign tunnel that looks like ours in everything but is in use is not ours.
func TestForeignVXLANOfTheNameStays(t *testing.T) {
	h := fresh(t)
	must(t, h.rtnl.LinkAdd(tunnelDevice("dbtun", port, false)))
	up(t, h.rtnl, "dbtun")
	if _, err := h.EnsureTunnelDevice("dbtun", port, false, nil); err == nil {
		t.Error("adopted")
	}
}

func TestPortTaken(t *testing.T) {
	plain := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vxlan7", TxQLen: -1}, VxlanId: 7, Port: port}
	external := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vxlan7", TxQLen: -1}, FlowBased: true, Port: port}
	for name, other := range map[string]*netlink.Vxlan{"plain": plain, "external": external} {
		t.Run(name, func(t *testing.T) {
			h := fresh(t)
			must(t, h.rtnl.LinkAdd(other))
			up(t, h.rtnl, "vxlan7")
			assertTaken(t, h, []string{"vxlan7"}, "ip link del vxlan7")
		})
	}
	t.Run("socket", func(t *testing.T) {
		h := fresh(t)
		c, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
		must(t, err)
		defer c.Close()
		assertTaken(t, h, nil, "ss -lunp")
		must(t, h.PortTaken(port+1, "dbtun"))
	})
	t.Run("socket for an existing device", func(t *testing.T) {
		h := fresh(t)
		ensureTunnel(t, h, port, false)
		must(t, h.rtnl.LinkSetDown(link(t, h.rtnl, "dbtun")))
		c, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
		must(t, err)
		defer c.Close()
		_, err = h.EnsureTunnelDevice("dbtun", port, false, nil)
		if taken := (*PortTakenError)(nil); !errors.As(err, &taken) {
			t.Errorf("%v", err)
		}
		if observeLink(t, h, "dbtun").AdminUp {
			t.Error("up without its port")
		}
	})
}

func assertTaken(t *testing.T, h *Host, devices []string, remedy string) {
	t.Helper()
	_, err := h.EnsureTunnelDevice("dbtun", port, false, nil)
	for _, err := range []error{err, h.PortTaken(port, "dbtun")} {
		taken := (*PortTakenError)(nil)
		if !errors.As(err, &taken) || taken.Port != port || !slices.Equal(taken.Devices, devices) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%T %v", err, err)
		}
	}
	if _, err := h.observe("dbtun"); !errors.Is(err, ErrNoLink) {
		t.Errorf("half a device is left: %v", err)
	}
	if got := h.TunnelObstacles(port, "dbtun"); len(got) != 1 || !strings.Contains(got[0], remedy) {
		t.Errorf("obstacles %q", got)
	}
}

func TestNoObstacles(t *testing.T) {
	h := fresh(t)
	if got := h.TunnelObstacles(port, "dbtun"); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestHasPort(t *testing.T) {
	const table = `   sl  local_address rem_address   st
13347: 00000000:12B5 00000000:0000 07
13348: 00000000000000000000000000000000:0044 00000000000000000000000000000000:1234 07`
	for port, want := range map[uint16]bool{4789: true, 68: true, 0x1234: false, 0: false} {
		if hasPort(strings.NewReader(table), port) != want {
			t.Errorf("port %d: want %v", port, want)
		}
	}
}
