// SPDX-License-Identifier: Apache-2.0

package state

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/l2/fieldtest"
)

// TestEqualSeesEveryField changes each field in turn.
func TestEqualSeesEveryField(t *testing.T) {
	var a Extension
	var paths []string
	fieldtest.Each(reflect.TypeOf(a), "", nil, func(path string, index []int) {
		b := Extension{}
		fieldtest.Change(reflect.ValueOf(&b).Elem().FieldByIndex(index))
		if a.Equal(&b) || b.Equal(&a) {
			t.Errorf("a change of %s is not seen", path)
		}
		if !b.Equal(&b) {
			t.Errorf("with another %s it differs from itself", path)
		}
		paths = append(paths, path)
	})
	if !slices.Contains(paths, ".Guards.FastMoves.Window") {
		t.Errorf("the fields are %q", paths)
	}
}

// TestDesiredEqual changes one thing of each kind.
func TestDesiredEqual(t *testing.T) {
	base := func() *Desired {
		return &Desired{NICs: []NIC{{Name: "eth2"}}, Underlay: Underlay{Uplinks: []Uplink{{Name: "eth1"}}}, Extensions: []Extension{{Name: "acme"}, {Name: "beta"}}}
	}
	if !base().Equal(base()) {
		t.Error("equal ones differ")
	}
	for name, change := range map[string]func(*Desired){
		"an uplink": func(d *Desired) { d.Underlay.Uplinks[0].Ifindex = 9 }, "a NIC": func(d *Desired) { d.NICs[0].MTU = 9000 },
		"the port": func(d *Desired) { d.Underlay.Port = 1 }, "the engine": func(d *Desired) { d.Engine = EngineXDP },
		"the last extension": func(d *Desired) { d.Extensions[1].Raised = true }, "fewer": func(d *Desired) { d.Extensions = d.Extensions[:1] },
		"the tunnel device": func(d *Desired) { d.Underlay.TunnelIfindex = 1 }, "the VTEP": func(d *Desired) { d.Underlay.VTEP = netip.IPv6Loopback() },
		"the MTU": func(d *Desired) { d.Underlay.MTU = 1 }, "the checksum": func(d *Desired) { d.Underlay.ZeroChecksum6 = true },
		"reserved bits": func(d *Desired) { d.Underlay.IgnoreReservedBits = true }, "the gateway": func(d *Desired) { d.Gateway = "gw" },
	} {
		d := base()
		if change(d); d.Equal(base()) {
			t.Errorf("%s: the change is not seen", name)
		}
	}
}
