// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// narrow is a way for frames to be too long: in one of the directions.
type narrow struct {
	name       string
	config     lab.Config
	toCustomer bool
	mtu        int // what senders must be told
}

var narrows = []narrow{
	{"to cloud, IPv4 underlay", lab.Config{MTU: 1500}, false, 1450},
	{"to cloud, IPv6 underlay", lab.Config{MTU: 1500, IPv6: true}, false, 1430},
	{"to customer", lab.Config{HostMTU: 1400}, true, 1400},
}

// TestNarrow: where a path across the gateway carries less than its machines believe, TCP works both ways, a sender of
// datagrams that must not be fragmented is told, and the tunnel is never fragmented.
func TestNarrow(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, n := range narrows {
		t.Run(n.name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) {
				t.Parallel()
				testNarrow(t, engine, n)
			})
		})
	}
}

func testNarrow(t *testing.T, engine string, n narrow) {
	b := start(t, engine, n.config)
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	must(t, vm.SetMTU(1500))
	fragments, err := b.Underlay.Capture(lab.UnderlayPort(0), isFragment)
	must(t, err)
	for _, to := range []netip.Addr{vm.IPv4.Addr(), vm.IPv6.Addr()} {
		_, err := lab.TransferTCP(host.NS, vm.NS, to, 2<<20, true, 4*patience)
		must(t, err)
	}
	from, to := host, vm
	if n.toCustomer {
		from, to = vm, host
	}
	for _, c := range []struct {
		to     netip.Addr
		header int
	}{{to.IPv4.Addr(), 28}, {to.IPv6.Addr(), 48}} {
		mtu, err := from.PathMTU(c.to, 1500-c.header, patience)
		if err != nil {
			s := b.status()
			t.Fatalf("%v; extension %+v, interfaces %+v", err, s.Extension("acme"), s.Interfaces)
		}
		if mtu != n.mtu {
			t.Errorf("the sender to %v was told an MTU of %d, want %d", c.to, mtu, n.mtu)
		}
	}
	b.wantSparing(from, to, n.mtu)
	if frames := fragments.Frames(); len(frames) > 0 {
		t.Errorf("%d fragments on the underlay, first %x", len(frames), frames[0].Data[:60])
	}
	b.closeAll(fragments)
}

// isFragment reports whether a packet on the underlay is a fragment.
func isFragment(f lab.Frame) bool {
	p, err := frame.Parse(f.Data)
	if err != nil {
		return false
	}
	if p.IPv4 != nil {
		return p.IPv4.MoreFragments || p.IPv4.FragmentOffset != 0
	}
	for _, e := range p.Extensions {
		if _, ok := e.(frame.Fragment); ok {
			return true
		}
	}
	return false
}

// wantSparing wants that at most ten answers a second say that frames are too long, that they come from the destination,
// and that frames that may be fragmented get none.
func (b *bench) wantSparing(from, to *lab.Host, mtu int) {
	b.Helper()
	const rate = 10
	answers, err := from.Capture(from.Link, func(f lab.Frame) bool {
		p, err := frame.Parse(f.Data)
		return err == nil && p.ICMP != nil && p.ICMP.Type == frame.Unreachable4
	})
	must(b.T, err)
	long := func(df bool) frame.Packet {
		return frame.Ethernet{Dst: to.MAC, Src: from.MAC}.With(
			frame.IPv4{Src: from.IPv4.Addr(), Dst: to.IPv4.Addr(), DontFragment: df},
			frame.UDP{SrcPort: 7, DstPort: 9}, frame.Raw(make([]byte, 1472)))
	}
	for range 20 {
		must(b.T, from.Send(from.Link, long(false)))
	}
	<-time.After(100 * time.Millisecond)
	if n := answers.Count(); n != 0 {
		b.Errorf("%d answers to frames that may be fragmented", n)
	}
	for range 200 {
		must(b.T, from.Send(from.Link, long(true)))
		<-time.After(2 * time.Millisecond)
	}
	frames, err := answers.Wait(1, patience)
	must(b.T, err)
	var times []time.Time
	for _, f := range frames {
		times = append(times, f.Time)
		p, err := frame.Parse(f.Data)
		must(b.T, err)
		told := int(p.ICMP.Rest[2])<<8 | int(p.ICMP.Rest[3])
		if p.ICMP.Code != 4 || told != mtu || p.Ethernet.Src != to.MAC || p.Ethernet.Dst != from.MAC ||
			p.IPv4.Src != to.IPv4.Addr() || p.IPv4.Dst != from.IPv4.Addr() {
			b.Errorf("an answer of code %d, MTU %d, from %v %v to %v %v", p.ICMP.Code, told,
				p.Ethernet.Src, p.IPv4.Src, p.Ethernet.Dst, p.IPv4.Dst)
		}
		must(b.T, frame.Verify(f.Data))
	}
	// The burst of a rate is one second's worth unless said otherwise.
	if got := lab.Excess(times, rate); got > rate+rate*lateness.Seconds()+float64(runtime.NumCPU()) {
		b.Errorf("%d answers, %.0f beyond %d a second in some window", len(times), got, rate)
	}
	b.closeAll(answers)
}
