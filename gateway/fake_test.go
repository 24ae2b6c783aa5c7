// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/config"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

var errInjected = errors.New("injected fault")

// crash is what a step panics with where a daemon would die.
type crash struct{}

// steps counts everything that changes host or kernel, and fails or crashes at one of them.
type steps struct {
	count   int
	failAt  int // 0: never
	crashAt int // 0: never
	journal []string
}

func (s *steps) step(format string, args ...any) error {
	s.count++
	s.journal = append(s.journal, fmt.Sprintf(format, args...))
	switch s.count {
	case s.failAt:
		return errInjected
	case s.crashAt:
		panic(crash{})
	}
	return nil
}

// fakeHost is a machine in memory.
type fakeHost struct {
	*steps
	links   map[string]Link
	roles   map[string]Role // as Prepare was last asked for
	fit     map[string]bool // NICs that Prepare was done on, by name and ifindex
	refuse  map[string]string
	tunnels map[uint16]int
	nextIdx int
	peers   []netip.Addr
	hops    []NextHop
	lost    map[string]uint64
	chains  []string // that drop
}

func newFakeHost(s *steps) *fakeHost {
	h := &fakeHost{steps: s, links: map[string]Link{}, roles: map[string]Role{}, fit: map[string]bool{}, refuse: map[string]string{}, tunnels: map[uint16]int{}, nextIdx: 100}
	h.add(Link{Name: "lo", Ifindex: 1, Kind: "loopback", AdminUp: true, Carrier: true, Addrs: prefixes("127.0.0.1/8")})
	h.add(veth("eth1", 2, "192.0.2.10/24"))
	h.add(veth("eth2", 3))
	return h
}

func (h *fakeHost) add(l Link)         { h.links[l.Name] = l }
func (h *fakeHost) remove(name string) { delete(h.links, name) }

func (h *fakeHost) change(name string, f func(*Link)) {
	l := h.links[name]
	f(&l)
	h.links[name] = l
}

func (h *fakeHost) key(nic string) string { return fmt.Sprint(nic, "#", h.links[nic].Ifindex) }

func (h *fakeHost) Links() (map[string]Link, error) { return maps.Clone(h.links), nil }

func (h *fakeHost) Survey(nic string, role Role, _ state.Engine) (Saved, error) {
	if _, found := h.links[nic]; !found {
		return nil, errors.New("no such link")
	}
	if why := h.refuse[nic]; why != "" {
		return nil, errors.New(why)
	}
	if h.fit[h.key(nic)] || role == Underlay {
		return nil, nil
	}
	return Saved{{Device: nic, Name: "promisc", Was: 0}}, nil
}

func (h *fakeHost) Prepare(nic string, role Role, _ state.Engine) error {
	if err := h.step("prepare %s as %s", nic, role); err != nil {
		return err
	}
	h.fit[h.key(nic)] = true
	h.roles[nic] = role
	return nil
}

func (h *fakeHost) SetUp(nic string, _ Role, _ state.Engine) error {
	if err := h.step("set up %s", nic); err != nil {
		return err
	}
	h.change(nic, func(l *Link) { l.AdminUp, l.Carrier = true, true })
	return nil
}

func (h *fakeHost) Restore(nic string, saved Saved) error {
	if err := h.step("restore %s", nic); err != nil {
		return err
	}
	delete(h.fit, h.key(nic))
	return nil
}

func (h *fakeHost) Release(nic string, saved Saved) error {
	if err := h.step("release %s", nic); err != nil {
		return err
	}
	delete(h.fit, h.key(nic))
	return nil
}

func (h *fakeHost) EnsureTunnel(port uint16, _ bool) (int, error) {
	if idx, found := h.tunnels[port]; found {
		return idx, nil
	}
	if err := h.step("make tunnel %d", port); err != nil {
		return 0, err
	}
	h.nextIdx++
	h.tunnels[port] = h.nextIdx
	h.add(Link{Name: fmt.Sprint("db", port), Ifindex: h.nextIdx, Kind: "vxlan", AdminUp: true, Carrier: true})
	return h.nextIdx, nil
}

func (h *fakeHost) RemoveTunnel(port uint16) error {
	if err := h.step("remove tunnel %d", port); err != nil {
		return err
	}
	delete(h.tunnels, port)
	h.remove(fmt.Sprint("db", port))
	return nil
}

func (h *fakeHost) SyncNeighbours(peers []netip.Addr, _ netip.Addr, _ []int) error {
	h.peers = peers
	return nil
}

func (h *fakeHost) DropNeighbours(nic string) error { return nil }

func (h *fakeHost) Lost(nic string) (uint64, error) { return h.lost[nic], nil }

func (h *fakeHost) DroppingChains() []string { return h.chains }

func (h *fakeHost) NextHops([]netip.Addr, netip.Addr, []int) ([]NextHop, error) { return h.hops, nil }

// memPlane is a kernel in memory.
type memPlane struct {
	*steps
	now     *state.Desired
	missing []string
	reading state.Reading
	macs    []state.MACEntry

	mu          sync.Mutex // guards holds: Status reads them too
	holds       map[l2.Name]state.Hold
	probes      map[l2.Name]int
	nonces      map[uint64]bool
	storms      map[l2.Name][2]time.Time // since and until of the last SetMACStorm
	recorded    []state.RecordedFrame
	refuseMAC   error // what SetMACStorm fails with
	refuseProbe error
	named       func(slot uint32) (l2.Name, bool) // nil: slot 7 is acme
	traces      chan struct{}                     // one for each trace that begins
}

func newMemPlane(s *steps) *memPlane {
	return &memPlane{
		steps: s, holds: map[l2.Name]state.Hold{}, probes: map[l2.Name]int{}, nonces: map[uint64]bool{},
		storms: map[l2.Name][2]time.Time{},
	}
}

func (p *memPlane) Apply(d *state.Desired) error {
	if err := p.step("apply"); err != nil {
		return err
	}
	copied := *d
	p.now = &copied
	return nil
}

func (p *memPlane) Check() ([]string, error) {
	repaired := p.missing
	p.missing = nil
	return repaired, nil
}

func (p *memPlane) Read() (state.Reading, error)                                { return p.reading, nil }
func (p *memPlane) EachMAC(_ l2.Name, visit func([]state.MACEntry) error) error { return visit(p.macs) }

func (p *memPlane) Raised() (names []l2.Name, err error) {
	for i := range p.now.Extensions {
		if x := &p.now.Extensions[i]; x.Raised {
			names = append(names, x.Name)
		}
	}
	return names, nil
}

func (p *memPlane) Extension(slot uint32) (name l2.Name, ok bool) {
	if p.named != nil {
		return p.named(slot)
	}
	return "acme", slot == 7
}

func (p *memPlane) Probe(ext l2.Name, nonce uint64) error {
	if p.refuseProbe != nil {
		return p.refuseProbe
	}
	p.probes[ext]++
	p.nonces[nonce] = true
	return nil
}

func (p *memPlane) Holds() (map[l2.Name]state.Hold, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.holds), nil
}

// hold sets a deadline as the data path does.
func (p *memPlane) hold(ext l2.Name, change func(*state.Hold)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.holds[ext]
	change(&h)
	p.holds[ext] = h
}

func (p *memPlane) SetMACStorm(ext l2.Name, _ state.Ways, since, until time.Time) error {
	if p.refuseMAC != nil {
		return p.refuseMAC
	}
	p.storms[ext] = [2]time.Time{since, until}
	p.hold(ext, func(h *state.Hold) { h.MACStormUntil = until })
	return nil
}

func (p *memPlane) LetDown(ext l2.Name) error {
	if err := p.step("let down %s", ext); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.holds, ext)
	return nil
}

func (p *memPlane) Recorded(l2.Name) ([]state.RecordedFrame, error) { return p.recorded, nil }

// clock is a time that only tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

// source is a configuration that tests replace.
type source struct {
	cfg  *config.Config
	text string
	err  error
}

func (s *source) Load() (*config.Config, []byte, error) { return s.cfg, []byte(s.text), s.err }

// rig is a gateway with everything around it in memory, but for the state directory.
type rig struct {
	t     testing.TB
	dir   string
	host  *fakeHost
	plane *memPlane
	src   *source
	edit  Source // nil: src
	clock *clock
	steps *steps
	gw    *Gateway

	bootID, namespace string
	realTime          bool
}

func newRig(t testing.TB, c *config.Config) *rig {
	t.Helper()
	s := &steps{}
	return &rig{
		t: t, dir: t.TempDir(), steps: s,
		host: newFakeHost(s), plane: newMemPlane(s),
		src:    &source{cfg: c, text: "the file\n"},
		bootID: "boot-1", namespace: "net:[1]",
		clock: &clock{t: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)},
	}
}

// boot makes a daemon's gateway, as at its start.
func (r *rig) boot() *Gateway {
	r.t.Helper()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	now := r.clock.now
	if r.realTime {
		now = time.Now
	}
	store, err := OpenStore(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	log, err := OpenLog(store, logger, now)
	if err != nil {
		r.t.Fatal(err)
	}
	var from Source = r.src
	if r.edit != nil {
		from = r.edit
	}
	gw, err := New(Options{
		Plane: r.plane, Host: r.host, Store: store, Log: log, Source: from, Logger: logger,
		Now: now, Name: "gw-a", Boot: r.bootID, Namespace: r.namespace, Version: "test", Adopted: r.plane.now != nil,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.gw = gw
	return gw
}

// start boots and starts.
func (r *rig) start() *Gateway {
	r.t.Helper()
	if err := r.boot().Start(r.src.cfg, []byte(r.src.text)); err != nil {
		r.t.Fatal(err)
	}
	return r.gw
}

// tick lets half a second pass.
func (r *rig) tick() {
	r.clock.t = r.clock.t.Add(500 * time.Millisecond)
	r.gw.handle(event.Tick{Now: r.clock.t})
}

// bridge returns what status says of an extension.
func (r *rig) bridge(ext string) state.ExtensionStatus {
	r.t.Helper()
	st, err := r.gw.Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range st.Extensions {
		if string(e.Name) == ext {
			return e
		}
	}
	r.t.Fatalf("status has no extension %s", ext)
	return state.ExtensionStatus{}
}

// wantBridge checks an extension's state and a part of its reason.
func (r *rig) wantBridge(ext string, want state.Bridge, reason string) {
	r.t.Helper()
	got := r.bridge(ext)
	if got.Bridge != want || got.Reason != reason {
		r.t.Errorf("%s is %s (%q), want %s (%q)", ext, got.Bridge, got.Reason, want, reason)
	}
}

// kinds lists the log's records after seq as "kind extension".
func (r *rig) kinds(since uint64) []string {
	var out []string
	for _, rec := range r.gw.Log().Since(since) {
		out = append(out, string(rec.Kind)+" "+rec.Extension)
	}
	return out
}

func (r *rig) lastSeq() uint64 {
	all := r.gw.Log().Since(0)
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Seq
}

// running runs the loop until the test ends, for calls that go through it.
func (r *rig) onLoop(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	for {
		select {
		case err := <-done:
			return err
		case q := <-r.gw.requests:
			q.done <- q.do()
		}
	}
}

func prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func addrs(s ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func veth(name string, ifindex int, addrs ...string) Link {
	return Link{
		Name: name, Ifindex: ifindex, MAC: l2.MAC{2, 0, 0, 0, 0, byte(ifindex)}, MTU: 1500,
		Kind: "veth", Driver: "veth", AdminUp: true, Carrier: true, Addrs: prefixes(addrs...),
	}
}

func nic(name string, ifindex int, driver string, addrs ...string) Link {
	l := veth(name, ifindex, addrs...)
	l.Kind, l.Driver, l.NativeXDP = "device", driver, true
	return l
}

func vlan(s string) l2.VLAN {
	v, err := l2.ParseVLAN(s)
	if err != nil {
		panic(err)
	}
	return v
}

// ext is an extension with the defaults that config gives it.
func ext(name, nic, tag string, vni uint32, peers ...string) config.Extension {
	return config.Extension{
		Name:       l2.Name(name),
		Attachment: config.Attachment{Interface: nic, VLAN: vlan(tag)},
		Overlay:    config.Overlay{Encapsulation: "vxlan", VNI: l2.VNI(vni), Peers: addrs(peers...)},
		Guard:      config.DefaultGuard(config.Stretched),
	}
}

func gatewayConfig(exts ...config.Extension) *config.Config {
	slices.SortFunc(exts, func(a, b config.Extension) int { return len(a.Name) - len(b.Name) })
	return &config.Config{
		Gateway: config.Gateway{
			Name: "gw-a", Engine: "auto", State: "/var/lib/drawbridge",
			Underlay: config.Underlay{Interfaces: []string{"eth1"}, Port: 4789},
		},
		Extensions: exts,
	}
}

func acme() config.Extension { return ext("acme", "eth2", "2301", 10100, "192.0.2.20") }
