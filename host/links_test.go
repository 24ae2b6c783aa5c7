// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

func TestLinks(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	veth(t, h, "eth2", "peer2")
	must(t, h.rtnl.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", TxQLen: -1}}))
	must(t, h.rtnl.LinkSetMaster(link(t, h.rtnl, "eth2"), link(t, h.rtnl, "br0")))
	must(t, h.rtnl.LinkSetMTU(link(t, h.rtnl, "eth1"), 1600))
	address(t, h.rtnl, "eth1", "192.0.2.10/24")
	address(t, h.rtnl, "eth1", "2001:db8::10/64")
	up(t, h.rtnl, "eth1", "peer1")

	eventually(t, "carrier and link-local address", func() bool {
		o := observeLink(t, h, "eth1")
		return o.Carrier && len(o.Automatic) == 1
	})
	links, err := h.Links()
	must(t, err)
	eth1 := links["eth1"]
	want := Link{
		Name: "eth1", Ifindex: eth1.Ifindex, MAC: eth1.MAC, MTU: 1600, Kind: "veth", Driver: "veth", AdminUp: true, Carrier: true,
		Addrs:     []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24"), netip.MustParsePrefix("2001:db8::10/64")},
		Automatic: eth1.Automatic, NativeXDP: true,
	}
	if diff := cmp.Diff(want, eth1, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if eth1.Ifindex == 0 || eth1.MAC.IsZero() || eth1.MAC.IsGroup() {
		t.Errorf("ifindex %d, MAC %v", eth1.Ifindex, eth1.MAC)
	}
	if len(eth1.Automatic) != 1 || !eth1.Automatic[0].Addr().IsLinkLocalUnicast() {
		t.Errorf("automatic addresses %v, want one link-local", eth1.Automatic)
	}
	if l := links["eth2"]; l.Master != "br0" || l.AdminUp || l.Carrier {
		t.Errorf("%+v", l)
	}
	if l := links["lo"]; l.Kind != KindLoopback || l.NativeXDP {
		t.Errorf("%+v", l)
	}
	if l := links["br0"]; l.Kind != "bridge" || l.Driver != "bridge" {
		t.Errorf("%+v", l)
	}
}

func TestCarrierNeedsTheOtherEnd(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	up(t, h.rtnl, "eth1")
	if o := observeLink(t, h, "eth1"); !o.AdminUp || o.Carrier {
		t.Errorf("%+v", o.Link)
	}
}

// What the kernel calls automatic is what it made; the same kind of address from a person is not.
func TestLinkLocalFromAPersonIsNotAutomatic(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	address(t, h.rtnl, "eth1", "fe80::1/64")
	o := observeLink(t, h, "eth1")
	if len(o.Automatic) != 0 || len(o.Addrs) != 1 {
		t.Errorf("addresses %v, automatic %v", o.Addrs, o.Automatic)
	}
}

func TestNoSuchLink(t *testing.T) {
	h := fresh(t)
	for _, name := range []string{"eth9", "a-name-that-is-too-long"} {
		if _, err := h.observe(name); !errors.Is(err, ErrNoLink) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsersTakeAnyBytes(t *testing.T) {
	for n := range 64 {
		b := make([]byte, n)
		for i := range b {
			b[i] = 0xff
		}
		parseLink(b)
		parseAddress(b)
		parseNeighbour(b)
		inputChain(b)
	}
}
