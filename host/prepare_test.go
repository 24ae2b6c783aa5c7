// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/state"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestPrepareCustomerAndRestore(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth2", "peer2")
	before := observeLink(t, h, "eth2")

	saved, err := h.Prepare("eth2", Customer, state.EngineXDP)
	must(t, err)
	want := Saved{{"eth2", DisableIPv6, 0}, {"eth2", AddrGenMode, before.addrGen}, {"eth2", NoARP, 0}, {"eth2", Promiscuous, 0}, {"eth2", Up, 0}}
	if diff := cmp.Diff(want, saved); diff != "" {
		t.Error(diff)
	}
	assertPrepared(t, h, "eth2")

	again, err := h.Prepare("eth2", Customer, state.EngineXDP)
	must(t, err)
	if len(again) != 0 {
		t.Errorf("a second time changed %v", again)
	}

	text, err := json.Marshal(saved.Merge(again))
	must(t, err)
	var stored Saved
	must(t, json.Unmarshal(text, &stored))
	must(t, h.Restore("eth2", stored))
	after := observeLink(t, h, "eth2")
	const flags = unix.IFF_UP | unix.IFF_NOARP | unix.IFF_PROMISC
	if after.noIPv6 != before.noIPv6 || after.addrGen != before.addrGen || after.flags&flags != before.flags&flags {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	must(t, h.Restore("eth2", stored)) // idempotent
}

func assertPrepared(t *testing.T, h *Host, name string) {
	t.Helper()
	o := observeLink(t, h, name)
	for _, s := range []Setting{DisableIPv6, AddrGenMode, NoARP, Promiscuous, Up} {
		if now, known := o.value(s); !known || now != 1 {
			t.Errorf("%s is %d, known: %v", s, now, known)
		}
	}
	if len(o.Automatic)+len(o.Addrs) != 0 {
		t.Errorf("addresses %v %v", o.Automatic, o.Addrs)
	}
}

// A NIC that is up already has a link-local address by then; it goes, and comes back with Restore.
func TestPrepareNICThatIsUp(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth2", "peer2")
	up(t, h.rtnl, "eth2", "peer2")
	eventually(t, "the kernel gives an address", func() bool { return len(observeLink(t, h, "eth2").Automatic) == 1 })
	saved, err := h.Prepare("eth2", Customer, state.EngineTC)
	must(t, err)
	assertPrepared(t, h, "eth2")
	if saved.has("eth2", Up) {
		t.Errorf("%v has the state that was not changed", saved)
	}
	must(t, h.Restore("eth2", saved))
	eventually(t, "all is as before", func() bool {
		o := observeLink(t, h, "eth2")
		return len(o.Automatic) == 1 && o.AdminUp
	})
}

// Without /proc/sys to write to, the NIC has no address all the same.
func TestPrepareWithReadOnlySysctls(t *testing.T) {
	h := fresh(t)
	readOnlySysctls(t)
	veth(t, h, "eth2", "peer2")
	up(t, h.rtnl, "eth2", "peer2")
	eventually(t, "the kernel gives an address", func() bool { return len(observeLink(t, h, "eth2").Automatic) == 1 })
	saved, err := h.Prepare("eth2", Customer, state.EngineTC)
	must(t, err)
	o := observeLink(t, h, "eth2")
	if o.noIPv6 != 0 {
		t.Fatal("the sysctl could be written: the test tests nothing")
	}
	if o.addrGen != 1 || len(o.Automatic) != 0 {
		t.Errorf("address generation %d, addresses %v", o.addrGen, o.Automatic)
	}
	must(t, h.Restore("eth2", saved))
}

// readOnlySysctls gives the test's thread a mount namespace of its own, which ends with it.
func readOnlySysctls(t *testing.T) {
	t.Helper()
	must(t, unix.Unshare(unix.CLONE_NEWNS))
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(t, unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""))
	must(t, unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
}

// The sysctls of another namespace have files of the same names.
func TestPrepareFromAnotherThread(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth2", "peer2")
	failed := make(chan error)
	go func() {
		_, err := h.Prepare("eth2", Customer, state.EngineTC)
		failed <- err
	}()
	must(t, <-failed)
	assertPrepared(t, h, "eth2")
}

func TestPrepareRefusesANICInUse(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth2", "peer2")
	address(t, h.rtnl, "eth2", "10.0.0.1/24")
	before := observeLink(t, h, "eth2")
	saved, err := h.Prepare("eth2", Customer, state.EngineTC)
	if unfit := (*UnfitError)(nil); !errors.As(err, &unfit) || saved != nil {
		t.Errorf("saved %v, error %v", saved, err)
	}
	if after := observeLink(t, h, "eth2"); after.flags != before.flags || after.noIPv6 != before.noIPv6 {
		t.Error("a NIC that was refused has changed")
	}

	must(t, h.rtnl.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", TxQLen: -1}}))
	must(t, h.rtnl.LinkSetMaster(link(t, h.rtnl, "peer2"), link(t, h.rtnl, "br0")))
	if _, err := h.Prepare("peer2", Customer, state.EngineTC); !errors.As(err, new(*UnfitError)) {
		t.Errorf("member of a bridge: %v", err)
	}
}

func TestPrepareUnderlayLeavesAddressesAlone(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	address(t, h.rtnl, "eth1", "192.0.2.10/24")
	up(t, h.rtnl, "eth1", "peer1")
	before := observeLink(t, h, "eth1")
	saved, err := h.Prepare("eth1", Underlay, state.EngineXDP)
	must(t, err)
	after := observeLink(t, h, "eth1")
	if len(saved) != 0 || before.flags != after.flags || !slices.Equal(before.Addrs, after.Addrs) || !slices.Equal(before.Automatic, after.Automatic) {
		t.Errorf("saved %v\nbefore %+v\nafter  %+v", saved, before, after)
	}
}

// A shared NIC goes on serving the host: it only hears more than before, and is up.
func TestPrepareSharedLeavesTheHostItsNIC(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth2", "peer2")
	address(t, h.rtnl, "eth2", "10.0.0.1/24")
	before := observeLink(t, h, "eth2")
	saved, err := h.Prepare("eth2", Shared, state.EngineXDP)
	must(t, err)
	if diff := cmp.Diff(Saved{{"eth2", Promiscuous, 0}, {"eth2", Up, 0}}, saved); diff != "" {
		t.Error(diff)
	}
	after := observeLink(t, h, "eth2")
	if after.noIPv6 != before.noIPv6 || after.addrGen != before.addrGen || after.flags&unix.IFF_NOARP != 0 || !slices.Equal(before.Addrs, after.Addrs) {
		t.Errorf("the host lost what it needs\nbefore %+v\nafter  %+v", before, after)
	}
	if after.flags&unix.IFF_PROMISC == 0 || !after.AdminUp {
		t.Errorf("not fit for customers: %+v", after)
	}
	must(t, h.Restore("eth2", saved))
	const flags = unix.IFF_UP | unix.IFF_PROMISC
	if back := observeLink(t, h, "eth2"); back.flags&flags != before.flags&flags || !slices.Equal(before.Addrs, back.Addrs) {
		t.Errorf("before %+v\nafter  %+v", before, back)
	}
}

// A veth stands in for hardware: it has the VLAN receive offload as a bit that can be changed.
func TestOffloadsOfHardware(t *testing.T) {
	h := fresh(t)
	veth(t, h, "eth1", "peer1")
	hardware := &observed{Link: Link{Name: "eth1", Kind: KindDevice}}
	plan, err := h.planOffloads(hardware, state.EngineTC)
	must(t, err)
	if len(plan) != 0 {
		t.Errorf("tc: %v", plan)
	}
	plan, err = h.planOffloads(hardware, state.EngineXDP)
	must(t, err)
	if diff := cmp.Diff(Saved{{"eth1", RxVLAN, 1}}, plan); diff != "" {
		t.Fatal(diff)
	}
	must(t, h.set("eth1", RxVLAN, 0))
	if now, known := h.offload("eth1", RxVLAN); !known || now != 0 {
		t.Errorf("offload is %d, known: %v", now, known)
	}
	must(t, h.Restore("eth1", plan))
	if now, _ := h.offload("eth1", RxVLAN); now != 1 {
		t.Error("offload is not back")
	}
	// A driver that cannot: LRO is fixed on veth.
	if err := h.set("eth1", LRO, 1); !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
		t.Errorf("set what the driver lacks: %v", err)
	}
	// A device without ethtool has nothing to switch off.
	if plan, err := h.planOffloads(&observed{Link: Link{Name: "gone", Kind: KindDevice}}, state.EngineXDP); err != nil || len(plan) != 0 {
		t.Errorf("%v %v", plan, err)
	}
}

func TestOffloadsOfABondAreItsMembers(t *testing.T) {
	all := map[int]*observed{
		1: {Link: Link{Name: "bond0", Kind: "bond"}},
		2: {Link: Link{Name: "eth4", Kind: KindDevice, Master: "bond0"}},
		3: {Link: Link{Name: "eth5", Kind: KindDevice}},
		4: {Link: Link{Name: "veth6", Kind: "veth", Master: "bond0"}},
	}
	if got := membersOf("bond0", all); !slices.Equal(got, []string{"eth4"}) {
		t.Error(got)
	}
}

func TestLinkThatIsGone(t *testing.T) {
	h := fresh(t)
	if _, err := h.Prepare("eth9", Customer, state.EngineTC); !errors.Is(err, ErrNoLink) {
		t.Errorf("prepare: %v", err)
	}
	must(t, h.Restore("eth9", Saved{{"eth9", NoARP, 0}, {"eth9", RxVLAN, 1}, {"eth9", DisableIPv6, 0}}))
}
