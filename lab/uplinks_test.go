// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// twoUplinks builds a gateway with two uplinks of equal cost; its host and the router in front of it do what a host with
// several uplinks does: they spread by transport ports and leave a route whose wire is dead.
func twoUplinks(t *testing.T, engine string, c lab.Config) *bench {
	t.Helper()
	c.Uplinks = 2
	b := start(t, engine, c)
	for _, space := range []*lab.NS{b.Gateway.NS, b.Underlay} {
		for _, key := range []string{"ipv4/fib_multipath_hash_policy", "ipv6/fib_multipath_hash_policy",
			"ipv4/conf/all/ignore_routes_with_linkdown", "ipv6/conf/all/ignore_routes_with_linkdown"} {
			must(t, space.Sysctl(key, "1"))
		}
	}
	b.meet("acme")
	return b
}

// TestUplinks: flows are spread over both uplinks and stay on their own. When one fails, all traffic is on the other within
// a second, and when it is mended both carry again; also without a daemon.
func TestUplinks(t *testing.T) {
	t.Parallel() // it mostly waits
	for name, c := range map[string]lab.Config{"IPv4": {}, "IPv6": {IPv6: true}} {
		t.Run(name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, engine string) {
				t.Parallel()
				b := twoUplinks(t, engine, c)
				b.wantShared()
				mend := func() error { return b.MendUplink(0) }
				b.failUplink("its wire", func() error { return b.Underlay.Down(lab.UnderlayPort(0)) }, mend)
				b.wantBoth()
				must(t, b.daemon.Kill9())
				b.failUplink("its NIC, no daemon", func() error { return b.Gateway.Down(b.Gateway.Uplinks[0]) }, mend)
				b.wantBoth()
			})
		})
	}
}

const flows = 64

// wantShared waits until the packets of many flows are on both uplinks, each flow on one. While the neighbour behind an uplink is
// being asked for, its share goes by the other.
func (b *bench) wantShared() {
	b.Helper()
	must(b.T, lab.Wait(patience, "flows on both uplinks, each on one", b.shared))
}

// shared sends packets of many flows, and returns why they are not as they should be.
func (b *bench) shared() error {
	const each = 3
	uplinks := b.watchUplinks()
	defer b.closeAll(uplinks...)
	for range each {
		if err := b.sendFlows(); err != nil {
			return err
		}
	}
	err := lab.Wait(patience, "all flows", func() error {
		if n := uplinks[0].Count() + uplinks[1].Count(); n < flows*each {
			return fmt.Errorf("%d of %d frames came", n, flows*each)
		}
		return nil
	})
	if err != nil {
		return err
	}
	seen := map[uint16]int{}
	for i, c := range uplinks {
		for _, f := range c.Frames() {
			flow, _ := flowNumber(f)
			if seen[flow] |= 1 << i; seen[flow] == 3 {
				return fmt.Errorf("flow %d changed its uplink", flow)
			}
		}
	}
	first := 0
	for _, places := range seen {
		first += places & 1
	}
	if first < flows/5 || first > flows*4/5 {
		return fmt.Errorf("%d of %d flows are on the first uplink", first, flows)
	}
	return nil
}

// wantBoth waits until either uplink carries flows.
func (b *bench) wantBoth() {
	b.Helper()
	uplinks := b.watchUplinks()
	err := lab.Wait(patience, "flows on both uplinks", func() error {
		if err := b.sendFlows(); err != nil {
			return err
		}
		if one, other := uplinks[0].Count(), uplinks[1].Count(); one == 0 || other == 0 {
			return fmt.Errorf("%d and %d frames", one, other)
		}
		return nil
	})
	must(b.T, err)
}

func (b *bench) watchUplinks() []*lab.Capture {
	b.Helper()
	uplinks := make([]*lab.Capture, 2)
	for i := range uplinks {
		var err error
		uplinks[i], err = b.Underlay.Capture(lab.UnderlayPort(i), isFlow)
		must(b.T, err)
	}
	return uplinks
}

// sendFlows sends a packet of each flow from the first host to the first VM.
func (b *bench) sendFlows() error {
	host, vm := b.Host("acme", 0), b.VM("acme", 0, 0)
	for flow := range uint16(flows) {
		if err := host.Send(host.Link, flowPacket(host, vm, flow)); err != nil {
			return err
		}
	}
	return nil
}

// flowPacket is one packet of a numbered UDP flow between machines.
func flowPacket(from, to *lab.Host, number uint16) frame.Packet {
	return frame.Ethernet{Dst: to.MAC, Src: from.MAC}.With(frame.IPv4{Src: from.IPv4.Addr(), Dst: to.IPv4.Addr()},
		frame.UDP{SrcPort: flowPort + number, DstPort: flowPort}, frame.Raw("flow"))
}

const flowPort = 20000

// flowNumber is the number of a flowPacket inside a tunnel.
func flowNumber(f lab.Frame) (uint16, bool) {
	tunnel, err := frame.ParseVXLAN(f.Data)
	if err != nil {
		return 0, false
	}
	p, err := frame.Parse(tunnel.Inner)
	if err != nil || p.UDP == nil || p.UDP.DstPort != flowPort {
		return 0, false
	}
	return p.UDP.SrcPort - flowPort, true
}

func isFlow(f lab.Frame) bool {
	_, ok := flowNumber(f)
	return ok
}

// gapLimit is a second, and what a busy machine is late.
const gapLimit = 1300 * time.Millisecond

// failUplink has flows run both ways while an uplink fails and is mended, and wants no long gap in any. Over IPv6 the kernel takes an
// uplink that comes back at once, and solicits no neighbour there before the link's own address is known to be unique (RFC 4862
// §5.4), for up to two seconds: flows go by the other meanwhile.
func (b *bench) failUplink(how string, fail, mend func() error) {
	b.Helper()
	host := b.Host("acme", 0)
	var flows []lab.Flow
	for i := range 8 {
		vm := b.VM("acme", i%2, 0)
		flows = append(flows, lab.Flow{From: host, To: vm, Rate: 200}, lab.Flow{From: vm, To: host, Rate: 200})
	}
	for _, step := range []struct {
		name   string
		act    func() error
		length time.Duration
	}{{"fails", fail, 1600 * time.Millisecond}, {"is mended", mend, 3500 * time.Millisecond}} {
		load, err := lab.StartLoad(flows...)
		must(b.T, err)
		<-time.After(200 * time.Millisecond)
		must(b.T, step.act())
		<-time.After(step.length)
		reports, err := load.Stop()
		must(b.T, err)
		for i, r := range reports {
			if r.LongestGap > gapLimit || r.Received < r.Sent/3 {
				b.Errorf("%s: flow %d when the uplink %s: %v", how, i, step.name, r)
			}
		}
	}
}
