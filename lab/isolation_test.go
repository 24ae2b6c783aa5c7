// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// TestTwins: two extensions with the same MAC and IP addresses inside never see each other's frames.
func TestTwins(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		subnet4, subnet6 := netip.MustParsePrefix("10.7.7.0/24"), netip.MustParsePrefix("fd00:7::/64")
		b := start(t, engine, lab.Config{Extensions: []lab.ExtSpec{
			{Name: "left", VLAN: l2.SingleTag(100), VNI: 5000, IPv4: subnet4, IPv6: subnet6},
			{Name: "right", VLAN: l2.DoubleTag(100, 200), VNI: 5001, IPv4: subnet4, IPv6: subnet6},
		}})
		for i, extension := range []string{"left", "right"} {
			b.meet(extension)
			b.wantApart(extension, []string{"right", "left"}[i], uint32(1000*i))
		}
	})
}

// wantApart sends marks of every kind from all machines of one extension, in both directions, and wants none of them at
// the other's machines.
func (b *bench) wantApart(from, other string, number uint32) {
	b.Helper()
	senders := []*lab.Host{b.Host(from, 0), b.VM(from, 0, 0), b.VM(from, 1, 0)}
	strangers := []*lab.Host{b.Host(other, 0), b.VM(other, 0, 0), b.VM(other, 1, 0)}
	var captures []*lab.Capture
	for _, h := range strangers {
		captures = append(captures, b.watch(h.NS, h.Link))
	}
	for _, s := range senders {
		for _, receiver := range senders {
			must(b.T, s.Send(s.Link, mark(s.MAC, receiver.MAC, number)))
		}
		must(b.T, s.Send(s.Link, mark(s.MAC, l2.Broadcast, number), mark(s.MAC, nobody, number)))
	}
	// Marks of the strangers' own, in both directions, come behind all that.
	must(b.T, strangers[0].Send("eth0", mark(strangers[0].MAC, l2.Broadcast, number+1)))
	must(b.T, strangers[1].Send("eth0", mark(strangers[1].MAC, l2.Broadcast, number+2)))
	b.waitMark(captures[0], number+2)
	b.waitMark(captures[1], number+1)
	b.waitMark(captures[2], number+1)
	for i, c := range captures {
		if n := countMarks(c, number, nil); n != 0 {
			b.Errorf("%s got %d frames of extension %s", strangers[i].Role, n, from)
		}
	}
	b.closeAll(captures...)
}

// TestUnconfigured: nothing of a VLAN, a VNI or a VTEP that is not configured gets through, and it is counted.
func TestUnconfigured(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{Extensions: []lab.ExtSpec{
			{Name: "acme", VLAN: l2.SingleTag(2301), VNI: 10100},
			{Name: "ghost", VLAN: l2.SingleTag(999), VNI: 99, Unconfigured: true},
		}}, func(c *lab.GatewayConfig) {
			c.Extensions[0].Peers = c.Extensions[0].Peers[:1] // the second hypervisor is none of ours
		})
		customer, underlay := b.Gateway.CustomerNICs[0], b.Gateway.Uplinks[0]
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		ghost, ghostVM, stranger := b.Host("ghost", 0), b.VM("ghost", 0, 0), b.VM("acme", 1, 0)
		b.ping(host, vm)

		atHost, atGhost := b.watch(host.NS, host.Link), b.watch(ghost.NS, ghost.Link)
		atVM, atGhostVM := b.watch(vm.NS, vm.Link), b.watch(ghostVM.NS, ghostVM.Link)
		for i, c := range []struct {
			from        *lab.Host
			nic, reason string
		}{
			{ghost, customer, "no-circuit"}, {ghostVM, underlay, "unknown-vni"}, {stranger, underlay, "unknown-vtep"},
		} {
			before := b.drops(c.nic, c.reason)
			must(t, c.from.Send(c.from.Link, mark(c.from.MAC, l2.Broadcast, uint32(i)), mark(c.from.MAC, host.MAC, uint32(i))))
			b.wantDrops(c.nic, c.reason, before, 2)
		}
		must(t, vm.Send(vm.Link, mark(vm.MAC, l2.Broadcast, 50)))
		b.waitMark(atHost, 50)
		must(t, host.Send(host.Link, mark(host.MAC, l2.Broadcast, 51)))
		b.waitMark(atVM, 51)
		for i := range uint32(3) {
			if n := countMarks(atHost, i, nil) + countMarks(atGhost, i, nil); n != 0 {
				t.Errorf("case %d: %d frames reached the customer", i, n)
			}
			// Hypervisors flood to each other: the cloud's own frames reach VMs without us.
			if n := countMarks(atVM, i, nil) + countMarks(atGhostVM, i, nil); i == 0 && n != 0 {
				t.Errorf("case %d: %d frames reached the cloud", i, n)
			}
		}
	})
}

// forged is a tunnel packet with a broadcast mark inside, from and to addresses of the test's choice. Wrong fields are
// set by edit.
type forged struct {
	name   string
	reason string
	src    netip.Addr
	dst    netip.Addr
	port   uint16
	ip     frame.IPv4
	udp    frame.UDP
	vxlan  frame.VXLAN
	number uint32
}

func (f forged) packet(dst, src l2.MAC) frame.Packet {
	f.ip.Src, f.ip.Dst = f.src, f.dst
	f.udp.SrcPort, f.udp.DstPort = 50000, f.port
	inner := mark(nobody, l2.Broadcast, f.number).Bytes()
	return frame.Ethernet{Dst: dst, Src: src}.With(f.ip, f.udp, f.vxlan, frame.Raw(inner))
}

// TestForgedTunnels: a tunnel packet with anything wrong about it is dropped, and counted under its reason.
func TestForgedTunnels(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		host, h, uplink := b.Host("acme", 0), b.Hypervisors[0], b.Gateway.Uplinks[0]
		gatewayMAC, err := b.Gateway.MAC(uplink)
		must(t, err)
		atHost := b.watch(host.NS, host.Link)
		good := forged{src: h.VTEP, dst: b.Gateway.VTEP, port: frame.VXLANPort, udp: frame.UDP{Checksum: frame.Set(0)},
			vxlan: frame.VXLAN{VNI: 10100}}
		hMAC, err := h.MAC(h.Uplink)
		must(t, err)
		for i, f := range forgeries(good) {
			f.number = uint32(i + 1)
			before := b.drops(uplink, f.reason)
			must(t, h.Send(h.Uplink, f.packet(gatewayMAC, hMAC)))
			if f.reason != "" {
				b.wantDrops(uplink, f.reason, before, 1)
			}
		}
		good.number = 1000
		must(t, h.Send(h.Uplink, good.packet(gatewayMAC, hMAC)))
		b.waitMark(atHost, 1000)
		for i, f := range forgeries(good) {
			if n := countMarks(atHost, uint32(i+1), nil); n != 0 {
				t.Errorf("%s: %d frames were decapsulated", f.name, n)
			}
		}
	})
}

// forgeries are wrong in one way each. An empty reason: the packet is not ours and goes to the host.
func forgeries(good forged) []forged {
	edits := []struct {
		name, reason string
		edit         func(*forged)
	}{
		{"unknown VTEP", "unknown-vtep", func(f *forged) { f.src = netip.MustParseAddr("192.0.2.99") }},
		{"unknown VNI", "unknown-vni", func(f *forged) { f.vxlan.VNI = 10101 }},
		{"no VNI flag", "tunnel-header", func(f *forged) { f.vxlan.Flags = frame.Set(0) }},
		{"further flag", "tunnel-header", func(f *forged) { f.vxlan.Flags = frame.Set(0x0c) }},
		{"reserved bits in front", "tunnel-header", func(f *forged) { f.vxlan.Reserved1[1] = 1 }},
		{"reserved bits behind", "tunnel-header", func(f *forged) { f.vxlan.Reserved2 = 0x80 }},
		{"IP checksum", "tunnel-header", func(f *forged) { f.ip.Checksum = frame.Set(1) }},
		{"UDP length", "tunnel-header", func(f *forged) { f.udp.Length = frame.Set(30) }},
		{"fragment", "tunnel-header", func(f *forged) { f.ip.MoreFragments = true }},
		{"other port", "", func(f *forged) { f.port = 8472 }},
		{"other address", "", func(f *forged) { f.dst = netip.MustParseAddr("192.0.2.250") }},
	}
	all := make([]forged, len(edits))
	for i, e := range edits {
		all[i] = good
		all[i].name, all[i].reason = e.name, e.reason
		e.edit(&all[i])
	}
	return all
}

// TestThirdNIC: a right tunnel packet that comes by a NIC that is no uplink is not decapsulated.
func TestThirdNIC(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{ThirdNIC: true})
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		b.ping(host, vm)
		atHost := b.watch(host.NS, host.Link)
		atThird, err := b.Gateway.Capture(lab.ThirdNIC, func(f lab.Frame) bool { return isMark(f) })
		must(t, err)
		mac, err := b.Gateway.MAC(lab.ThirdNIC)
		must(t, err)
		must(t, b.Gateway.WaitUp(lab.ThirdNIC))
		f := forged{src: b.Hypervisors[0].VTEP, dst: b.Gateway.VTEP, port: frame.VXLANPort,
			udp: frame.UDP{Checksum: frame.Set(0)}, vxlan: frame.VXLAN{VNI: 10100}, number: 1}
		must(t, b.Underlay.Send("third", f.packet(mac, nobody)))
		b.waitMark(atThird, 1)
		must(t, vm.Send(vm.Link, mark(vm.MAC, l2.Broadcast, 2)))
		b.waitMark(atHost, 2)
		if n := countMarks(atHost, 1, nil); n != 0 {
			t.Errorf("%d frames that came by the third NIC were decapsulated", n)
		}
	})
}

// TestUnderlayProgramGone: without its underlay program the gateway decapsulates nothing, and a daemon that can puts the
// program back within a second.
func TestUnderlayProgramGone(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		host, vm, uplink := b.Host("acme", 0), b.VM("acme", 0, 0), b.Gateway.Uplinks[0]
		b.ping(host, vm)
		must(t, b.daemon.Freeze())
		b.detachPrograms(uplink)
		atHost := b.watch(host.NS, host.Link)
		atGateway := b.watch(b.Gateway.NS, uplink)
		must(t, vm.Send(vm.Link, mark(vm.MAC, l2.Broadcast, 1), mark(vm.MAC, host.MAC, 2)))
		b.waitMark(atGateway, 2)
		must(t, b.daemon.Thaw())
		thawed := time.Now()
		b.ping(host, vm)
		if back := time.Since(thawed); back > 3*time.Second {
			t.Errorf("the program came back after %v", back)
		}
		for number := range uint32(3) {
			if n := countMarks(atHost, number, nil); n != 0 {
				t.Errorf("%d frames were decapsulated without the program", n)
			}
		}
		b.wantEvent("tamper")
	})
}

// detachPrograms tears our programs off a NIC of the gateway, as a foreign tool would.
func (b *bench) detachPrograms(nic string) {
	b.Helper()
	ifindex, err := b.Gateway.Ifindex(nic)
	must(b.T, err)
	detached := 0
	must(b.T, filepath.WalkDir(b.daemon.Pins(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		pinned, err := link.LoadPinnedLink(path, nil)
		if err != nil {
			return nil // not a link
		}
		if ifindexOf(b.T, pinned) == uint32(ifindex) {
			err = pinned.Detach()
			detached++
		}
		return errors.Join(err, pinned.Close())
	}))
	if detached == 0 {
		b.Fatalf("no pinned link on %s in %s", nic, b.daemon.Pins())
	}
}

func ifindexOf(t *testing.T, l link.Link) uint32 {
	t.Helper()
	info, err := l.Info()
	must(t, err)
	if xdp := info.XDP(); xdp != nil {
		return xdp.Ifindex
	}
	if tcx := info.TCX(); tcx != nil {
		return tcx.Ifindex
	}
	return 0
}

// wantEvent waits for an event of a kind.
func (b *bench) wantEvent(kind string) lab.Event {
	b.Helper()
	var found lab.Event
	err := lab.Wait(patience, "an event "+kind, func() error {
		events, err := b.daemon.Events()
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Kind == kind {
				found = e
				return nil
			}
		}
		return fmt.Errorf("not among %d events", len(events))
	})
	if err != nil {
		b.Error(err)
	}
	return found
}

// TestSilence: nothing of the gateway's own host appears on the customer's wire, however it tries.
func TestSilence(t *testing.T) {
	duration := time.Duration(setting("LAB_SILENCE_SECONDS", 5)) * time.Second
	onEngines(t, func(t *testing.T, engine string) {
		b := start(t, engine, lab.Config{})
		machines := map[l2.MAC]bool{}
		for _, h := range append(b.Hosts, b.VMs...) {
			machines[h.MAC] = true
		}
		foreign, err := b.Switch.Capture(lab.TrunkName(0), func(f lab.Frame) bool {
			p, err := frame.Parse(f.Data)
			return err != nil || !machines[p.Ethernet.Src] && p.EtherType() != probeType // loop probes are the gateway's own
		})
		must(t, err)
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		for end := time.Now().Add(duration); time.Now().Before(end); {
			b.gatewayMakesNoise()
			b.ping(host, vm)
			<-time.After(duration / 10)
		}
		for _, f := range foreign.Frames() {
			t.Errorf("on the customer's wire: %x", f.Data)
		}
	})
}

// gatewayMakesNoise has the gateway's host try to speak on the customer's NIC, by packet socket and by its own stack.
// Refusals are fine.
func (b *bench) gatewayMakesNoise() {
	b.Helper()
	nic := b.Gateway.CustomerNICs[0]
	mac, err := b.Gateway.MAC(nic)
	must(b.T, err)
	_ = b.Gateway.Send(nic, frame.GratuitousARP(mac, b.Gateway.VTEP), mark(mac, l2.Broadcast, 7),
		frame.Ethernet{Dst: l2.MAC{0x01, 0x80, 0xc2, 0, 0, 0x0e}, Src: mac, Type: frame.Set(0x88cc)}.With(frame.Raw("lldp")).Padded(60))
	for _, to := range []string{"224.0.0.251:5353", "255.255.255.255:67", "[ff02::fb]:5353", "10.0.1.11:9"} {
		_ = b.Gateway.Do(func() error { return sendBound(nic, to) })
	}
}

// sendBound sends a datagram from a socket that is bound to a link.
func sendBound(link, to string) error {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		control := raw.Control(func(fd uintptr) {
			err = errors.Join(syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, link),
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1))
		})
		return errors.Join(control, err)
	}}
	conn, err := dialer.Dial("udp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte("noise"))
	return err
}
