// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

const patience = 5 * time.Second

// TestCloudAlone: VMs on two hypervisors reach each other over VXLAN, without a gateway.
func TestCloudAlone(t *testing.T) {
	for name, c := range map[string]lab.Config{
		"IPv4": {}, "IPv6": {IPv6: true}, "jumbo": {MTU: 9000, HostMTU: 8900}, "wire": {Wire: true},
		"wire IPv6": {Wire: true, IPv6: true}, "no learning": {NoLearning: true}, "routed": {Routed: true}, "routed IPv6": {Routed: true, IPv6: true},
		"two uplinks": {Uplinks: 2}, "two uplinks IPv6": {Uplinks: 2, IPv6: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := build(t, c)
			a, b := l.VM("acme", 0, 0), l.VM("acme", 1, 0)
			_, err := a.Ping(b.IPv4.Addr(), patience)
			must(t, err)
			_, err = a.Ping(b.IPv6.Addr(), patience)
			must(t, err)
			_, err = lab.TransferTCP(a.NS, b.NS, b.IPv4.Addr(), 4<<20, true, patience)
			must(t, err)
			for _, h := range l.Hypervisors {
				_, err := h.Ping(l.Gateway.VTEP, patience)
				must(t, err)
			}
		})
	}
}

// TestSiteTags: a customer's hosts reach each other on their VLAN across a switch that tags and untags; what
// passes the trunk has exactly the circuit's tags.
func TestSiteTags(t *testing.T) {
	for _, vlan := range []l2.VLAN{
		l2.Untagged, l2.SingleTag(2301), l2.DoubleTag(100, 200), l2.DoubleTag(100, 200).WithTPID(l2.TPIDCustomer),
	} {
		for _, wire := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v %v wire %v", vlan, vlan.TPID(), wire), func(t *testing.T) { testSiteTags(t, vlan, wire) })
		}
	}
}

func testSiteTags(t *testing.T, vlan l2.VLAN, wire bool) {
	l := build(t, lab.Config{Hypervisors: 1, Wire: wire, Extensions: []lab.ExtSpec{
		{Name: "acme", VLAN: vlan, PCP: 5, VNI: 7, Hosts: 2, VMs: -1},
		{Name: "other", VLAN: l2.SingleTag(77), VNI: 8, VMs: -1},
	}})
	nic := l.Gateway.CustomerNICs[0]
	must(t, l.Gateway.Up(nic))
	must(t, l.Gateway.WaitUp(nic))
	must(t, l.Switch.WaitUp(lab.TrunkName(0)))
	a, b := l.Host("acme", 0), l.Host("acme", 1)
	_, err := a.Ping(b.IPv4.Addr(), patience)
	must(t, err)

	onTrunk, err := l.Gateway.Capture(nic, wantType(0x1234))
	must(t, err)
	atHost, err := b.Capture(b.Link, wantType(0x1234))
	must(t, err)
	atOther, err := l.Host("other", 0).Capture("eth0", wantType(0x1234))
	must(t, err)

	hello := frame.Ethernet{Dst: l2.Broadcast, Src: a.MAC, Type: frame.Set(0x1234)}
	must(t, a.Send(a.Link, hello.With(frame.Raw("to the gateway"))))
	frames, err := onTrunk.Wait(1, patience)
	must(t, err)
	want := hello
	tags := frame.Tags(vlan, 5)
	if len(tags) > 0 {
		want.Type = frame.Field{}
	}
	expect := want.With(tags...)
	if n := len(tags); n > 0 {
		last := tags[n-1].(frame.VLAN)
		last.Type = frame.Set(0x1234)
		expect = want.With(tags[:n-1]...).With(last)
	}
	sameBytes(t, "on the trunk", frames[0].Data, expect.With(frame.Raw("to the gateway")).Bytes())

	_, err = atHost.Wait(1, patience) // the host's own broadcast comes to its neighbour too
	must(t, err)
	atHost.Reset()
	must(t, l.Gateway.Send(nic, expect.With(frame.Raw("to the hosts"))))
	frames, err = atHost.Wait(1, patience)
	must(t, err)
	sameBytes(t, "at the host", frames[0].Data, hello.With(frame.Raw("to the hosts")).Bytes())
	if n := atOther.Count(); n != 0 {
		t.Errorf("%d frames reached another VLAN", n)
	}
}

func wantType(etherType uint16) func(lab.Frame) bool {
	return func(f lab.Frame) bool {
		p, err := frame.Parse(f.Data)
		return err == nil && p.EtherType() == etherType
	}
}

func sameBytes(t *testing.T, where string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: frame\n%x, want\n%x", where, got, want)
	}
}

// TestCaptureSeesWhatWasSent: frames of every size arrive once, in order, unchanged.
func TestCaptureSeesWhatWasSent(t *testing.T) {
	l := build(t, lab.Config{Hypervisors: 1, Extensions: []lab.ExtSpec{{Name: "acme", VNI: 7, Hosts: 2, VMs: -1}}})
	a, b := l.Host("acme", 0), l.Host("acme", 1)
	capture, err := b.Capture(b.Link, wantType(0x1234))
	must(t, err)
	sender, err := a.Sender(a.Link)
	must(t, err)
	var sent [][]byte
	for size := 14; size <= 1514; size++ {
		f := frame.Ethernet{Dst: b.MAC, Src: a.MAC, Type: frame.Set(0x1234)}.With().Padded(size).Bytes()
		f[size-1] ^= byte(size) & b2i(size > 14)
		sent = append(sent, f)
	}
	must(t, sender.Send(sent...))
	frames, err := capture.Wait(len(sent), patience)
	must(t, err)
	for i := range sent {
		sameBytes(t, fmt.Sprintf("%d bytes", len(sent[i])), frames[i].Data, sent[i])
	}
	if lost, err := capture.Lost(); err != nil || lost != 0 || len(frames) != len(sent) {
		t.Errorf("%d frames of %d, %d lost by the capture, %v", len(frames), len(sent), lost, err)
	}
}

func b2i(b bool) byte {
	if b {
		return 0xff
	}
	return 0
}

// TestLoadLosesNothing: the generator and its receivers keep up with 50,000 frames a second in each of two
// directions at once.
func TestLoadLosesNothing(t *testing.T) {
	l := build(t, lab.Config{Hypervisors: 1, Extensions: []lab.ExtSpec{{Name: "acme", VNI: 7, Hosts: 2, VMs: -1}}})
	a, b := l.Host("acme", 0), l.Host("acme", 1)
	must(t, a.Announce())
	must(t, b.Announce())
	reports, err := lab.Run(time.Second,
		lab.Flow{From: a, To: b, Rate: 50000}, lab.Flow{From: b, To: a, Rate: 25000, Opaque: true, Size: 300})
	must(t, err)
	for i, r := range reports {
		t.Log(r)
		// How many frames were sent is up to what else the machine does.
		if r.Lost+r.Duplicated+r.Reordered+r.Refused+r.Missed != 0 || r.Received < 1000 {
			t.Errorf("flow %d: %+v", i, r)
		}
	}
}

// TestLoadCountsDoubles: a frame that comes again, or late, is counted as such.
func TestLoadCountsLossAndDoubles(t *testing.T) {
	l := build(t, lab.Config{Hypervisors: 1, Extensions: []lab.ExtSpec{{Name: "acme", VNI: 7, Hosts: 3, VMs: -1}}})
	a, b, c := l.Host("acme", 0), l.Host("acme", 1), l.Host("acme", 2)
	must(t, b.Announce())
	seen, err := b.Capture(b.Link, func(f lab.Frame) bool { return len(f.Data) == 100 })
	must(t, err)
	load, err := lab.StartLoad(lab.Flow{From: a, To: b, Rate: 1000, Size: 100})
	must(t, err)
	frames, err := seen.Wait(20, patience)
	must(t, err)
	sender, err := c.Sender(c.Link)
	must(t, err)
	must(t, sender.Send(frames[3].Data, frames[5].Data, frames[5].Data))
	_, err = seen.Wait(len(frames)+20, patience)
	must(t, err)
	must(t, b.Down(b.Link))
	must(t, b.Up(b.Link))
	reports, err := load.Stop()
	must(t, err)
	if r := reports[0]; r.Duplicated != 3 || r.Reordered != 0 {
		t.Errorf("three frames came twice: %v", r)
	}
}

// TestOffloads: a host whose checksum offload is off sends finished checksums, another does not.
func TestOffloads(t *testing.T) {
	for _, wire := range []bool{false, true} {
		l := build(t, lab.Config{Hypervisors: 1, Wire: wire, Extensions: []lab.ExtSpec{{Name: "acme", VNI: 7, Hosts: 2, VMs: -1}}})
		a, b := l.Host("acme", 0), l.Host("acme", 1)
		capture, err := b.Capture(b.Link, func(f lab.Frame) bool {
			p, err := frame.Parse(f.Data)
			return err == nil && p.TCP != nil
		})
		must(t, err)
		_, err = lab.TransferTCP(a.NS, b.NS, b.IPv4.Addr(), 1<<20, false, patience)
		must(t, err)
		frames, err := capture.Wait(3, patience)
		must(t, err)
		ready := 0
		for _, f := range frames {
			if !f.ChecksumReady {
				continue
			}
			ready++
			must(t, frame.Verify(f.Data))
		}
		if wire != (ready == len(frames)) || (!wire && ready != 0) {
			t.Errorf("wire %v: %d of %d checksums are finished", wire, ready, len(frames))
		}
	}
}

// TestDHCP: dnsmasq leases an address to the client.
func TestDHCP(t *testing.T) {
	l := build(t, lab.Config{Hypervisors: 1, Extensions: []lab.ExtSpec{{Name: "acme", VNI: 7, Hosts: 2, VMs: -1}}})
	server, client := l.Host("acme", 0), l.Host("acme", 1)
	first := netip.MustParseAddr("10.0.1.200")
	must(t, server.ServeDHCP(first, netip.MustParseAddr("10.0.1.200")))
	got, err := client.RequestDHCP(client.MAC, 2*patience)
	must(t, err)
	if got != first {
		t.Errorf("leased %v, want %v", got, first)
	}
}

// TestMove: a VM keeps a TCP connection while it moves to the other hypervisor.
func TestMove(t *testing.T) {
	l := build(t, lab.Config{})
	vm, peer := l.VM("acme", 0, 0), l.VM("acme", 1, 0)
	_, err := vm.Ping(peer.IPv4.Addr(), patience)
	must(t, err)
	must(t, l.MoveToCloud(vm, l.Hypervisors[1]))
	_, err = vm.Ping(peer.IPv4.Addr(), patience)
	must(t, err)
	must(t, lab.ExchangeUDP(peer.NS, vm.NS, vm.IPv6.Addr(), 1400, patience))
	n, err := vm.Pings(peer.IPv6.Addr(), 3, 1000)
	if err != nil || n != 3 {
		t.Errorf("%d of 3 echo requests answered, %v", n, err)
	}
}

// TestCloseLeavesNothing: neither namespaces nor processes stay, also when Build fails half way, and labs one
// after another do not meet.
func TestCloseLeavesNothing(t *testing.T) {
	needRoot(t)
	for range 3 {
		l, err := lab.Build(lab.Config{Prefix: prefix})
		must(t, err)
		cmd, err := l.Gateway.Start("sleep", "1000")
		must(t, err)
		must(t, l.Close())
		must(t, l.Close())
		if cmd.ProcessState == nil {
			t.Error("the process still runs")
		}
		wantNoNamespaces(t)
	}
	_, err := lab.Build(lab.Config{Prefix: prefix, MTU: 10})
	if err == nil {
		t.Error("an underlay of 10 bytes was built")
	}
	wantNoNamespaces(t)
}

func wantNoNamespaces(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	must(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fmt.Sprintf("%s%d-", prefix, os.Getpid())) {
			t.Errorf("namespace %s is left", e.Name())
		}
	}
}
