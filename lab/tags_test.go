// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/lab"
)

// TestTagsTowardsCustomer: a frame that the gateway sends to the customer has exactly the circuit's tags, with the
// configured priority, and is otherwise the VM's.
func TestTagsTowardsCustomer(t *testing.T) {
	onEngines(t, func(t *testing.T, engine string) {
		extensions := circuits(engine)
		b := start(t, engine, lab.Config{Extensions: extensions, CustomerNICs: 2}, func(c *lab.GatewayConfig) {
			for i, e := range c.Extensions {
				if e.VLAN != l2.Untagged {
					c.Extensions[i].PCP = 5
				}
			}
		})
		for i, e := range extensions {
			vm := b.VM(string(e.Name), 0, 0)
			trunk := b.watch(b.Switch.NS, lab.TrunkName(e.NIC))
			sent := mark(vm.MAC, l2.Broadcast, uint32(i))
			must(t, vm.Send(vm.Link, sent))
			b.waitMark(trunk, uint32(i))
			p, err := frame.Parse(sent.Bytes())
			must(t, err)
			want := frame.Ethernet{Dst: p.Ethernet.Dst, Src: p.Ethernet.Src, Type: p.Ethernet.Type}.With()
			if tags := frame.Tags(e.VLAN, 5); len(tags) > 0 {
				innermost := tags[len(tags)-1].(frame.VLAN)
				innermost.Type = p.Ethernet.Type
				want = frame.Ethernet{Dst: p.Ethernet.Dst, Src: p.Ethernet.Src}.With(tags[:len(tags)-1]...).With(innermost)
			}
			sameBytes(t, "towards the customer", trunk.Frames()[0].Data, want.With(frame.Raw(p.Payload)).Bytes())
			must(t, trunk.Close())
		}
	})
}
