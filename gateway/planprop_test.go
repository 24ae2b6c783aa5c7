// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
)

// draws is how many hosts and configurations a property is checked on.
const draws = 5000

// eachDraw runs a check with many seeds. A failure names its seed.
func eachDraw(t *testing.T, check func(t *testing.T, d *rand.Rand)) {
	for seed := range uint64(draws) {
		check(t, rand.New(rand.NewPCG(seed, 0)))
		if t.Failed() {
			t.Fatalf("with the seed %d", seed)
		}
	}
}

func pick[T any](d *rand.Rand, from []T) T { return from[d.IntN(len(from))] }

// drawInputs draws a host in any state, and a configuration that means some of it.
func drawInputs(d *rand.Rand) Inputs {
	names := []string{"eth1", "eth2", "eth3", "eth4"}
	in := Inputs{Links: map[string]Link{}, Raised: map[l2.Name]Latch{}, Unfit: map[string]string{}, Held: map[string]int{}}
	for i, name := range names {
		if d.IntN(10) == 0 {
			continue
		}
		in.Links[name] = drawLink(d, name, i+2)
		if d.IntN(10) == 0 {
			in.Unfit[name] = "unfit"
		}
		if d.IntN(2) == 0 {
			in.Held[name] = i + 2
		}
	}
	c := gatewayConfig()
	c.Gateway.Engine = pick(d, []string{"auto", "tc", "xdp"})
	c.Gateway.Underlay.Interfaces = pick(d, [][]string{{"eth1"}, {"eth1", "eth4"}})
	for i := range d.IntN(7) {
		nic := pick(d, []string{"eth2", "eth3"})
		peer := pick(d, []string{"192.0.2.20", "192.0.2.10", "10.0.0.1"})
		e := ext(fmt.Sprint("e", i), nic, pick(d, []string{"10", "untagged"}), uint32(i+1), peer)
		c.Extensions = append(c.Extensions, e)
		if d.IntN(5) == 0 {
			in.Raised[e.Name] = Latch{}
		}
	}
	c.Interfaces = map[string]config.Interface{"eth3": {Passthrough: d.IntN(2) == 0}}
	in.Config = c
	return in
}

func drawLink(d *rand.Rand, name string, ifindex int) Link {
	l := veth(name, ifindex)
	l.Kind = pick(d, []string{"veth", "device", "bond"})
	l.Driver = pick(d, []string{"", "mlx5_core", "e1000"})
	l.NativeXDP = d.IntN(2) == 0
	l.AdminUp = d.IntN(10) > 0
	l.Carrier = l.AdminUp && d.IntN(10) > 0
	l.Addrs = prefixes(pick(d, [][]string{nil, {"192.0.2.10/24"}, {"10.0.0.1/8"}, {"192.0.2.10/24", "10.0.0.1/8"}})...)
	l.Master = pick(d, []string{"", "", "", "br0"})
	return l
}

func TestPlanHoldsItsPromises(t *testing.T) {
	eachDraw(t, func(t *testing.T, d *rand.Rand) {
		in := drawInputs(d)
		p := MakePlan(in)
		for i, e := range p.Desired.Extensions {
			b := p.Bridges[i]
			if b.Name != e.Name || (b.State == state.Down) != e.Down || (b.State == state.Lowered) != (b.Reason == "") {
				t.Fatalf("extension %s is down: %v, and its bridge %+v", e.Name, e.Down, b)
			}
			if _, raised := in.Raised[e.Name]; e.Raised != raised {
				t.Errorf("%s raised: %v, the operator says %v", e.Name, e.Raised, raised)
			}
			if !e.Down {
				wantFit(t, in, p, e)
			}
		}
		for _, n := range p.Desired.NICs {
			l := in.Links[n.Name]
			if alien := len(l.Addrs) > 0 && !n.Passthrough || l.Master != "" || in.Unfit[n.Name] != ""; alien && in.Held[n.Name] != l.Ifindex {
				t.Errorf("%+v is seized", l)
			}
		}
		if again := MakePlan(in); !reflect.DeepEqual(p, again) {
			t.Error("the same inputs gave another plan")
		}
	})
}

// wantFit checks that an extension that is not down can forward.
func wantFit(t *testing.T, in Inputs, p Plan, e state.Extension) {
	u := p.Desired.Underlay
	if !u.VTEP.IsValid() || len(u.Uplinks) == 0 || u.MTU == 0 || slices.Contains(e.Peers, u.VTEP) {
		t.Errorf("%s is up on the underlay %+v", e.Name, u)
	}
	served := slices.ContainsFunc(p.Desired.NICs, func(n state.NIC) bool { return n.Name == e.NIC })
	if l := in.Links[e.NIC]; !served || !l.Carrier {
		t.Errorf("%s is up on %+v, served: %v", e.Name, l, served)
	}
}

// What befalls one customer's NIC changes nothing for extensions on another, as long as the engine is given.
func TestPlanIsolatesNICs(t *testing.T) {
	eachDraw(t, func(t *testing.T, d *rand.Rand) {
		in := drawInputs(d)
		in.Config.Gateway.Engine = pick(d, []string{"tc", "xdp"})
		l := in.Links["eth3"]
		l.Addrs = nil // an address of the host can be another extension's peer
		in.Links["eth3"] = l
		before := MakePlan(in)
		delete(in.Links, "eth3")
		after := MakePlan(in)
		for i, e := range before.Desired.Extensions {
			if e.NIC != "eth3" && !cmp.Equal(before.Bridges[i], after.Bridges[i]) {
				t.Errorf("%s was %+v and is %+v without eth3", e.Name, before.Bridges[i], after.Bridges[i])
			}
		}
	})
}
