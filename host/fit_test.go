// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"testing"
)

func TestFit(t *testing.T) {
	prefixes := func(s ...string) (p []netip.Prefix) {
		for _, s := range s {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	for _, c := range []struct {
		link Link
		want string
	}{
		{Link{Name: "eth2", Kind: "veth"}, ""},
		{Link{Name: "eth2", Kind: "veth", Automatic: prefixes("fe80::1/64")}, ""},
		{Link{Name: "eth2", Addrs: prefixes("10.0.0.1/24")},
			"eth2 cannot be a customer's NIC: it has the address 10.0.0.1/24 (remedy: ip addr del 10.0.0.1/24 dev eth2)"},
		{Link{Name: "eth2", Master: "br0"},
			"eth2 cannot be a customer's NIC: it belongs to br0 (remedy: ip link set eth2 nomaster)"},
		{Link{Name: "eth2", Master: "br0", Addrs: prefixes("10.0.0.1/24", "fe80::2/64")},
			"eth2 cannot be a customer's NIC: it belongs to br0 (remedy: ip link set eth2 nomaster); " +
				"it has the address 10.0.0.1/24 (remedy: ip addr del 10.0.0.1/24 dev eth2); " +
				"it has the address fe80::2/64 (remedy: ip addr del fe80::2/64 dev eth2)"},
		{Link{Name: "lo", Kind: KindLoopback}, "lo cannot be a customer's NIC: it is the loopback device"},
	} {
		err := Fit(c.link, Customer)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
		if unfit := (*UnfitError)(nil); err != nil && !errors.As(err, &unfit) {
			t.Errorf("%T is no UnfitError", err)
		}
	}
}

// What the host uses itself is a customer's NIC only when it is shared, and then only with addresses.
func TestFitForOtherRoles(t *testing.T) {
	used := Link{Name: "eth2", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}
	port := Link{Name: "eth2", Master: "br0", Addrs: used.Addrs}
	lo := Link{Name: "lo", Kind: KindLoopback, Addrs: used.Addrs}
	for _, c := range []struct {
		link   Link
		role   Role
		faults int
	}{
		{used, Customer, 1}, {used, Shared, 0}, {used, Underlay, 0},
		{port, Customer, 2}, {port, Shared, 1}, {port, Underlay, 0},
		{lo, Shared, 1}, {lo, Underlay, 0},
	} {
		var unfit *UnfitError
		err := Fit(c.link, c.role)
		if faults := errors.As(err, &unfit); faults != (c.faults > 0) || faults && len(unfit.Faults) != c.faults {
			t.Errorf("%s of %+v: %v, want %d faults", c.role, c.link, err, c.faults)
		}
	}
}

func TestMergeKeepsTheOriginal(t *testing.T) {
	first := Saved{{"eth2", NoARP, 0}, {"eth2", Up, 0}}
	merged := first.Merge(Saved{{"eth2", NoARP, 1}, {"eth2", Promiscuous, 0}, {"eth3", NoARP, 0}})
	want := Saved{{"eth2", NoARP, 0}, {"eth2", Up, 0}, {"eth2", Promiscuous, 0}, {"eth3", NoARP, 0}}
	if len(merged) != len(want) {
		t.Fatalf("got %v, want %v", merged, want)
	}
	for i := range want {
		if merged[i] != want[i] {
			t.Errorf("got %v, want %v", merged[i], want[i])
		}
	}
	if len(first) != 2 {
		t.Error("the earlier value has changed")
	}
}
