// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// harmless is what healthy networks do and what must not be taken for a loop or worse.
var harmless = []struct {
	name string
	do   func(b *bench)
}{
	{"ARP retries", func(b *bench) {
		for i := range 3 {
			h := b.Host("acme", i)
			b.repeat(h, 3, whoHas(h, "10.0.1.250"))
		}
	}},
	{"SSDP three times", func(b *bench) {
		for n := range byte(20) {
			b.repeat(b.Host("acme", 0), 3, frame.Ethernet{Dst: l2.MAC{0x01, 0x00, 0x5e, 0x7f, 0xff, 0xfa}, Src: neighbour(0, n)}.With(
				frame.IPv4{Src: addressOf(0, n), Dst: netip.MustParseAddr("239.255.255.250"), TTL: 2},
				frame.UDP{SrcPort: 50000, DstPort: 1900}, frame.Raw("M-SEARCH * HTTP/1.1\r\nST: ssdp:all\r\n\r\n")))
		}
	}},
	{"Wake-on-LAN three times", func(b *bench) {
		magic := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		for range 16 {
			magic = append(magic, nobody[:]...)
		}
		for i := range 3 {
			h := b.Host("acme", i)
			b.repeat(h, 3, frame.Ethernet{Dst: l2.Broadcast, Src: h.MAC, Type: frame.Set(0x0842)}.With(frame.Raw(magic)))
		}
	}},
	{"gratuitous ARP five times", func(b *bench) {
		h, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
		b.repeat(h, 5, frame.GratuitousARP(h.MAC, h.IPv4.Addr()))
		b.repeat(vm, 5, frame.GratuitousARP(vm.MAC, vm.IPv4.Addr()))
	}},
	{"200 RARPs at once", func(b *bench) {
		for hypervisor := range 2 { // the machines of a hypervisor that failed come up on the other
			vm := b.VM("acme", hypervisor, 0)
			for n := range byte(200) {
				b.repeat(vm, 1, frame.RARP(neighbour(1, n)))
			}
		}
	}},
	{"a thousand hosts reboot", (*bench).rebootThousand},
	{"VRRP fails over", func(b *bench) {
		virtual := l2.MAC{0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a}
		for range 3 {
			for _, router := range []*lab.Host{b.Host("acme", 0), b.VM("acme", 0, 0), b.Host("acme", 1)} {
				b.repeat(router, 5, frame.GratuitousARP(virtual, netip.MustParseAddr("10.0.1.1")))
				<-time.After(2 * loopLimit) // no backup takes over sooner
			}
		}
	}},
	{movesOnPurpose, func(b *bench) {
		vm := b.VM("acme", 1, 0)
		must(b.T, b.MoveToCustomer(vm))
		<-time.After(2 * loopLimit) // what it says when it is back must not look like an echo of what it said there
		must(b.T, b.MoveToCloud(vm, b.Hypervisors[0]))
	}},
}

// A machine that moves to and fro is a flapping one after the fifth time within 180 s (RFC 7432 §15.1): it rests in between.
const (
	movesOnPurpose = "VMs move"
	movesRest      = 100 * time.Second
)

// neighbour is a machine that is not in the lab: number n of a group.
func neighbour(of uint16, n byte) l2.MAC { return l2.MAC{0x02, 0xaa, byte(of >> 8), byte(of), 0, n} }

func addressOf(of uint16, n byte) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(of), n})
}

// repeat sends a packet several times at once from a machine's wire.
func (b *bench) repeat(at *lab.Host, times int, p frame.Packet) {
	b.Helper()
	packets := make([]frame.Packet, times)
	for i := range packets {
		packets[i] = p
	}
	must(b.T, at.Send(at.Link, packets...))
}

// whoHas is a host's ARP request.
func whoHas(h *lab.Host, ip string) frame.Packet {
	return frame.Ethernet{Dst: l2.Broadcast, Src: h.MAC}.With(frame.ARP{Op: frame.ARPRequest, SenderMAC: h.MAC,
		SenderIP: h.IPv4.Addr(), TargetIP: netip.MustParseAddr(ip)})
}

// rebootThousand has a thousand hosts at the customer's boot within three seconds: discover, request, probe their address
// and announce it.
func (b *bench) rebootThousand() {
	b.Helper()
	at := b.Host("acme", 0)
	sender, err := at.Sender(at.Link)
	must(b.T, err)
	defer sender.Close()
	for step := range 6 {
		began := time.Now()
		for n := range 1000 {
			must(b.T, sender.SendPackets(bootStep(step, n)))
		}
		<-time.After(500*time.Millisecond - time.Since(began))
	}
}

// bootStep is what the booting host of a number says at a step.
func bootStep(step, n int) frame.Packet {
	mac := neighbour(2+uint16(n>>8), byte(n))
	ip := addressOf(2+uint16(n>>8), byte(n))
	switch step {
	case 0, 1:
		return frame.Ethernet{Dst: l2.Broadcast, Src: mac}.With(
			frame.IPv4{Src: netip.IPv4Unspecified(), Dst: netip.MustParseAddr("255.255.255.255")},
			frame.UDP{SrcPort: frame.DHCPClientPort, DstPort: frame.DHCPServerPort},
			frame.DHCPv4{Type: uint8(1 + 2*step), ID: uint32(n), ClientMAC: mac})
	case 2, 3:
		return frame.Ethernet{Dst: l2.Broadcast, Src: mac}.With(
			frame.ARP{Op: frame.ARPRequest, SenderMAC: mac, SenderIP: netip.IPv4Unspecified(), TargetIP: ip})
	}
	return frame.GratuitousARP(mac, ip)
}

// TestNoFalseTrips: what healthy networks do trips nothing.
func TestNoFalseTrips(t *testing.T) {
	duration := time.Duration(setting("LAB_CALM_SECONDS", 1)) * time.Second
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{Extensions: []lab.ExtSpec{
			{Name: "acme", VLAN: l2.SingleTag(2301), VNI: 10100, Hosts: 3},
		}})
		b.meet("acme")
		var moved time.Time
		began := time.Now()
		for round := 0; round == 0 || time.Since(began) < duration; round++ {
			for _, h := range harmless {
				if h.name == movesOnPurpose && time.Since(moved) < movesRest {
					continue
				}
				h.do(b)
				b.wantUntripped(h.name)
				if h.name == movesOnPurpose {
					moved = time.Now()
				}
			}
		}
		<-time.After(time.Second) // trips by rates are decided each second
		b.wantUntripped("all together")
	})
}

// wantUntripped wants that nothing tripped, or had tripped in the meantime.
func (b *bench) wantUntripped(what string) {
	b.Helper()
	events, err := b.daemon.Events()
	must(b.T, err)
	for _, e := range events {
		if e.Kind == "trip" {
			b.Errorf("%s: tripped: %s %v", what, e.Message, e.Detail)
		}
	}
	for _, e := range b.status().Extensions {
		if e.Bridge != "lowered" || e.ToCloud.Drops["half-raised"]+e.ToCustomer.Drops["half-raised"] != 0 {
			b.Errorf("%s: extension %s is %s, dropped %v and %v", what, e.Name, e.Bridge, e.ToCloud.Drops, e.ToCustomer.Drops)
		}
	}
}

// probeType and probeGroup are those of the gateway's own probes.
const probeType = 0x88b5

var probeGroup = l2.MAC{0x03, 0x44, 0x42, 0x00, 0x00, 0x01}

// TestProbes: a probe that is invented, old or another extension's trips nothing; who reflects a live one, from either
// side, half-raises only its own extension.
func TestProbes(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, side := range []string{"customer", "cloud"} {
		t.Run(side, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) {
				t.Parallel()
				b := start(t, engine, lab.Config{Extensions: []lab.ExtSpec{
					{Name: "acme", VLAN: l2.SingleTag(2301), VNI: 10100}, {Name: "other", VLAN: l2.SingleTag(20), VNI: 20},
				}})
				own, other := b.Host("acme", 0), b.Host("other", 0)
				if side == "cloud" {
					own, other = b.VM("acme", 0, 0), b.VM("other", 0, 0)
				}
				b.tryProbes(own, other)
			})
		})
	}
}

// tryProbes plays with probes that arrive at a machine of acme, and sends them there and from one of another extension.
func (b *bench) tryProbes(own, other *lab.Host) {
	b.Helper()
	probes, err := own.Capture(own.Link, wantType(probeType))
	must(b.T, err)
	play := func(from *lab.Host, data []byte) {
		sender, err := from.Sender(from.Link)
		must(b.T, err)
		must(b.T, sender.Send(data))
		must(b.T, sender.Close())
	}
	old := b.nextProbe(probes)
	if [6]byte(old.data[:6]) != probeGroup {
		b.Fatalf("the probe goes to %x", old.data[:6])
	}
	play(other, old.data) // live, but not the other's
	b.wantUntripped("a foreign probe")
	for i := range 50 {
		forged := append([]byte(nil), old.data...)
		for k := range forged[14:] {
			forged[14+k] ^= byte(i*31 + k*7 + 1)
		}
		play(own, forged)
	}
	b.wantUntripped("forged probes")
	<-time.After(old.until(1200 * time.Millisecond)) // after a second it is no live one any more
	play(own, old.data)
	<-time.After(loopLimit)
	b.wantUntripped("an old probe")

	play(own, b.nextProbe(probes).data)
	b.wantBridge("acme", "half-raised", "loop")
	b.wantBridge("other", "lowered", "")
}

// probe is one that was captured.
type probe struct {
	data []byte
	at   time.Time
}

// until is how long it takes until a probe is that old.
func (p probe) until(old time.Duration) time.Duration { return old - time.Since(p.at) }

// nextProbe waits for a probe that has not come yet.
func (b *bench) nextProbe(probes *lab.Capture) probe {
	b.Helper()
	probes.Reset()
	frames, err := probes.Wait(1, patience)
	must(b.T, err)
	last := frames[len(frames)-1]
	return probe{last.Data, last.Time}
}
