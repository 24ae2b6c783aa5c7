// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// demoVNI is the segment of the demo's only extension, acme.
const demoVNI l2.VNI = 10100

// build makes the network. The customer's VLAN 999 is on the same cable, but nobody configured it.
func (d *demo) build() error {
	began := time.Now()
	var err error
	d.lab, err = lab.Build(lab.Config{
		Prefix: demoPrefix,
		// XDP sees frames as on a real wire only when veths do not leave tags and checksums for later.
		Wire: d.engine == "xdp",
		Extensions: []lab.ExtSpec{
			{Name: "acme", VLAN: l2.SingleTag(2301), VNI: demoVNI, Hosts: 2},
			{Name: "ghost", VLAN: l2.SingleTag(999), VNI: 10999, VMs: -1, Unconfigured: true},
		},
	})
	if err != nil {
		return err
	}
	if d.daemon, err = d.lab.Gateway.NewDaemon(d.binary); err != nil {
		return err
	}
	spaces := len(d.lab.Roles())
	d.tell.figure("namespaces", spaces)
	d.tell.figure("hypervisors", len(d.lab.Hypervisors))
	d.tell.ok("%d namespaces with real kernel VXLAN endpoints, %.1f s", spaces, time.Since(began).Seconds())
	config := d.lab.GatewayConfig(d.engine)
	config.Extensions[0].Guard = "{profile: hosted}" // who serves is the cloud
	return d.daemon.Configure(config)
}

// startGateway runs the daemon and waits until the bridge is down and the wires carry.
func (d *demo) startGateway() error {
	began := time.Now()
	if err := d.daemon.Start(); err != nil {
		return err
	}
	if err := d.daemon.WaitBridges("lowered", 2*demoLimit); err != nil {
		return err
	}
	took := time.Since(began)
	if err := d.lab.Gateway.WaitUp(d.lab.Gateway.CustomerNICs...); err != nil {
		return err
	}
	if err := d.lab.Switch.WaitUp(lab.TrunkName(0)); err != nil {
		return err
	}
	s, err := d.daemon.Status()
	if err != nil {
		return err
	}
	d.engineRunning, d.engineReason = s.Gateway.Engine, s.Gateway.EngineReason
	d.tell.figure("engine", d.engineRunning)
	d.tell.figure("ready_seconds", rounded(took))
	if d.engine != "auto" && d.engineRunning != d.engine {
		return fmt.Errorf("expected engine %s, got %s", d.engine, d.engineRunning)
	}
	d.tell.ok("the bridge is lowered after %.1f s: acme, VLAN 2301 to VNI %d", took.Seconds(), demoVNI)
	d.tell.ok("engine %s: %s", d.engineRunning, d.engineReason)
	if d.lab.Config.Wire {
		d.tell.note("(The machines of this demo have them off.)")
	}
	return nil
}

// lease has the customer's host get its address from dnsmasq on a VM, and use it from then on.
func (d *demo) lease() error {
	if _, err := exec.LookPath("dnsmasq"); errors.Is(err, exec.ErrNotFound) {
		d.tell.skip("no dnsmasq (package dnsmasq-base): the host keeps its address")
		return nil
	}
	customer, server := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	wanted := customer.IPv4.Masked().Addr().As4()
	wanted[3] = 200
	if err := server.ServeDHCP(netip.AddrFrom4(wanted), netip.AddrFrom4(wanted)); err != nil {
		return err
	}
	began := time.Now()
	got, err := customer.RequestDHCP(customer.MAC, 2*demoLimit)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if got != netip.AddrFrom4(wanted) {
		return fmt.Errorf("expected a lease of %v, got %v", netip.AddrFrom4(wanted), got)
	}
	d.tell.figure("address", got)
	d.tell.figure("lease_ms", milliseconds(took))
	d.tell.ok("dnsmasq on the VM of hypervisor 1 leased %v in %.0f ms", got, milliseconds(took))
	return errors.Join(server.StopDHCP(), d.readdress(customer, got))
}

// readdress makes the leased address the host's only one.
func (d *demo) readdress(h *lab.Host, addr netip.Addr) error {
	leased := netip.PrefixFrom(addr, h.IPv4.Bits())
	if err := h.DeleteAddr(h.Link, h.IPv4); err != nil {
		return err
	}
	h.IPv4 = leased
	return h.AddAddr(h.Link, leased)
}

func milliseconds(t time.Duration) float64 { return float64(t.Microseconds()) / 1000 }
