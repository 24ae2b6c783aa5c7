// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// nobody is a station that does not exist.
var nobody = l2.MAC{0x02, 0xff, 0xff, 0xff, 0xff, 0x01}

// group is a multicast address that nobody listens to.
var group = l2.MAC{0x01, 0x00, 0x5e, 0x7f, 0x00, 0x01}

// TestBUM: a frame for many goes exactly once to each VTEP, and from the cloud exactly once to the customer and to no
// other VTEP.
func TestBUM(t *testing.T) {
	for name, c := range map[string]lab.Config{"IPv4": {Hypervisors: 3}, "IPv6": {Hypervisors: 3, IPv6: true}} {
		t.Run(name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) {
				b := start(t, engine, c)
				for i, dst := range []l2.MAC{l2.Broadcast, group, nobody} {
					b.toCloudOnce(uint32(100*i), dst)
					b.toCustomerOnce(uint32(100*i+50), dst)
				}
			})
		})
	}
}

// toCloudOnce sends one frame from the customer, and a broadcast behind it: when that has come everywhere, so has
// whatever became of the first.
func (b *bench) toCloudOnce(number uint32, dst l2.MAC) {
	b.Helper()
	host := b.Host("acme", 0)
	var wires, machines []*lab.Capture
	for i, h := range b.Hypervisors {
		wires = append(wires, b.watch(h.NS, h.Uplink))
		machines = append(machines, b.watch(b.VM("acme", i, 0).NS, "eth0"))
	}
	back := b.watch(b.Switch.NS, lab.TrunkName(0))
	must(b.T, host.Send(host.Link, mark(host.MAC, dst, number), mark(host.MAC, l2.Broadcast, number+1)))
	for i := range wires {
		b.waitMark(wires[i], number+1)
		b.waitMark(machines[i], number+1)
		if n := countMarks(wires[i], number, nil); n != 1 {
			b.Errorf("to %v: %d copies at VTEP %d, want 1", dst, n, i)
		}
		if n := countMarks(machines[i], number, nil); n != 1 {
			b.Errorf("to %v: %d copies at the VM of VTEP %d, want 1", dst, n, i)
		}
	}
	if n := back.Count(); n != 0 {
		b.Errorf("to %v: %d frames came back to the customer", dst, n)
	}
	b.closeAll(append(append(wires, machines...), back)...)
}

// toCustomerOnce sends one frame from a VM, and a broadcast behind it. Its hypervisor floods to the others itself: only
// what the gateway sends counts there.
func (b *bench) toCustomerOnce(number uint32, dst l2.MAC) {
	b.Helper()
	host, vm := b.Host("acme", 0), b.VM("acme", 1, 0)
	var wires []*lab.Capture
	for _, h := range b.Hypervisors {
		wires = append(wires, b.watch(h.NS, h.Uplink))
	}
	trunk := b.watch(b.Switch.NS, lab.TrunkName(0))
	atHost := b.watch(host.NS, host.Link)
	must(b.T, vm.Send(vm.Link, mark(vm.MAC, dst, number), mark(vm.MAC, l2.Broadcast, number+1)))
	b.waitMark(trunk, number+1)
	b.waitMark(atHost, number+1)
	for where, c := range map[string]*lab.Capture{"on the trunk": trunk, "at the host": atHost} {
		if n := countMarks(c, number, nil); n != 1 {
			b.Errorf("to %v: %d copies %s, want 1", dst, n, where)
		}
	}
	// What the gateway might send back must come before its next broadcast.
	must(b.T, host.Send(host.Link, mark(host.MAC, l2.Broadcast, number+2)))
	for i, c := range wires {
		b.waitMark(c, number+2)
		if n := countMarks(c, number, b.fromGateway); n != 0 {
			b.Errorf("to %v: the gateway sent %d copies to VTEP %d", dst, n, i)
		}
	}
	b.closeAll(append(wires, trunk, atHost)...)
}

func (b *bench) closeAll(captures ...*lab.Capture) {
	b.Helper()
	for _, c := range captures {
		if lost, err := c.Lost(); err != nil || lost != 0 {
			b.Errorf("a capture missed %d frames, %v", lost, err)
		}
		must(b.T, c.Close())
	}
}

// TestKnownUnicast: a frame for a known machine goes to its VTEP and to no other; `macs` says where everybody is.
func TestKnownUnicast(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{Hypervisors: 3})
		b.meet("acme")
		host := b.Host("acme", 0)
		var wires []*lab.Capture
		for _, h := range b.Hypervisors {
			wires = append(wires, b.watch(h.NS, h.Uplink))
		}
		for i := range b.Hypervisors {
			vm := b.VM("acme", i, 0)
			must(t, host.Send(host.Link, mark(host.MAC, vm.MAC, uint32(i))))
		}
		must(t, host.Send(host.Link, mark(host.MAC, l2.Broadcast, 99)))
		for i, c := range wires {
			b.waitMark(c, 99)
			for number := range b.Hypervisors {
				want := 0
				if number == i {
					want = 1
				}
				if n := countMarks(c, uint32(number), nil); n != want {
					t.Errorf("VTEP %d got %d copies of the frame for VM %d, want %d", i, n, number, want)
				}
			}
		}
		b.wantMAC("acme", host.MAC, "customer", netip.Addr{})
		for i, h := range b.Hypervisors {
			b.wantMAC("acme", b.VM("acme", i, 0).MAC, "cloud", h.VTEP)
		}
	})
}

// wantMAC waits until `macs` places a station.
func (b *bench) wantMAC(extension string, mac l2.MAC, side string, vtep netip.Addr) {
	b.Helper()
	place := ""
	if vtep.IsValid() {
		place = vtep.String()
	}
	err := lab.Wait(patience, "a station's place", func() error {
		entries, err := b.daemon.MACs(extension)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.MAC != mac.String() {
				continue
			}
			if e.Side == side && e.VTEP == place {
				return nil
			}
			return fmt.Errorf("%v is at %s %s, want %s %s", mac, e.Side, e.VTEP, side, place)
		}
		return fmt.Errorf("%v is not among %d", mac, len(entries))
	})
	if err != nil {
		b.Error(err)
	}
}

// TestTunnelHeader: what the gateway writes outside is as promised: addresses, ports, flags, reserved bits, and a
// source port that follows the inner flow.
func TestTunnelHeader(t *testing.T) {
	for name, c := range map[string]lab.Config{"IPv4": {}, "IPv6": {IPv6: true}} {
		t.Run(name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) {
				b := start(t, engine, c)
				host, h := b.Host("acme", 0), b.Hypervisors[0]
				b.meet("acme")
				wire := b.watch(h.NS, h.Uplink)
				vm := b.VM("acme", 0, 0)
				must(t, host.Send(host.Link, mark(host.MAC, vm.MAC, 1), mark(host.MAC, vm.MAC, 2)))
				b.waitMark(wire, 2)
				for _, f := range wire.Frames() {
					b.wantTunnelHeader(f.Data, h)
				}
			})
		})
	}
}

func (b *bench) wantTunnelHeader(data []byte, h *lab.Hypervisor) {
	b.Helper()
	tunnel, err := frame.ParseVXLAN(data)
	must(b.T, err)
	header := tunnel.VXLAN
	if flags, _ := header.Flags.Get(); flags != 0x08 || header.Reserved1 != [3]byte{} || header.Reserved2 != 0 || header.VNI != 10100 {
		b.Errorf("VXLAN header %+v", header)
	}
	udp := tunnel.Outer.UDP
	if tunnel.Src != b.Gateway.VTEP || tunnel.Dst != h.VTEP || udp.DstPort != frame.VXLANPort || udp.SrcPort < 49152 {
		b.Errorf("tunnel from %v port %d to %v port %d", tunnel.Src, udp.SrcPort, tunnel.Dst, udp.DstPort)
	}
	if sum, _ := udp.Checksum.Get(); b.Config.IPv6 && sum == 0 {
		b.Error("UDP over IPv6 has no checksum")
	}
}
