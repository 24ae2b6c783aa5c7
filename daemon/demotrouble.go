// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"net/netip"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// strayCount is how many frames each stranger sends.
const strayCount = 100

// The strangers: an address that is no peer, and a station that nobody has.
var (
	strangerVTEP = netip.MustParseAddr("192.0.2.99")
	strangerMAC  = l2.MAC{0x02, 0xff, 0xff, 0xff, 0xff, 0x01}
)

// strangers sends broadcasts on a VLAN that is not configured, and in tunnel packets from an address that is no peer.
func (d *demo) strangers() error {
	c, err := d.watchAll()
	if err != nil {
		return err
	}
	ghost, nics := d.lab.Host("ghost", 0), d.lab.Gateway
	err = d.wantDrops(nics.CustomerNICs[0], "no-circuit", func() error {
		return sendMarks(ghost, ghost.MAC, 1000, 1000+strayCount-2)
	})
	if err != nil {
		return err
	}
	d.tell.ok("VLAN 999, no extension: %d sent, all dropped as no-circuit", strayCount)
	if err := d.wantDrops(nics.Uplinks[0], "unknown-vtep", d.forge); err != nil {
		return err
	}
	d.tell.ok("VXLAN from %v, no peer: %d sent, all dropped as unknown-vtep", strangerVTEP, strayCount)
	if err := d.wantNoneCrossed(c); err != nil {
		return err
	}
	d.tell.ok("none of them crossed, no MAC was learnt from them")
	d.tell.figure("sent_each", strayCount)
	d.tell.figure("crossed", 0)
	return finish(c.all()...)
}

// wantDrops runs send, which sends strayCount frames, and waits until a NIC's counter for a reason has grown by that.
func (d *demo) wantDrops(nic, reason string, send func() error) error {
	before, err := d.drops(nic, reason)
	if err != nil {
		return err
	}
	if err := send(); err != nil {
		return err
	}
	return lab.Wait(demoLimit, "the counter "+reason, func() error {
		now, err := d.drops(nic, reason)
		if err != nil {
			return err
		}
		if now-before < strayCount {
			return fmt.Errorf("expected %d frames more dropped on %s as %s, got %d", strayCount, nic, reason, now-before)
		}
		d.tell.figure(reason, now-before)
		return nil
	})
}

// drops is how many frames a NIC has dropped for a reason.
func (d *demo) drops(nic, reason string) (uint64, error) {
	s, err := d.daemon.Status()
	if err != nil {
		return 0, err
	}
	i := s.Interface(nic)
	if i == nil {
		return 0, fmt.Errorf("expected interface %s in the status, it is not there", nic)
	}
	return i.Drops[reason], nil
}

// forge sends tunnel packets that are right in everything but their source address.
func (d *demo) forge() error {
	h := d.lab.Hypervisors[1]
	dst, err := d.lab.Gateway.MAC(d.lab.Gateway.Uplinks[0])
	if err != nil {
		return err
	}
	src, err := h.MAC(h.Uplink)
	if err != nil {
		return err
	}
	packets := make([]frame.Packet, strayCount)
	for i := range packets {
		packets[i] = frame.Ethernet{Dst: dst, Src: src}.With(
			frame.IPv4{Src: strangerVTEP, Dst: d.lab.Gateway.VTEP},
			frame.UDP{SrcPort: 50000, DstPort: frame.VXLANPort, Checksum: frame.Set(0)},
			frame.VXLAN{VNI: uint32(demoVNI)},
			frame.Raw(mark(strangerMAC, 2000+uint32(i)).Bytes()))
	}
	return h.Send(h.Uplink, packets...)
}

// wantNoneCrossed sends good broadcasts each way behind the strangers' and wants only those.
func (d *demo) wantNoneCrossed(c crowd) error {
	customer, vm := d.lab.Host("acme", 0), d.lab.VM("acme", 0, 0)
	if err := sendMarks(customer, customer.MAC, 301, 301, c.cloud()...); err != nil {
		return err
	}
	if err := sendMarks(vm, vm.MAC, 401, 401, c.customer); err != nil {
		return err
	}
	for _, at := range append(c.cloud(), c.customer) {
		if got := len(at.copies(1000, 2999)); got != 0 {
			return fmt.Errorf("expected no stranger's frame %s, got %d", at.where, got)
		}
	}
	entries, err := d.daemon.MACs("acme")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.MAC == strangerMAC.String() || e.MAC == d.lab.Host("ghost", 0).MAC.String() {
			return fmt.Errorf("expected no stranger among the MACs, got %s on side %s", e.MAC, e.Side)
		}
	}
	return nil
}
