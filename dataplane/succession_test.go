// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestSuccession(t *testing.T) {
	suite(t, []part{
		{"every map", everyMap}, {"each map", eachMap}, {"caught up", caughtUp}, {"crash at every step", crashAtEveryStep},
		{"way back", wayBack}, {"failure", failedSuccession}, {"foreign layout", foreignLayout}, {"other reasons", otherReasons},
		{"lost names", lostNames}, {"renamed map", renamedMap}, {"flows of another count", flowsOfAnother},
	})
}

// all are the maps of this version.
func allMaps(t testing.TB) map[string]*ebpf.MapSpec {
	t.Helper()
	all, err := collections()
	if err != nil {
		t.Fatal(err)
	}
	return mapsOf(all)
}

// alterMaps changes a version's maps.
func alterMaps(change func(name string, m *ebpf.MapSpec)) func([]*ebpf.CollectionSpec) {
	return func(all []*ebpf.CollectionSpec) {
		for _, c := range all {
			for name, m := range c.Maps {
				change(name, m)
			}
		}
	}
}

// roomier is a version whose map has room for more.
func roomier(names ...string) func([]*ebpf.CollectionSpec) {
	return alterMaps(func(name string, m *ebpf.MapSpec) {
		if len(names) > 0 && !slices.Contains(names, name) {
			return
		}
		m.MaxEntries++
		if m.Type == ebpf.RingBuf {
			m.MaxEntries = 2 * (m.MaxEntries - 1)
		}
	})
}

// upgrade closes the plane and opens it as another version.
func (r *rig) upgrade(alter func([]*ebpf.CollectionSpec), step func(string)) {
	r.t.Helper()
	o := Options{Gateway: r.plane.pins.gateway, alter: alter, step: step}
	r.must(r.plane.Close())
	plane, err := Open(o)
	r.must(err)
	r.plane = plane
}

// attachedProgram is what frames of a NIC meet now.
func (r *rig) attachedProgram(nic string) *ebpf.Program {
	r.t.Helper()
	l, err := link.LoadPinnedLink(r.plane.pins.linkPath(want{ifindex: r.eth[nic].Attrs().Index, hook: hook(r.hook())}.name()), nil)
	r.must(err)
	defer l.Close()
	info, err := l.Info()
	r.must(err)
	program, err := ebpf.NewProgramFromID(info.Program)
	r.must(err)
	return program
}

// forwards sends a frame through what is attached, and wants it redirected.
func (r *rig) forwards(when, nic string, in []byte) {
	r.t.Helper()
	program := r.attachedProgram(nic)
	defer program.Close()
	own := r.plane.objects.programs
	r.plane.objects.programs = map[string]*ebpf.Program{"it": program}
	o := r.run("it", nic, in, gso{})
	r.plane.objects.programs = own
	if o.verdict != "redirect" {
		r.t.Errorf("%s: a frame from %s meets %q", when, nic, o.verdict)
	}
}

func (r *rig) unicast(from, to l2.MAC) []byte {
	return r.onCircuit(ethernet(to, from, frame.Raw(make([]byte, 46))))
}

// memory is what a succession must keep.
type memory struct {
	entries map[abi.TcFdbKey]abi.TcFdbEntry
	state   abi.TcExtensionState
	books   books
	gateway abi.TcGateway
	spent   abi.TcSpending
}

func (r *rig) memory() memory {
	r.t.Helper()
	m := memory{entries: r.entries(), books: r.books(), gateway: r.plane.tables.gateway}
	slot := r.plane.slots.byName["acme"]
	r.must(r.plane.mapNamed("states").Lookup(slot, &m.state))
	r.must(r.plane.mapNamed("budgets").Lookup(slot, &m.spent))
	m.state.Told, m.gateway.Generation = 0, 0
	return m
}

// lasting is what frames that go on do not change in an entry. A static one is given anew.
func lasting(e abi.TcFdbEntry) abi.TcFdbEntry {
	e.Seen = 0
	e.Flags &^= 4 // whether its timer could be set
	if e.Flags&fdbStatic != 0 {
		e.Since, e.Born = 0, 0
	}
	return e
}

func (r *rig) keeps(when string, was memory) {
	r.t.Helper()
	now := r.memory()
	for key, e := range was.entries {
		if is, e := lasting(now.entries[key]), lasting(e); e != is {
			r.t.Errorf("%s: entry %x is %+v, was %+v", when, key.Mac, is, e)
		}
	}
	if len(now.entries) != len(was.entries) {
		r.t.Errorf("%s: %d entries, were %d", when, len(now.entries), len(was.entries))
	}
	if now.state != was.state {
		r.t.Errorf("%s: state %+v, was %+v", when, now.state, was.state)
	}
	if !reflect.DeepEqual(now.books, was.books) {
		r.t.Errorf("%s: books %+v, were %+v", when, now.books, was.books)
	}
	if now.gateway != was.gateway {
		r.t.Errorf("%s: gateway %+v, was %+v", when, now.gateway, was.gateway)
	}
	if now.spent != was.spent {
		r.t.Errorf("%s: budgets differ", when)
	}
}

// settle gives the extension something to remember.
func (r *rig) settle() {
	r.t.Helper()
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Static = []state.StaticMAC{{MAC: mac(9, 1), Side: l2.Cloud, VTEP: peerA}}
		x.Guards.Storm[2].Rate = state.Rate{PerSecond: 1, Burst: 1000}
	})
	r.says(macHost)
	r.heardFrom(peerA, macVM)
	r.expect("known unicast", "eth2", r.unicast(macHost, macVM), "sent")
}

func (r *rig) wantOneGeneration(when string) {
	r.t.Helper()
	if entries, err := os.ReadDir(r.plane.pins.maps()); err != nil || len(entries) != len(r.plane.objects.maps) {
		r.t.Errorf("%s: %d maps are pinned, %d are there, %v", when, len(entries), len(r.plane.objects.maps), err)
	}
	if !isMissing(r.plane.pins.newMaps()) || !isMissing(r.plane.pins.oldMaps()) {
		r.t.Errorf("%s: maps of another generation are left", when)
	}
	if r.plane.succession != nil {
		r.t.Errorf("%s: the succession goes on", when)
	}
	if repaired, err := r.plane.Check(); err != nil || len(repaired) > 0 {
		r.t.Errorf("%s: Check repairs %v, %v", when, repaired, err)
	}
}

// everyMap: a version all of whose maps differ takes everything over, and the version before does on the way back.
func everyMap(t *testing.T, r *rig) {
	r.settle()
	links := slices.Sorted(maps.Keys(r.attached()))
	for _, alter := range []func([]*ebpf.CollectionSpec){roomier(), nil, roomier("fdb", "extensions"), nil} {
		was := r.memory()
		r.upgrade(alter, nil)
		r.forwards("before Apply", "eth2", r.unicast(macHost, macVM))
		r.apply()
		is := r.memory()
		x := is.books.extensions["acme"]
		if got, want := x.ToCloud.Tx.Frames, was.books.extensions["acme"].ToCloud.Tx.Frames+1; got != want {
			t.Errorf("%d frames to cloud were counted, want %d", got, want)
		}
		was.books = is.books
		r.keeps("after Apply", was)
		r.forwards("after Apply", "eth2", r.unicast(macHost, macVM))
		r.expect("known unicast", "eth2", r.unicast(macHost, macVM), "sent")
		r.wantOneGeneration("after Apply")
		if now := slices.Sorted(maps.Keys(r.attached())); !slices.Equal(now, links) {
			t.Errorf("links %v, were %v", now, links)
		}
	}
	r.change(func(x *state.Extension, _ *state.Desired) { x.MACAge = time.Second })
	r.upgrade(roomier(), nil)
	r.apply()
	r.isForgotten(macHost)
	r.upgrade(nil, nil)
	r.apply()
}

// isForgotten waits until the timer of an entry has fired.
func (r *rig) isForgotten(mac l2.MAC) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); r.isLearnt(mac); {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s is still there", mac)
		}
	}
	if learnt := r.memory().state.Learnt; learnt[0] != 0 {
		r.t.Errorf("the quota has %d entries of the customer's side", learnt[0])
	}
}

// eachMap: a version where one map differs.
func eachMap(_ *testing.T, r *rig) {
	r.settle()
	for _, name := range []string{"vteps", "budgets", "counters", "circuits", "nic_names", "signals"} {
		was := r.memory()
		r.upgrade(roomier(name), nil)
		r.apply()
		r.keeps(name, was)
		r.expect(name, "eth2", r.unicast(macHost, macVM), "sent")
		r.wantOneGeneration(name)
		was = r.memory()
		r.upgrade(nil, nil)
		r.apply()
		r.keeps(name+", way back", was)
	}
}

// caughtUp: what the old programs do until they are exchanged is not lost.
func caughtUp(t *testing.T, r *rig) {
	r.settle()
	before := r.books().extensions["acme"]
	late := mac(7, 7)
	r.upgrade(roomier(), func(step string) {
		if step == "in place" {
			r.forwards(step, "eth2", r.unicast(late, macVM))
			r.forwards(step, "eth2", r.unicast(macHost, macVM))
		}
	})
	r.apply()
	r.isAt(late, atCustomer)
	after := r.books().extensions["acme"]
	if got := after.ToCloud.Tx.Frames - before.ToCloud.Tx.Frames; got != 2 {
		t.Errorf("%d frames of the two were counted", got)
	}
	if after.Customer != before.Customer+1 {
		t.Errorf("%d MACs at the customer, were %d, and one more was learnt", after.Customer, before.Customer)
	}
	r.upgrade(nil, func(step string) {
		if step == "in place" {
			hold := abi.AdminAdmin{Act: abi.AdminAdminActADMIN_HOLD, Slot: r.plane.slots.byName["acme"], Hold: holdHalfRaised, Since: 3, Until: 1 << 62}
			own := r.plane.objects.programs
			old, err := r.oldHold(hold)
			r.must(errors.Join(err, r.plane.succession.old.maps["states"].Put(hold.Slot, old)))
			r.plane.objects.programs = own
		}
	})
	r.apply()
	if s := r.memory().state; s.HalfRaisedUntil != 1<<62 || s.Level != 3 {
		t.Errorf("what was held at last is lost: %+v", s)
	}
	r.must(r.plane.LetDown("acme"))
}

// oldHold is the old state with a hold.
func (r *rig) oldHold(a abi.AdminAdmin) (abi.TcExtensionState, error) {
	var s abi.TcExtensionState
	err := r.plane.succession.old.maps["states"].Lookup(a.Slot, &s)
	s.HalfRaisedUntil, s.Level = a.Until, uint32(a.Since)
	return s, err
}

var errKilled = errors.New("killed")

// killAt opens another version and dies at a step of its first Apply, or of Open.
func (r *rig) killAt(alter func([]*ebpf.CollectionSpec), step string) {
	r.t.Helper()
	defer func() {
		if why := recover(); why != errKilled {
			r.t.Fatalf("it did not die at %s: %v", step, why)
		}
		r.must(r.plane.Close())
	}()
	die := func(at string) {
		if at == step {
			panic(errKilled)
		}
	}
	gateway := r.plane.pins.gateway
	r.must(r.plane.Close())
	plane, err := openForTest(Options{Gateway: gateway, alter: alter, step: die}, &r.plane)
	r.must(err)
	r.must(plane.Apply(r.desired))
}

// openForTest is Open; the plane is known also when it dies.
func openForTest(o Options, known **Plane) (*Plane, error) {
	p, err := openPins(o)
	if err != nil {
		return nil, err
	}
	*known = &Plane{pins: p, alter: o.alter, step: o.step, links: map[string]attachment{}}
	return *known, (*known).load()
}

// stepsOf lists the steps of an upgrade, which it makes.
func (r *rig) stepsOf(alter func([]*ebpf.CollectionSpec)) []string {
	r.t.Helper()
	var steps []string
	r.upgrade(alter, func(step string) { steps = append(steps, step) })
	r.apply()
	if len(steps) < 10 {
		r.t.Fatalf("an upgrade has the steps %v only", steps)
	}
	return steps
}

// crashAtEveryStep: whoever starts next finds everything, and goes on or begins again.
func crashAtEveryStep(t *testing.T, r *rig) {
	r.settle()
	alter := roomier()
	for n, step := range r.stepsOf(alter) {
		if n%2 == 0 { // the way back has the same steps
			alter = nil
		} else {
			alter = roomier()
		}
		was := r.memory()
		r.killAt(alter, step)
		r.forwardsAlone("killed at "+step, r.unicast(macHost, macVM))
		r.upgradeFromDeath(alter)
		r.apply()
		x, old := r.books().extensions["acme"], was.books.extensions["acme"]
		if x.ToCloud.Tx.Frames != old.ToCloud.Tx.Frames+1 {
			t.Errorf("killed at %s: %d frames were counted, want one more than %d", step, x.ToCloud.Tx.Frames, old.ToCloud.Tx.Frames)
		}
		was.books = r.books()
		r.keeps("killed at "+step, was)
		r.expect("killed at "+step, "eth2", r.unicast(macHost, macVM), "sent")
		r.wantOneGeneration("killed at " + step)
	}
	r.backToThisVersion()
}

// forwardsAlone sends a frame while no process is there.
func (r *rig) forwardsAlone(when string, in []byte) {
	r.t.Helper()
	r.plane.objects = &objects{programs: map[string]*ebpf.Program{}}
	r.forwards(when, "eth2", in)
}

func (r *rig) upgradeFromDeath(alter func([]*ebpf.CollectionSpec)) {
	r.t.Helper()
	plane, err := Open(Options{Gateway: r.plane.pins.gateway, alter: alter})
	r.must(err)
	r.plane = plane
}

func (r *rig) backToThisVersion() {
	r.t.Helper()
	r.upgrade(nil, nil)
	r.apply()
	r.wantOneGeneration("this version")
}

// wayBack: a version that dies in the middle is followed by the one before.
func wayBack(t *testing.T, r *rig) {
	r.settle()
	steps := r.stepsOf(roomier())
	r.backToThisVersion()
	for _, step := range steps[slices.Index(steps, "MACs carried"):] {
		was := r.memory()
		r.killAt(roomier(), step)
		r.forwardsAlone("killed at "+step, r.unicast(macHost, macVM))
		r.upgradeFromDeath(nil)
		r.apply()
		was.books = r.books()
		r.keeps("back from "+step, was)
		r.expect("back from "+step, "eth2", r.unicast(macHost, macVM), "sent")
		r.wantOneGeneration("back from " + step)
	}
}

// failedSuccession: when programs cannot be exchanged the old ones go on, and the next attempt does it.
func failedSuccession(t *testing.T, r *rig) {
	r.settle()
	was := r.memory()
	r.upgrade(roomier(), nil)
	good := r.desired
	bad := *good
	bad.NICs = append(slices.Clone(bad.NICs), state.NIC{Name: "none", Ifindex: 1 << 20, MTU: 1500})
	if err := r.plane.Apply(&bad); err == nil {
		t.Fatal("a NIC that is not there was attached to")
	}
	r.forwards("after the failure", "eth2", r.unicast(macHost, macVM))
	r.apply()
	was.books = r.books()
	r.keeps("after the second attempt", was)
	r.expect("after the second attempt", "eth2", r.unicast(macHost, macVM), "sent")
	r.wantOneGeneration("after the second attempt")
	r.backToThisVersion()
}

// foreignLayout: entries of a table whose fields lie elsewhere and are wider, with one more and one less.
func foreignLayout(t *testing.T, r *rig) {
	r.settle()
	was := r.memory()
	spec := allMaps(t)["fdb"]
	foreign := spec.Copy()
	foreign.Value = foreignEntry(t, spec.Value)
	size, err := btf.Sizeof(foreign.Value)
	r.must(err)
	foreign.ValueSize = uint32(size)
	m, err := ebpf.NewMap(foreign)
	r.must(err)
	to, ok := translate(layoutOf(spec.Value, spec.ValueSize), layoutOf(foreign.Value, foreign.ValueSize))
	if !ok {
		t.Fatal("no translation")
	}
	r.must(eachRaw(r.plane.mapNamed("fdb"), 100, func(k, v []byte) error { return m.Put(k, to.value(v)) }))
	r.pinInstead("fdb", m)
	r.upgrade(nil, nil)
	r.apply()
	for key, e := range was.entries {
		e.Freezes = 0 // the foreign version knows nothing of it
		was.entries[key] = e
	}
	r.keeps("from a foreign layout", was)
	r.wantOneGeneration("from a foreign layout")
}

// pinInstead puts a map in the place of one of this version.
func (r *rig) pinInstead(name string, m *ebpf.Map) {
	r.t.Helper()
	path := r.plane.pins.mapPath(name)
	r.must(os.Remove(path))
	r.must(errors.Join(m.Pin(path), m.Close()))
}

// foreignEntry is an entry with its fields in the opposite order, a wider place, one field more and one less.
func foreignEntry(t *testing.T, value btf.Type) btf.Type {
	t.Helper()
	entry := btf.Copy(value).(*btf.Struct)
	wide := &btf.Int{Name: "unsigned long long", Size: 8}
	members := []btf.Member{entry.Members[0]} // the timer
	offset := btf.Bits(16 * 8)
	add := func(name string, of btf.Type) {
		size, err := btf.Sizeof(of)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, btf.Member{Name: name, Type: of, Offset: offset})
		offset += btf.Bits((size + 7) / 8 * 64)
	}
	add("extra", wide)
	for _, m := range slices.Backward(entry.Members[1:]) {
		switch m.Name {
		case "freezes":
		case "place":
			add(m.Name, wide)
		default:
			add(m.Name, m.Type)
		}
	}
	entry.Members, entry.Size = members, uint32(offset/8)
	return entry
}

// otherReasons: a version that counts by other numbers.
func otherReasons(t *testing.T, r *rig) {
	r.settle()
	swapped := alterMaps(func(name string, m *ebpf.MapSpec) {
		if name != "formats" {
			return
		}
		m.Value = btf.Copy(m.Value)
		for _, member := range m.Value.(*btf.Struct).Members {
			if enum, ok := btf.UnderlyingType(member.Type).(*btf.Enum); ok && member.Name == "reason" {
				for i, v := range enum.Values {
					switch v.Name {
					case "DROP_MALFORMED":
						enum.Values[i].Name = "DROP_INNER_VLAN"
					case "DROP_INNER_VLAN":
						enum.Values[i].Name = "DROP_MALFORMED"
					}
				}
			}
		}
	})
	r.expect("an inner tag", "eth2", r.onCircuit(ethernet(l2.Broadcast, macHost, append(frame.Tags(l2.SingleTag(7), 0), frame.Raw(make([]byte, 46)))...)), "inner-vlan")
	was := r.books().extensions["acme"].ToCloud.Drops
	r.upgrade(swapped, nil)
	r.apply()
	is := r.books().extensions["acme"].ToCloud.Drops
	if is["malformed"] != was["inner-vlan"] || is["inner-vlan"] != was["malformed"] {
		t.Errorf("drops %v, were %v before two reasons changed places", is, was)
	}
	r.backToThisVersion()
	if back := r.books().extensions["acme"].ToCloud.Drops; !maps.Equal(back, was) {
		t.Errorf("drops %v after the way back, were %v", back, was)
	}
}

// lostNames: when names cannot be carried over, nothing that their numbers stand for is believed.
func lostNames(t *testing.T, r *rig) {
	r.settle()
	spec := allMaps(t)["names"].Copy()
	spec.KeySize, spec.Key = 48, nil
	m, err := ebpf.NewMap(spec)
	r.must(err)
	r.pinInstead("names", m)
	r.upgrade(nil, nil)
	r.forwards("without names", "eth2", r.unicast(macHost, macVM))
	r.apply()
	if r.isLearnt(macHost) {
		t.Error("a MAC is still there whose extension is not known")
	}
	r.isAt(mac(9, 1), atA)
	r.says(macHost)
	r.wantOneGeneration("without names")
}

// flowsOfAnother: a gateway's record that is made anew counts its changes anew; flows of the old count must not be there.
func flowsOfAnother(_ *testing.T, r *rig) {
	r.settle()
	id := func() ebpf.MapID {
		info, err := r.plane.mapNamed("recent_flows").Info()
		r.must(err)
		id, _ := info.ID()
		return id
	}
	before := id()
	r.upgrade(nil, nil)
	r.apply()
	if id() != before {
		r.t.Error("the same layout has another table of recent flows")
	}
	r.upgrade(roomier("nics"), nil)
	r.apply()
	if id() == before {
		r.t.Error("another gateway's record has the same table of recent flows")
	}
	r.backToThisVersion()
}

// renamedMap: its content is not found, and all goes on.
func renamedMap(_ *testing.T, r *rig) {
	r.settle()
	for _, name := range []string{"circuits", "nics", "segments"} { // the version before called them otherwise
		r.must(os.Rename(r.plane.pins.mapPath(name), r.plane.pins.mapPath(strings.ToUpper(name))))
	}
	was := r.memory()
	r.upgrade(nil, nil)
	r.forwards("before Apply", "eth2", r.unicast(macHost, macVM))
	r.apply()
	was.books = r.books()
	r.keeps("renamed in this version", was)
	r.expect("renamed in this version", "eth2", r.unicast(macHost, macVM), "sent")
	r.wantOneGeneration("renamed in this version")
	r.upgrade(func(all []*ebpf.CollectionSpec) { // the next one will
		for _, c := range all {
			renameMap(c, "recent_flows", "recent")
			renameMap(c, "passages", "ways")
		}
	}, nil)
	r.apply()
	r.expect("renamed in the next", "eth2", r.unicast(macHost, macVM), "sent")
	r.wantOneGeneration("renamed in the next")
	r.backToThisVersion()
}

func renameMap(c *ebpf.CollectionSpec, from, to string) {
	m := c.Maps[from]
	if m == nil {
		return
	}
	delete(c.Maps, from)
	c.Maps[to] = m
	for _, p := range c.Programs {
		for i, ins := range p.Instructions {
			if ins.Reference() == from {
				p.Instructions[i] = ins.WithReference(to)
			}
		}
	}
}

func TestLayout(t *testing.T) {
	u := func(size uint32) btf.Type { return &btf.Int{Name: fmt.Sprint("u", 8*size), Size: size} }
	old := &btf.Struct{Name: "s", Size: 16, Members: []btf.Member{
		{Name: "a", Type: u(4)}, {Name: "gone", Type: u(4), Offset: 32},
		{Name: "list", Type: &btf.Array{Type: u(2), Nelems: 4}, Offset: 64},
	}}
	now := &btf.Struct{Name: "s", Size: 16, Members: []btf.Member{
		{Name: "list", Type: &btf.Array{Type: u(2), Nelems: 2}},
		{Name: "come", Type: u(4), Offset: 32}, {Name: "a", Type: u(8), Offset: 64},
	}}
	from, to := layoutOf(old, 16), layoutOf(now, 16)
	if from.same(to) || !from.same(layoutOf(btf.Copy(old), 16)) {
		t.Error("layouts are compared wrongly")
	}
	tr, ok := translate(from, to, "a")
	if !ok || tr.lossless(from) {
		t.Fatalf("translation %v, lossless %v", ok, tr.lossless(from))
	}
	got := tr.value([]byte{1, 2, 3, 4, 9, 9, 9, 9, 5, 6, 7, 8, 9, 9, 9, 9})
	if want := []byte{5, 6, 7, 8, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("translated to %v, want %v", got, want)
	}
	if _, ok := translate(from, to, "come"); ok {
		t.Error("a value without what it needs was translated")
	}
	if _, ok := translate(layout{size: 16}, to); !ok {
		t.Error("values of the same size and an unknown layout are not carried over")
	}
	if _, ok := translate(layout{size: 12}, to); ok {
		t.Error("values of another size and an unknown layout are carried over")
	}
}
