// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// Hypervisor is a machine of the cloud with a kernel VXLAN tunnel endpoint, one device and bridge for each VNI.
type Hypervisor struct {
	*NS
	Uplink string
	VTEP   netip.Addr
	VMs    []*Host
}

// Bridge is the name of the bridge that a segment's VMs are on.
func (h *Hypervisor) Bridge(vni l2.VNI) string { return fmt.Sprintf("br%d", vni) }

// Device is the name of a segment's tunnel device.
func (h *Hypervisor) Device(vni l2.VNI) string { return fmt.Sprintf("vx%d", vni) }

// buildCloud makes the hypervisors and their VMs.
func (l *Lab) buildCloud() error {
	for i := range l.Config.Hypervisors {
		if err := l.addHypervisor(i); err != nil {
			return err
		}
	}
	for _, h := range l.Hypervisors {
		for _, e := range l.Config.Extensions {
			if err := l.addSegment(h, e); err != nil {
				return err
			}
		}
	}
	for i, h := range l.Hypervisors {
		for _, e := range l.Config.Extensions {
			if err := l.addVMs(i, h, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lab) addHypervisor(i int) error {
	space, err := l.NS(fmt.Sprintf("hv%d", i+1))
	if err != nil {
		return err
	}
	if err := space.sysctls(quietIPv6); err != nil {
		return err
	}
	if err := space.skipBridgeFilter(); err != nil {
		return err
	}
	address := l.plan().fabric(21 + i)
	h := &Hypervisor{NS: space, Uplink: "eth0", VTEP: address.Addr()}
	l.Hypervisors = append(l.Hypervisors, h)
	port := l.portName()
	if err := Cable(End{NS: space, Name: h.Uplink}, End{NS: l.Underlay, Name: port}, l.Config.MTU); err != nil {
		return err
	}
	if l.Config.Wire {
		if err := space.Offload(h.Uplink, false, TxChecksum); err != nil {
			return err
		}
	}
	if err := l.Underlay.Enslave(port, fabricBridge); err != nil {
		return err
	}
	if err := space.Up(h.Uplink); err != nil {
		return err
	}
	if err := space.AddAddr(h.Uplink, address); err != nil {
		return err
	}
	return l.routeToGateway(h)
}

// routeToGateway leads a hypervisor's packets for the gateway through the router, if there is one.
func (l *Lab) routeToGateway(h *Hypervisor) error {
	if !l.Config.Routed {
		return nil
	}
	target := l.plan().access(0, 0).Masked()
	if l.Config.VTEPOnLoopback {
		target = l.plan().loopback()
	}
	return h.Route(target, l.plan().fabric(1).Addr())
}

// addSegment makes a tunnel device and a bridge, with the gateway and every other hypervisor in the flood list.
func (l *Lab) addSegment(h *Hypervisor, e ExtSpec) error {
	device, bridge := h.Device(e.VNI), h.Bridge(e.VNI)
	err := h.NS.VXLAN(VXLAN{
		Name: device, VNI: e.VNI, Local: h.VTEP, Port: frame.VXLANPort,
		MTU: l.Config.overlayMTU(), Learning: !l.Config.NoLearning,
	})
	if err != nil {
		return err
	}
	if err := h.NS.Bridge(bridge, l.Config.overlayMTU()); err != nil {
		return err
	}
	if err := h.Enslave(device, bridge); err != nil {
		return err
	}
	if err := h.AddFlood(device, l.Gateway.VTEP); err != nil {
		return err
	}
	for _, other := range l.Hypervisors {
		if other == h {
			continue
		}
		if err := h.AddFlood(device, other.VTEP); err != nil {
			return err
		}
	}
	return nil
}

// addVMs makes the VMs of one segment on one hypervisor: numbers 101, 102… on the first, 111… on the second.
func (l *Lab) addVMs(i int, h *Hypervisor, e ExtSpec) error {
	for n := range max(e.VMs, 0) {
		vm, err := l.newHost(hostSpec{
			role: fmt.Sprintf("vm-%s-%d%d", e.Name, i+1, n+1), extension: string(e.Name),
			number: byte(101 + 10*i + n), subnet4: e.IPv4, subnet6: e.IPv6,
			mtu: min(l.Config.HostMTU, l.Config.overlayMTU()), wire: l.Config.Wire,
		}, h.NS, h.Bridge(e.VNI))
		if err != nil {
			return err
		}
		h.VMs = append(h.VMs, vm)
		l.VMs = append(l.VMs, vm)
	}
	return nil
}
