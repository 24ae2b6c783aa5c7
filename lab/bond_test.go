// SPDX-License-Identifier: Apache-2.0

//go:build bonding

package lab_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// These tests want a kernel with bonds, which not every small one has: lab/kernel/boot.sh runs them.

// TestBond: a bond is an attachment like a NIC; LACP lives on, and one of its two wires may fail.
func TestBond(t *testing.T) {
	for _, mode := range []string{"802.3ad", "active-backup"} {
		t.Run(mode, func(t *testing.T) {
			b := prepare(t, "tc", lab.Config{}, func(c *lab.GatewayConfig) { c.Extensions[0].Interface = "bond0" })
			b.cableBond(mode)
			must(t, b.daemon.Start())
			must(t, b.daemon.WaitBridges("lowered", 4*patience))
			host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
			b.pingSlowly(host, vm)
			if mode == "802.3ad" {
				b.wantPartner()
			}
			must(t, b.Switch.Down("s0"))
			b.pingSlowly(host, vm)
			must(t, b.Switch.Up("s0"))
			b.pingSlowly(vm, host)
			must(t, b.Switch.Down("s1"))
			b.pingSlowly(vm, host)
			b.wantBalance()
		})
	}
}

// cableBond joins gateway and switch by two wires under a bond at either end, and moves the customer's host behind it.
func (b *bench) cableBond(mode string) {
	b.Helper()
	spec := b.Spec("acme")
	for i := range 2 {
		must(b.T, lab.Cable(lab.End{NS: b.Gateway.NS, Name: fmt.Sprintf("g%d", i)},
			lab.End{NS: b.Switch.NS, Name: fmt.Sprintf("s%d", i)}, b.Config.HostMTU))
	}
	must(b.T, b.Gateway.Bond("bond0", mode, "g0", "g1"))
	must(b.T, b.Switch.Bond("bonded", mode, "s0", "s1"))
	must(b.T, b.Switch.AddTrunk("bonded"))
	bridge, err := b.Switch.AddVLAN("bonded", spec.VLAN, 0)
	must(b.T, err)
	must(b.T, b.Host("acme", 0).Move(b.Switch.NS, bridge))
}

// pingSlowly wants an answer within the time that bonds take to notice and LACP to agree.
func (b *bench) pingSlowly(from, to *lab.Host) {
	b.Helper()
	_, err := from.Ping(to.IPv4.Addr(), 20*time.Second)
	must(b.T, err)
}

// wantPartner wants both ends to have found each other by LACP.
func (b *bench) wantPartner() {
	b.Helper()
	const nobody = "00:00:00:00:00:00"
	for space, bond := range map[*lab.NS]string{b.Gateway.NS: "bond0", b.Switch.NS: "bonded"} {
		partner, err := space.BondPartner(bond)
		must(b.T, err)
		if partner == nobody {
			b.Errorf("%s in %s has found no partner", bond, space.Role)
		}
	}
}
