// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// dropsOf is how many frames an extension dropped in a direction for a reason.
func (b *bench) dropsOf(extension, direction, reason string) uint64 {
	b.Helper()
	e := b.status().Extension(extension)
	if direction == "to cloud" {
		return e.ToCloud.Drops[reason]
	}
	return e.ToCustomer.Drops[reason]
}

// wantRefused sends frames of a kind from a machine, and wants none at any machine of the other side and all counted under
// a reason.
func (b *bench) wantRefused(from *lab.Host, reason string, packets ...frame.Packet) {
	b.Helper()
	direction, other := "to cloud", b.VM("acme", 0, 0)
	if from.Role == other.Role || from.Role == b.VM("acme", 1, 0).Role {
		direction, other = "to customer", b.Host("acme", 0)
	}
	before := b.dropsOf("acme", direction, reason)
	seen, err := other.Capture(other.Link, func(f lab.Frame) bool { return labelled(f.Data, evil) >= 0 || isMark(f) })
	must(b.T, err)
	must(b.T, from.Send(from.Link, packets...))
	must(b.T, from.Send(from.Link, mark(from.MAC, other.MAC, 77)))
	b.waitMark(seen, 77)
	if n := seen.Count() - 1; n != 0 {
		b.Errorf("%s: %d of %d frames passed", reason, n, len(packets))
	}
	b.closeAll(seen)
	if n := b.dropsOf("acme", direction, reason) - before; n != uint64(len(packets)) {
		b.Errorf("%s: %d frames were counted, want %d", reason, n, len(packets))
	}
}

// wantAccepted sends frames from a machine to one of the other side, and wants all of them there.
func (b *bench) wantAccepted(from, to *lab.Host, packets ...frame.Packet) {
	b.Helper()
	seen, err := to.Capture(to.Link, func(f lab.Frame) bool { return labelled(f.Data, good) >= 0 })
	must(b.T, err)
	must(b.T, from.Send(from.Link, packets...))
	if _, err := seen.Wait(len(packets), patience); err != nil {
		b.Error(err)
	}
	b.closeAll(seen)
}

// labelledFrame is an opaque frame with a label.
func labelledFrame(src, dst l2.MAC, word string, number int) frame.Packet {
	return frame.Ethernet{Dst: dst, Src: src, Type: frame.Set(0x88b7)}.With(label(word, number)).Padded(60)
}

// TestPinned: a MAC that is pinned lives in the cloud, whoever claims it at the customer's; it may move among VTEPs.
func TestPinned(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := prepare(t, engine, lab.Config{})
		host, vm, far := b.Host("acme", 0), b.VM("acme", 0, 0), b.VM("acme", 1, 0)
		b.config.Extensions[0].Guard = fmt.Sprintf("{macs: {pinned: [%q]}}", far.MAC)
		must(t, b.daemon.Configure(b.config))
		b.launch()
		b.meet("acme")
		b.wantRefused(host, "mac-pinned", labelledFrame(far.MAC, l2.Broadcast, evil, 1), labelledFrame(far.MAC, vm.MAC, evil, 2))
		b.wantMAC("acme", far.MAC, "cloud", b.Hypervisors[1].VTEP)
		b.wantAccepted(vm, host, labelledFrame(far.MAC, l2.Broadcast, good, 1))
		b.wantBalance()
	})
}

// TestStatic: a static entry leads to its VTEP only, is never flooded, never moves, and its MAC cannot be claimed from the
// other side.
func TestStatic(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{}, func(c *lab.GatewayConfig) {
			c.Extensions[0].Guard = fmt.Sprintf("{macs: {static: [{mac: %q, side: cloud, vtep: 192.0.2.22}]}}", nobody)
		})
		b.meet("acme")
		host, h := b.Host("acme", 0), b.Hypervisors
		wires := []*lab.Capture{b.watch(h[0].NS, h[0].Uplink), b.watch(h[1].NS, h[1].Uplink)}
		must(t, host.Send(host.Link, mark(host.MAC, nobody, 1), mark(host.MAC, l2.Broadcast, 2)))
		for i, want := range []int{0, 1} {
			b.waitMark(wires[i], 2)
			// The second hypervisor does not know the machine either: what it floods to the first is its own.
			if n := countMarks(wires[i], 1, b.fromGateway); n != want {
				t.Errorf("VTEP %d got %d copies of a frame for the static MAC, want %d", i, n, want)
			}
		}
		b.closeAll(wires...)
		b.wantRefused(host, "mac-pinned", labelledFrame(nobody, l2.Broadcast, evil, 1))
		b.wantAccepted(b.VM("acme", 0, 0), host, labelledFrame(nobody, l2.Broadcast, good, 1))
		b.wantMAC("acme", nobody, "cloud", h[1].VTEP)
	})
}

// TestProtected: the customer may claim no protected address, neither by ARP, nor by ND, nor as a source; it may ask for
// it, and probe.
func TestProtected(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{}, guarded("{protect: [10.0.1.1, fd00:1::1]}"))
		b.meet("acme")
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		ours4, ours6 := netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("fd00:1::1")
		broadcast, unicast := frame.Ethernet{Dst: l2.Broadcast, Src: host.MAC}, frame.Ethernet{Dst: vm.MAC, Src: host.MAC}
		allNodes := frame.Ethernet{Dst: l2.MAC{0x33, 0x33, 0, 0, 0, 1}, Src: host.MAC}
		nd := func(src netip.Addr, kind uint8, target netip.Addr, word string) frame.Packet {
			return allNodes.With(frame.IPv6{Src: src, Dst: groupAllNodes}, frame.ICMPv6{Type: kind}, frame.Raw(target.AsSlice()), label(word, 1))
		}
		b.wantRefused(host, "address-protected",
			broadcast.With(frame.ARP{Op: frame.ARPRequest, SenderMAC: host.MAC, SenderIP: ours4, TargetIP: ours4}, label(evil, 1)),
			unicast.With(frame.ARP{Op: frame.ARPReply, SenderMAC: host.MAC, SenderIP: ours4, TargetMAC: vm.MAC, TargetIP: vm.IPv4.Addr()}, label(evil, 1)),
			unicast.With(frame.IPv4{Src: ours4, Dst: vm.IPv4.Addr()}, frame.UDP{SrcPort: 7, DstPort: 9}, label(evil, 1)),
			unicast.With(frame.IPv6{Src: ours6, Dst: vm.IPv6.Addr()}, frame.UDP{SrcPort: 7, DstPort: 9}, label(evil, 1)),
			nd(host.IPv6.Addr(), frame.NeighborAdvert, ours6, evil),
			nd(ours6, frame.NeighborSolicit, vm.IPv6.Addr(), evil))
		b.wantAccepted(host, vm,
			broadcast.With(frame.ARP{Op: frame.ARPRequest, SenderMAC: host.MAC, SenderIP: host.IPv4.Addr(), TargetIP: ours4}, label(good, 1)),
			broadcast.With(frame.ARP{Op: frame.ARPRequest, SenderMAC: host.MAC, SenderIP: netip.IPv4Unspecified(), TargetIP: ours4}, label(good, 1)),
			nd(netip.IPv6Unspecified(), frame.NeighborSolicit, ours6, good),
			nd(host.IPv6.Addr(), frame.NeighborSolicit, ours6, good))
		// The cloud may: the address is its router's.
		b.wantAccepted(vm, host,
			frame.Ethernet{Dst: l2.Broadcast, Src: vm.MAC}.With(frame.ARP{Op: frame.ARPReply, SenderMAC: vm.MAC, SenderIP: ours4, TargetIP: ours4}, label(good, 1)),
			frame.Ethernet{Dst: host.MAC, Src: vm.MAC}.With(frame.IPv4{Src: ours4, Dst: host.IPv4.Addr()}, frame.UDP{SrcPort: 7, DstPort: 9}, label(good, 1)))
	})
}

// TestMovesFreeze: a MAC that jumps between the sides is frozen where it was last stable, and what comes with it from the
// other side is dropped; a virtual router's address may jump.
func TestMovesFreeze(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{})
		b.meet("acme")
		host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		b.wantAccepted(host, vm, labelledFrame(nobody, l2.Broadcast, good, 1))
		<-time.After(known + known/20) // stable at the customer's
		for n := range 3 {             // no frame is a copy of another: that would be a loop
			must(t, vm.Send(vm.Link, labelledFrame(nobody, l2.Broadcast, good, 10+n)))
			b.wantAccepted(vm, host, labelledFrame(vm.MAC, host.MAC, good, 20+n)) // in order
			must(t, host.Send(host.Link, labelledFrame(nobody, l2.Broadcast, good, 30+n)))
			b.wantAccepted(host, vm, labelledFrame(host.MAC, vm.MAC, good, 40+n))
		}
		frozen, err := b.waitEvent(patience, func(e lab.Event) bool { return e.Kind == "mac-frozen" && mentions(e, nobody) })
		must(t, err)
		t.Logf("%s", frozen.Message)
		must(t, lab.Wait(patience, "the MAC to be shown as frozen", func() error { return b.isFrozen(nobody) }))
		b.wantRefused(vm, "mac-move", labelledFrame(nobody, l2.Broadcast, evil, 1), labelledFrame(nobody, host.MAC, evil, 2))
		b.wantMAC("acme", nobody, "customer", netip.Addr{})
		b.wantAccepted(host, vm, labelledFrame(nobody, vm.MAC, good, 2))
		if e := b.status().Extension("acme"); e.Bridge != "lowered" {
			t.Errorf("the bridge is %s: %s", e.Bridge, e.Reason)
		}

		virtual := l2.MAC{0x00, 0x00, 0x5e, 0x00, 0x01, 0x07}
		for n := range 8 {
			b.wantAccepted(host, vm, labelledFrame(virtual, l2.Broadcast, good, 50+n))
			b.wantAccepted(vm, host, labelledFrame(virtual, l2.Broadcast, good, 60+n))
		}
		if b.isFrozen(virtual) == nil {
			t.Error("a virtual router's address was frozen")
		}
	})
}

// isFrozen is nil when `macs` shows a MAC as frozen.
func (b *bench) isFrozen(mac l2.MAC) error {
	entries, err := b.daemon.MACs("acme")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.MAC == mac.String() && e.Frozen {
			return nil
		}
	}
	return errors.New("it is not")
}
