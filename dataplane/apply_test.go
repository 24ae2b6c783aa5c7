// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestApply(t *testing.T) {
	suite(t, []part{
		{"again", applyAgain}, {"VLAN and VNI", applyVLANAndVNI}, {"peer removed", applyPeerRemoved},
		{"extension removed", applyExtensionRemoved}, {"NICs", applyNICs}, {"failure", applyFails}, {"many", applyMany}, {"name with a dot", dottedNIC},
	})
}

// attached are link and program IDs by pin name.
func (r *rig) attached() map[string][2]uint32 {
	r.t.Helper()
	ids := map[string][2]uint32{}
	names, err := r.plane.pins.linkNames()
	r.must(err)
	for _, name := range names {
		l, err := link.LoadPinnedLink(r.plane.pins.linkPath(name), nil)
		r.must(err)
		info, err := l.Info()
		r.must(err)
		if linkIfindex(l) != 0 {
			ids[name] = [2]uint32{uint32(info.ID), uint32(info.Program)}
		}
		r.must(l.Close())
	}
	return ids
}

// written is the content of every map that only the daemon writes.
func (r *rig) written() map[string]any {
	r.t.Helper()
	got := map[string]any{}
	tables, err := readTables(r.plane.objects.maps)
	r.must(err)
	tables.gateway.Generation = 0 // may grow at any time: it only makes programs look things up again
	got["tables"] = tables
	for _, name := range []string{"names", "nic_names"} {
		slots, err := readSlots(r.plane.mapNamed(name), maxExtensions)
		r.must(err)
		got[name] = slots.byName
	}
	vteps, err := readVTEPs(r.plane.mapNamed("vtep_ids"))
	r.must(err)
	got["VTEPs"] = vteps.byAddr
	return got
}

func (r *rig) unchanged(what string, before map[string]any) {
	r.t.Helper()
	for name, now := range r.written() {
		if !reflect.DeepEqual(now, before[name]) {
			r.t.Errorf("%s: %s changed:\n%+v\nwas\n%+v", what, name, now, before[name])
		}
	}
}

func applyAgain(t *testing.T, r *rig) {
	r.says(macHost)
	r.heardFrom(peerA, macVM)
	links, content, books, entries := r.attached(), r.written(), r.books(), r.entries()
	if len(links) < 4 {
		t.Errorf("attached: %v", links)
	}
	for range 2 {
		same := *r.desired
		r.must(r.plane.Apply(&same))
	}
	if now := r.attached(); !maps.Equal(now, links) {
		t.Errorf("applying the same again exchanged links or programs: %v, were %v", now, links)
	}
	r.unchanged("applying the same again", content)
	if now := r.books(); !reflect.DeepEqual(now, books) {
		t.Errorf("applying the same again changed counters: %+v, were %+v", now, books)
	}
	if now := r.entries(); !maps.Equal(now, entries) {
		t.Errorf("applying the same again changed the FDB: %+v, was %+v", now, entries)
	}
}

func applyVLANAndVNI(t *testing.T, r *rig) {
	r.says(macHost)
	old := r.onCircuit(ethernet(macVM, macHost, udp(10)...))
	fromOld := packet{}.bytes(r)
	rx := r.counters("acme").ToCloud.Rx.Frames
	r.change(func(x *state.Extension, _ *state.Desired) { x.VLAN, x.VNI = l2.DoubleTag(100, 200), 77 })
	r.expect("old VLAN", "eth2", old, "no-circuit")
	r.expect("old VNI", "eth1", fromOld, "unknown-vni")
	r.expect("new VNI", "eth1", packet{vni: 77}.bytes(r), "sent")
	f := r.expect("new VLAN", "eth2", r.onCircuit(opaque), "sent")
	checkTunnel(t, r, "new VLAN", f.out, "acme", opaque)
	r.isAt(macHost, atCustomer) // its slot stays, and with it MACs and counters
	if x := r.counters("acme"); x.ToCloud.Rx.Frames != rx+1 {
		t.Errorf("counters after a reload: %+v", x.ToCloud)
	}
}

func applyPeerRemoved(t *testing.T, r *rig) {
	r.change(func(x *state.Extension, _ *state.Desired) { x.Peers = []netip.Addr{peerA, peerB} })
	r.heardFrom(peerA, mac(2, 1))
	r.heardFrom(peerB, mac(2, 2))
	r.fate("eth1", packet{inner: ethernet(mac(2, 1), mac(2, 3), udp(1)...)}.bytes(r)) // split horizon, and learnt
	r.change(func(x *state.Extension, _ *state.Desired) { x.Peers = []netip.Addr{peerB} })
	if r.isLearnt(mac(2, 1)) || r.isLearnt(mac(2, 3)) {
		t.Error("MACs at a VTEP that is no peer any more are still there")
	}
	r.isAt(mac(2, 2), atB)
	r.expect("from the old VTEP", "eth1", packet{}.bytes(r), "unknown-vtep")
	if x := r.books().extensions["acme"]; x.Cloud != 1 {
		t.Errorf("%d MACs in the cloud", x.Cloud)
	}
}

func applyExtensionRemoved(t *testing.T, r *rig) {
	otherExtension(r)
	r.says(macHost)
	in := withTags(l2.SingleTag(2302), 0, ethernet(l2.Broadcast, mac(5, 5), udp(1)...))
	r.expect("second extension", "eth2", in, "sent")
	slot := r.plane.slots.byName["bravo"]
	r.change(func(_ *state.Extension, d *state.Desired) { d.Extensions = d.Extensions[:1] })
	r.expect("removed", "eth2", in, "no-circuit")
	if _, ok := r.plane.Extension(slot); ok {
		t.Errorf("slot %d still has a name", slot)
	}
	for k := range r.entries() {
		if k.Slot == slot {
			t.Errorf("an FDB entry of the removed extension is left: %+v", k)
		}
	}
	for _, key := range []uint32{2 * slot, 2*slot + 1} {
		c, err := r.tally(key)
		r.must(err)
		if c.Rx.Frames != 0 || c.Tx.Frames != 0 || len(c.Drops) != 0 {
			t.Errorf("counters of a free slot: %+v", c)
		}
	}
	r.isAt(macHost, atCustomer)
	otherExtension(r) // as new
	if x := r.counters("bravo"); x.ToCloud.Rx.Frames != 0 || x.Customer != 0 {
		t.Errorf("an extension of an old name has counters: %+v", x)
	}
}

func applyNICs(t *testing.T, r *rig) {
	links := r.attached()
	manyCircuits(r)
	now := r.attached()
	for name, ids := range links {
		if now[name] != ids {
			t.Errorf("%s was exchanged for a NIC that came", name)
		}
	}
	if len(now) <= len(links) {
		t.Errorf("nothing was attached to eth3: %v", now)
	}
	r.change(func(_ *state.Extension, d *state.Desired) {
		d.NICs, d.Extensions = d.NICs[:1], d.Extensions[1:]
	})
	if now := r.attached(); !maps.Equal(now, links) {
		t.Errorf("after the NIC went: %v, want %v", now, links)
	}
	if names := r.written()["nic_names"].(map[string]uint32); len(names) != 2 {
		t.Errorf("NICs with slots for counters: %v, want eth1 and eth2: with a slot for every name that ever was, the 512th new NIC cannot be applied", names)
	}
}

// All or nothing: what fails leaves everything as it was.
func applyFails(t *testing.T, r *rig) {
	r.says(macHost)
	r.heardFrom(peerA, macVM)
	var many []netip.Addr
	for i := range 129 {
		many = append(many, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	nobody := state.StaticMAC{MAC: mac(1, 1), Side: l2.Cloud, VTEP: stranger}
	for _, c := range []struct {
		name string
		f    func(x *state.Extension, d *state.Desired)
	}{
		{"129 peers", func(x *state.Extension, _ *state.Desired) { x.Peers = many }},
		{"a new extension with 129 peers", func(x *state.Extension, d *state.Desired) {
			b := *x
			b.Name, b.VLAN, b.VNI, b.Peers = "bravo", l2.SingleTag(2302), 10200, many
			x.VNI = 5
			d.Extensions = append(d.Extensions, b)
		}},
		{"customer's NIC that does not exist", func(x *state.Extension, d *state.Desired) {
			d.NICs = append(d.NICs, state.NIC{Name: "eth9", Ifindex: 99999, MTU: 1500})
			x.VNI = 6
		}},
		{"uplink that does not exist", func(_ *state.Extension, d *state.Desired) {
			d.Underlay.Uplinks = []state.Uplink{{Name: "eth9", Ifindex: 99999}}
		}},
		{"five uplinks", func(_ *state.Extension, d *state.Desired) {
			u := d.Underlay.Uplinks[0]
			d.Underlay.Uplinks = []state.Uplink{u, u, u, u, u}
		}},
		{"static MAC at a VTEP that is no peer", func(x *state.Extension, _ *state.Desired) {
			x.Static, x.VNI = []state.StaticMAC{nobody}, 7
		}},
	} {
		links, content, entries, books := r.attached(), r.written(), r.entries(), r.books()
		d := *r.desired
		d.Extensions = append([]state.Extension(nil), d.Extensions...)
		d.NICs = append([]state.NIC(nil), d.NICs...)
		c.f(&d.Extensions[0], &d)
		if err := r.plane.Apply(&d); err == nil {
			t.Errorf("%s was applied", c.name)
		}
		if now := r.attached(); !maps.Equal(now, links) {
			t.Errorf("%s: links and programs are %v, were %v", c.name, now, links)
		}
		r.unchanged(c.name, content)
		if now := r.entries(); !maps.Equal(now, entries) {
			t.Errorf("%s: FDB %+v, was %+v", c.name, now, entries)
		}
		if now := r.books(); !reflect.DeepEqual(now, books) {
			t.Errorf("%s: counters %+v, were %+v", c.name, now, books)
		}
		r.expect(c.name+": goes on to the cloud", "eth2", r.onCircuit(opaque), "sent")
		r.expect(c.name+": goes on to the customer", "eth1", packet{}.bytes(r), "sent")
		repaired, err := r.plane.Check()
		r.must(err)
		if len(repaired) > 0 {
			t.Errorf("%s: Check repairs %v", c.name, repaired)
		}
		r.apply()
	}
}

// The BPF file system allows no dots in names; NICs have them.
func dottedNIC(t *testing.T, r *rig) {
	r.addVeth("eth4.5")
	r.change(func(x *state.Extension, d *state.Desired) {
		d.NICs = append(d.NICs, state.NIC{Name: "eth4.5", Ifindex: r.eth["eth4.5"].Attrs().Index, MAC: r.mac("eth4.5"), MTU: 1500})
		b := *x
		b.Name, b.NIC, b.VNI = "bravo", "eth4.5", 10200
		d.Extensions = append(d.Extensions, b)
	})
	f := r.expect("NIC with a dot", "eth4.5", r.onCircuit(opaque), "sent")
	if f.where != "bravo" {
		t.Errorf("counted at %s", f.where)
	}
	links := r.attached()
	r.reopen()
	r.apply()
	if now := r.attached(); !maps.Equal(now, links) {
		t.Errorf("after Close and Open: %v, were %v", now, links)
	}
	if repaired, err := r.plane.Check(); err != nil || len(repaired) > 0 {
		t.Errorf("Check repairs %v, %v", repaired, err)
	}
}

// reopen closes the plane and opens it again, as a restarted daemon does.
func (r *rig) reopen() {
	r.t.Helper()
	o := Options{Gateway: r.plane.pins.gateway}
	r.must(r.plane.Close())
	plane, err := Open(o)
	r.must(err)
	r.plane = plane
}

func TestLife(t *testing.T) {
	suite(t, []part{{"adoption", adoption}, {"raised", raisedIsReadBack}, {"lock", secondPlane}, {"pin deleted", pinDeleted}, {"link detached", linkDetached}, {"uninstall", uninstalled}})
}

func adoption(t *testing.T, r *rig) {
	r.says(macHost)
	r.heardFrom(peerA, macVM)
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Static = []state.StaticMAC{{MAC: mac(9, 1), Side: l2.Cloud, VTEP: peerA}}
	})
	links, content, books, entries := r.attached(), r.written(), r.books(), r.entries()
	r.reopen()
	if !r.plane.Adopted() {
		t.Error("Adopted says that nothing was there")
	}
	if now := r.attached(); !maps.Equal(now, links) {
		t.Errorf("Open changed links: %v, were %v", now, links)
	}
	r.unchanged("Open", content)
	r.apply()
	r.unchanged("Apply after Open", content)
	if now := r.attached(); !maps.Equal(now, links) {
		t.Errorf("Apply after Open changed links: %v, were %v", now, links)
	}
	if now := r.books(); !reflect.DeepEqual(now, books) {
		t.Errorf("counters after a restart: %+v, were %+v", now, books)
	}
	if now := r.entries(); !maps.Equal(now, entries) {
		t.Errorf("FDB after a restart: %+v, was %+v", now, entries)
	}
	// Another configuration than the one before the restart.
	r.reopen()
	r.change(func(x *state.Extension, _ *state.Desired) { x.Static, x.Peers, x.VNI = nil, []netip.Addr{peerB}, 8 })
	if r.isLearnt(macVM) || r.isLearnt(mac(9, 1)) {
		t.Error("MACs at a VTEP that went with a restart are still there")
	}
	r.isAt(macHost, atCustomer)
	r.reopen()
	r.restart(r.desired)
	if r.isLearnt(macHost) {
		t.Error("an extension that came back has old MACs")
	}
}

// raisedIsReadBack: what the operator drew up is known to a daemon that has nothing but the kernel, also one whose tables are laid
// out otherwise. A trip and a link that is down are not the operator's word.
func raisedIsReadBack(t *testing.T, r *rig) {
	want := func(when string, want ...l2.Name) {
		t.Helper()
		if got, err := r.plane.Raised(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: raised are %v, %v; want %v", when, got, err, want)
		}
	}
	r.change(func(x *state.Extension, _ *state.Desired) { x.Down = true })
	r.must(r.plane.admin(abi.AdminAdmin{
		Act: abi.AdminAdminActADMIN_HOLD, Slot: r.plane.slots.byName["acme"], Hold: holdHalfRaised, Until: 1 << 62,
	}))
	r.reopen()
	want("tripped and down")
	r.change(func(x *state.Extension, _ *state.Desired) { x.Raised = true })
	r.reopen()
	want("raised", "acme")
	r.upgrade(roomier("extensions"), nil)
	want("raised, before tables of another layout", "acme")
	r.change(func(x *state.Extension, _ *state.Desired) { x.Down = false })
	want("after it", "acme")
	r.change(func(x *state.Extension, _ *state.Desired) { x.Raised = false })
	r.reopen()
	want("lowered")
}

func secondPlane(t *testing.T, r *rig) {
	_, err := Open(Options{Gateway: r.plane.pins.gateway})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a second Open of one gateway: %v, want an error that names process %d", err, os.Getpid())
	}
	r.expect("the first goes on", "eth2", r.onCircuit(opaque), "sent")
	r.apply()
}

// repairs expects that Check names an object once, and then nothing.
func (r *rig) repairs(what, word string) {
	r.t.Helper()
	repaired, err := r.plane.Check()
	if err != nil || len(repaired) != 1 || !strings.Contains(repaired[0], word) {
		r.t.Errorf("%s: Check repairs %q, %v; want one thing about %q", what, repaired, err, word)
	}
	if again, err := r.plane.Check(); err != nil || len(again) > 0 {
		r.t.Errorf("%s: Check once more repairs %q, %v", what, again, err)
	}
}

func pinDeleted(t *testing.T, r *rig) {
	if repaired, err := r.plane.Check(); err != nil || len(repaired) > 0 {
		t.Errorf("Check repairs %q, %v", repaired, err)
	}
	links := r.attached()
	for name := range links {
		r.must(os.Remove(r.plane.pins.linkPath(name)))
		r.repairs("pin of "+name+" deleted", "pin of")
	}
	if now := r.attached(); !maps.Equal(now, links) {
		t.Errorf("links after the repair: %v, were %v", now, links)
	}
	for name, m := range r.plane.objects.maps {
		path := r.plane.pins.mapPath(name)
		r.must(os.Remove(path))
		r.repairs("pin of map "+name+" deleted", name)
		again, err := ebpf.LoadPinnedMap(path, nil)
		r.must(err)
		had, _ := m.Info()
		have, err := again.Info()
		r.must(err)
		a, _ := had.ID()
		if b, _ := have.ID(); a != b {
			t.Errorf("map %s: the pin is of map %d, want %d", name, b, a)
		}
		r.must(again.Close())
	}
	r.must(os.RemoveAll(r.plane.pins.root))
	if repaired, err := r.plane.Check(); err != nil || len(repaired) != len(links)+len(r.plane.objects.maps) {
		t.Errorf("with all pins gone Check repairs %q, %v", repaired, err)
	}
	r.reopen()
	if !r.plane.Adopted() || !maps.Equal(r.attached(), links) {
		t.Errorf("after the repair a restart finds %v, want %v", r.attached(), links)
	}
	r.apply()
}

func linkDetached(t *testing.T, r *rig) {
	for name := range r.attached() {
		l, err := link.LoadPinnedLink(r.plane.pins.linkPath(name), nil)
		r.must(err)
		r.must(l.Detach())
		r.must(l.Close())
		if _, there := r.attached()[name]; there {
			t.Fatalf("%s is still attached", name)
		}
		number, hook, _ := strings.Cut(name, "-")
		r.repairs(name+" detached", hook+" program on "+r.nicNumbered(number))
		if _, there := r.attached()[name]; !there {
			t.Errorf("%s is not attached again", name)
		}
	}
	// While the daemon was away, too.
	l, err := link.LoadPinnedLink(r.plane.pins.linkPath(want{ifindex: r.eth["eth1"].Attrs().Index, hook: hook(r.hook())}.name()), nil)
	r.must(err)
	r.must(l.Detach())
	r.must(l.Close())
	r.reopen()
	r.apply()
	if _, there := r.attached()[want{ifindex: r.eth["eth1"].Attrs().Index, hook: hook(r.hook())}.name()]; !there {
		t.Error("a link that was detached while nobody watched is not attached by Apply")
	}
}

// tally reads the counters of one slot and direction.
func (r *rig) tally(key uint32) (state.Counters, error) {
	return r.plane.talliesEach().sum(key, carried{})
}

func (r *rig) readExtension(x *state.Extension) (state.ExtensionReading, error) {
	p := r.plane
	return p.readExtension(x, p.talliesEach(), lookupEach[abi.TcExtensionState](p.mapNamed("states")))
}

func (r *rig) nicNumbered(ifindex string) string {
	for name, l := range r.eth {
		if strconv.Itoa(l.Attrs().Index) == ifindex {
			return name
		}
	}
	return tunnelNIC
}

// hook is the name of the hook where the engine takes frames.
func (r *rig) hook() string {
	if r.engine == state.EngineXDP {
		return string(hookXDP)
	}
	return string(hookIngress)
}

// isFree waits until a hook has no program: the kernel detaches a link some time after its last pin went.
func (r *rig) isFree(nic string, attach ebpf.AttachType) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		q, err := link.QueryPrograms(link.QueryOptions{Target: r.eth[nic].Attrs().Index, Attach: attach})
		if err != nil || len(q.Programs) == 0 {
			return true
		}
	}
	return false
}

func uninstalled(t *testing.T, r *rig) {
	o := Options{Gateway: r.plane.pins.gateway}
	root := r.plane.pins.root
	if err := Uninstall(o); err == nil {
		t.Error("Uninstall took a running gateway's pins")
	}
	r.apply()
	r.must(r.plane.Close())
	r.must(Uninstall(o))
	if !isMissing(root) {
		t.Errorf("%s is left", root)
	}
	r.must(Uninstall(o)) // what is gone is success
	for nic := range r.eth {
		for _, attach := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress, ebpf.AttachXDP} {
			if !r.isFree(nic, attach) {
				t.Errorf("%s still has a program at %s, 5 s after Uninstall", nic, attach)
			}
		}
	}
	plane, err := Open(o)
	r.must(err)
	r.plane = plane
	if plane.Adopted() {
		t.Error("something was left to adopt")
	}
	r.apply()
	r.expect("after a new start", "eth2", r.onCircuit(opaque), "sent")
}

// Hundreds of extensions, more than are written at once, are in the kernel as they are in the books; then some of them with other
// guards, then few.
func applyMany(t *testing.T, r *rig) {
	few := r.desired
	r.desired = manyExtensions(t, few, 2*writeBatch+3)
	r.apply()
	r.wantAsWritten("many")
	next := *r.desired
	next.Extensions = slices.Clone(next.Extensions)
	for i := range next.Extensions {
		if i%3 == 0 {
			next.Extensions[i].MACLimit = uint32(100 + i%5)
			next.Extensions[i].Guards.Learn = state.Rate{PerSecond: uint64(50 + i%7), Burst: 10}
			next.Extensions[i].Peers = []netip.Addr{peerB}
		}
	}
	r.desired = &next
	r.apply()
	r.wantAsWritten("other guards")
	r.desired = few
	r.apply()
	r.wantAsWritten("few")
}

// wantAsWritten holds what the kernel has against what the daemon believes it has.
func (r *rig) wantAsWritten(name string) {
	r.t.Helper()
	got, err := readTables(r.plane.objects.maps)
	r.must(err)
	got.gateway.Generation = r.plane.tables.gateway.Generation
	if len(got.records) != len(r.desired.Extensions) || !got.equal(r.plane.tables) {
		r.t.Errorf("%s: the kernel has %d records, and the daemon %d others of %d extensions", name, len(got.records), len(r.plane.tables.records), len(r.desired.Extensions))
	}
}
