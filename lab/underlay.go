// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// plan has the underlay's addresses.
type plan struct{ ipv6 bool }

// pick is the address of the configured family.
func (p plan) pick(ipv4, ipv6 string) netip.Addr {
	if p.ipv6 {
		return netip.MustParseAddr(ipv6)
	}
	return netip.MustParseAddr(ipv4)
}

func (p plan) subnetBits() int {
	if p.ipv6 {
		return 64
	}
	return 24
}

// fabric is the hypervisors' subnet: number 1 is the router, 10 the gateway when it is on it, 21… the
// hypervisors.
func (p plan) fabric(number int) netip.Prefix {
	addr := p.pick(fmt.Sprintf("192.0.2.%d", number), fmt.Sprintf("2001:db8:1::%d", number))
	return netip.PrefixFrom(addr, p.subnetBits())
}

// access is the subnet of a routed gateway's uplink: number 1 is the router, 10 the gateway.
func (p plan) access(uplink, number int) netip.Prefix {
	addr := p.pick(fmt.Sprintf("198.51.%d.%d", 100+uplink, number), fmt.Sprintf("2001:db8:%d::%d", 100+uplink, number))
	return netip.PrefixFrom(addr, p.subnetBits())
}

// loopback is the VTEP address on lo.
func (p plan) loopback() netip.Prefix {
	addr := p.pick("203.0.113.10", "2001:db8:ff::10")
	return netip.PrefixFrom(addr, addr.BitLen())
}

const fabricBridge = "fabric"

func uplinkName(i int) string   { return fmt.Sprintf("eth%d", 1+2*i) }
func customerName(i int) string { return fmt.Sprintf("eth%d", 2+2*i) }

// UnderlayPort is the underlay's end of the cable to an uplink of the gateway, counted from 0.
func UnderlayPort(uplink int) string { return fmt.Sprintf("up%d", uplink) }

// RouteVTEPs has a routed gateway reach the hypervisors over some of its uplinks, counted from 0.
func (l *Lab) RouteVTEPs(uplinks ...int) error {
	var hops []netip.Addr
	for _, i := range uplinks {
		hops = append(hops, l.plan().access(i, 1).Addr())
	}
	return l.Gateway.Route(l.plan().fabric(0).Masked(), hops...)
}

// buildUnderlay makes the underlay's namespace with the bridge that the hypervisors are on. When it routes, the
// bridge has the router's address.
func (l *Lab) buildUnderlay() error {
	space, err := l.NS("underlay")
	if err != nil {
		return err
	}
	l.Underlay = space
	if err := space.skipBridgeFilter(); err != nil {
		return err
	}
	if !l.Config.Routed {
		if err := space.sysctls(noIPv6); err != nil {
			return err
		}
		return space.Bridge(fabricBridge, l.Config.MTU)
	}
	if err := space.sysctls(forwarding); err != nil {
		return err
	}
	if err := space.Bridge(fabricBridge, l.Config.MTU); err != nil {
		return err
	}
	return space.AddAddr(fabricBridge, l.plan().fabric(1))
}

// forwarding makes a namespace a router that does not mind where packets come from. It keeps its link-local
// addresses: the kernel resolves neighbours for forwarded packets with them.
var forwarding = map[string]string{
	"ipv4/ip_forward":              "1",
	"ipv4/conf/all/rp_filter":      "0",
	"ipv4/conf/default/rp_filter":  "0",
	"ipv4/conf/all/send_redirects": "0",
	"ipv6/conf/all/forwarding":     "1",
	"ipv6/conf/default/accept_ra":  "0",
	"ipv6/conf/default/accept_dad": "0",
	// Its addresses outlive an unplugged cable, as a router's do.
	"ipv6/conf/default/keep_addr_on_down": "1",
	"ipv4/fib_multipath_hash_policy":      "1",
}

// noForwarding is a host as one comes installed: no router. It takes packets by any route, so that what the gateway's
// host does not stop is not stopped by chance.
var noForwarding = map[string]string{
	"ipv4/ip_forward":             "0",
	"ipv4/conf/all/rp_filter":     "0",
	"ipv4/conf/default/rp_filter": "0",
	"ipv6/conf/all/forwarding":    "0",
}

// buildGateway makes the gateway's namespace with its uplinks; NICs towards the customer come later. Nothing
// in it is made quiet: a real gateway's host is not either.
func (l *Lab) buildGateway() error {
	space, err := l.NS("gw")
	if err != nil {
		return err
	}
	l.Gateway = &Gateway{NS: space, net: l.Net}
	if err := space.sysctls(noForwarding); err != nil {
		return err
	}
	for i := range l.Config.Uplinks {
		if err := l.addUplink(i); err != nil {
			return err
		}
	}
	if err := l.setGatewayAddresses(); err != nil {
		return err
	}
	if l.Config.ThirdNIC {
		return l.addThirdNIC()
	}
	return nil
}

func (l *Lab) addUplink(i int) error {
	inside, outside := uplinkName(i), UnderlayPort(i)
	if err := Cable(End{NS: l.Gateway.NS, Name: inside}, End{NS: l.Underlay, Name: outside}, l.Config.MTU); err != nil {
		return err
	}
	if l.Config.Wire { // a veth takes what XDP redirects to its peer only with NAPI, which GRO brings
		if err := l.Underlay.Offload(outside, true, GRO); err != nil {
			return err
		}
	}
	l.Gateway.Uplinks = append(l.Gateway.Uplinks, inside)
	if err := l.Gateway.Up(inside); err != nil {
		return err
	}
	if !l.Config.Routed {
		return l.Underlay.Enslave(outside, fabricBridge)
	}
	if err := l.Underlay.Up(outside); err != nil {
		return err
	}
	return l.Underlay.AddAddr(outside, l.plan().access(i, 1))
}

// setGatewayAddresses gives the gateway its addresses and both directions their routes.
func (l *Lab) setGatewayAddresses() error {
	p, gw := l.plan(), l.Gateway
	if !l.Config.Routed {
		gw.VTEP = p.fabric(10).Addr()
		return gw.AddAddr(gw.Uplinks[0], p.fabric(10))
	}
	for i, uplink := range gw.Uplinks {
		if err := gw.AddAddr(uplink, p.access(i, 10)); err != nil {
			return err
		}
	}
	gw.VTEP = p.access(0, 10).Addr()
	if l.Config.VTEPOnLoopback {
		gw.VTEP = p.loopback().Addr()
		if err := gw.AddAddr("lo", p.loopback()); err != nil {
			return err
		}
	}
	return l.routeUplinks()
}

// routeUplinks leads both directions over all uplinks, at equal cost.
func (l *Lab) routeUplinks() error {
	p := l.plan()
	var hops, back []netip.Addr
	for i := range l.Gateway.Uplinks {
		hops, back = append(hops, p.access(i, 1).Addr()), append(back, p.access(i, 10).Addr())
	}
	if l.Config.VTEPOnLoopback {
		if err := l.Underlay.Route(p.loopback(), back...); err != nil {
			return err
		}
	}
	return l.Gateway.Route(p.fabric(0).Masked(), hops...)
}

// MendUplink brings an uplink of a routed gateway, counted from 0, up again after it failed, with the addresses and
// routes that the kernel has dropped meanwhile.
func (l *Lab) MendUplink(i int) error {
	p, inside, outside := l.plan(), uplinkName(i), UnderlayPort(i)
	if err := errors.Join(l.Gateway.Up(inside), l.Underlay.Up(outside)); err != nil {
		return err
	}
	for _, end := range []struct {
		space *NS
		link  string
		own   netip.Prefix
	}{{l.Gateway.NS, inside, p.access(i, 10)}, {l.Underlay, outside, p.access(i, 1)}} {
		if err := end.space.AddAddr(end.link, end.own); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		if err := end.space.WaitUp(end.link); err != nil {
			return err
		}
	}
	return l.routeUplinks()
}

// addThirdNIC makes a NIC of the gateway that leads to the underlay's namespace, but is no uplink.
func (l *Lab) addThirdNIC() error {
	const outside = "third"
	if err := Cable(End{NS: l.Gateway.NS, Name: ThirdNIC}, End{NS: l.Underlay, Name: outside}, l.Config.MTU); err != nil {
		return err
	}
	if err := l.Gateway.Up(ThirdNIC); err != nil {
		return err
	}
	return l.Underlay.Up(outside)
}

func (l *Lab) plan() plan { return plan{ipv6: l.Config.IPv6} }
