// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// Groups and machines of the enterprise.
var (
	videoGroup  = l2.MAC{0x01, 0x00, 0x5e, 0x10, 0x00, 0x05}
	clusterMAC  = l2.MAC{0x03, 0xbf, 0x0a, 0x00, 0x01, 0x32} // network load balancing in multicast mode
	silentMAC   = l2.MAC{0x02, 0x51, 0x1e, 0x47, 0x00, 0x01}
	virtualMAC  = l2.MAC{0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a}
	vrrpMACDest = l2.MAC{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12}
)

// enterpriseGuard is the defaults and the three lines that the documentation names.
const enterpriseGuard = `{flood: {allow: ["01:00:5e:10:00:00/24", "03:bf:*"], rate: 20000pps}, ` +
	`macs: {static: [{mac: "02:51:1e:47:00:01", side: cloud, vtep: 192.0.2.21}]}}`

// TestEnterpriseDay: what an enterprise does on a working day loses nothing with the defaults, a flood line where it
// floods on purpose, and a static entry for a machine that never speaks. Only VRRP's own hellos stay on their side.
func TestEnterpriseDay(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{Extensions: []lab.ExtSpec{
			{Name: "acme", VLAN: l2.SingleTag(2301), VNI: 10100, Hosts: 3},
		}}, guarded(enterpriseGuard))
		b.meet("acme")
		b.leaseAddresses()
		hellos := b.failOverRouters()
		vm := b.VM("acme", 1, 0)
		// What a machine says when it comes up (MLD, DAD) must not look like an echo of what it said elsewhere a moment ago.
		<-time.After(2 * loopLimit)
		must(t, b.MoveToCustomer(vm))
		b.ping(b.Host("acme", 0), vm)
		<-time.After(2 * loopLimit)
		must(t, b.MoveToCloud(vm, b.Hypervisors[1]))
		b.ping(b.Host("acme", 0), vm)
		for name, flood := range map[string]struct {
			from, to *lab.Host
			dst      l2.MAC
		}{
			"load balancing":   {b.Host("acme", 0), b.VM("acme", 0, 0), clusterMAC},
			"multicast video":  {b.VM("acme", 0, 0), b.Host("acme", 0), videoGroup},
			"a silent machine": {b.Host("acme", 0), b.VM("acme", 0, 0), silentMAC},
		} {
			b.wantFlooded(name, flood.from, flood.to, flood.dst)
		}
		for direction, c := range map[string]lab.Counters{"cloud": b.status().Extension("acme").ToCloud, "customer": b.status().Extension("acme").ToCustomer} {
			drops := c.Drops
			if direction == "cloud" && drops["service-fhrp"] == hellos {
				delete(drops, "service-fhrp")
			}
			for reason, n := range drops {
				if n != 0 {
					t.Errorf("to %s: %d frames were dropped as %s", direction, n, reason)
				}
			}
		}
		b.wantUntripped("an enterprise's day")
	})
}

// leaseAddresses has five clients at the customer's get leases from a server in the cloud.
func (b *bench) leaseAddresses() {
	b.Helper()
	server, client := b.VM("acme", 0, 0), b.Host("acme", 0)
	must(b.T, server.ServeDHCP(hostAddr(server, 200), hostAddr(server, 210)))
	for n := range byte(5) {
		_, err := client.RequestDHCP(neighbour(9, n), 2*patience)
		must(b.T, err)
	}
	must(b.T, server.StopDHCP())
}

// failOverRouters has a pair of routers at the customer's say hello, and the second take over from the first. It returns
// how many hellos were sent.
func (b *bench) failOverRouters() uint64 {
	b.Helper()
	vm := b.VM("acme", 0, 0)
	address := hostAddr(vm, 1)
	hello := frame.Ethernet{Dst: vrrpMACDest, Src: virtualMAC}.With(
		frame.IPv4{Src: hostAddr(vm, 2), Dst: netip.MustParseAddr("224.0.0.18"), TTL: 255, Protocol: frame.Set(112)},
		frame.Raw([]byte{0x31, 10, 255, 1, 0, 100, 0, 0, 10, 0, 1, 1}))
	hellos := uint64(0)
	for _, router := range []*lab.Host{b.Host("acme", 1), b.Host("acme", 2), b.Host("acme", 1)} {
		b.repeat(router, 5, frame.GratuitousARP(virtualMAC, address))
		for range 3 {
			b.repeat(router, 1, hello)
			hellos++
		}
		// What the cloud sends to the virtual router reaches the one that is active.
		b.wantAccepted(vm, router, labelledFrame(vm.MAC, virtualMAC, good, 1))
		b.wantAccepted(router, vm, labelledFrame(virtualMAC, vm.MAC, good, 1))
	}
	return hellos
}

// wantFlooded sends 3,000 frames within a second or so to a destination that nobody has spoken from, and wants all of them
// at a machine of the other side.
func (b *bench) wantFlooded(name string, from, to *lab.Host, dst l2.MAC) {
	b.Helper()
	const count = 3000
	seen, err := to.Capture(to.Link, func(f lab.Frame) bool { return labelled(f.Data, good) >= 0 })
	must(b.T, err)
	storm, err := lab.StartStorm(lab.Storm{From: from.NS, Link: from.Link, Rate: count, Limit: count,
		Frame: labelledFrame(from.MAC, dst, good, 0)})
	must(b.T, err)
	_, err = storm.Wait()
	must(b.T, err)
	if _, err := seen.Wait(count, patience); err != nil {
		b.Errorf("%s: %v: %v", name, err, b.status().Extension("acme"))
	}
	b.closeAll(seen)
}

// TestHint: when a flood that somebody wants is dropped, an event names its destination with the line that lifts it.
func TestHint(t *testing.T) {
	t.Parallel() // it mostly waits
	onEngines(t, func(t *testing.T, engine string) {
		t.Parallel()
		b := start(t, engine, lab.Config{})
		b.meet("acme")
		vm := b.VM("acme", 0, 0)
		storm, err := lab.StartStorm(lab.Storm{From: vm.NS, Link: vm.Link, Rate: 3000, Frame: labelledFrame(vm.MAC, videoGroup, good, 0)})
		must(t, err)
		hint, err := b.waitEvent(20*time.Second, func(e lab.Event) bool { return e.Kind == "hint" && mentions(e, videoGroup) })
		_, stopErr := storm.Stop()
		must(t, stopErr)
		must(t, err)
		text := hint.Message + fmt.Sprint(hint.Detail)
		for _, word := range []string{"flood", "allow"} {
			if !strings.Contains(text, word) {
				t.Errorf("the hint does not have %q: %s", word, text)
			}
		}
	})
}
