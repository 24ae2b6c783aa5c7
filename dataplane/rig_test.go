// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// The rig is a network namespace without a name: it ends with its thread. Frames go through the real
// programs by BPF_PROG_TEST_RUN; nothing is sent.
//
//	customer eth2 ─ programs ─ eth1 192.0.2.10 / 2001:db8::10 ─ peers .20, .21 (neighbours are permanent)
type rig struct {
	t       testing.TB
	plane   *Plane
	desired *state.Desired
	first   *state.Desired
	engine  state.Engine
	eth     map[string]netlink.Link
	ns      int // the namespace, for threads other than the first
	close   func() error
}

var (
	vtepLocal = netip.MustParseAddr("192.0.2.10")
	peerA     = netip.MustParseAddr("192.0.2.20")
	peerB     = netip.MustParseAddr("192.0.2.21")
	stranger  = netip.MustParseAddr("192.0.2.66")
	vtep6     = netip.MustParseAddr("2001:db8::10")
	peerA6    = netip.MustParseAddr("2001:db8::20")
	peerB6    = netip.MustParseAddr("2001:db8::21")

	macPeerA = l2.MAC{2, 0, 0, 0, 0xaa, 0x20}
	macPeerB = l2.MAC{2, 0, 0, 0, 0xaa, 0x21}
	macHost  = l2.MAC{2, 0, 0, 0, 0, 1}
	macVM    = l2.MAC{2, 0, 0, 0, 1, 1}
)

var rigs atomic.Int32

func engines(t *testing.T, test func(t *testing.T, r *rig)) {
	for _, e := range []state.Engine{state.EngineTC, state.EngineXDP} {
		t.Run(e.String(), func(t *testing.T) { test(t, newRig(t, e, false)) })
	}
}

// newRig makes a rig that ends with the test.
func newRig(t testing.TB, engine state.Engine, v6 bool) *rig {
	t.Helper()
	r := makeRig(t, engine, v6)
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	r.apply()
	return r
}

func makeRig(t testing.TB, engine state.Engine, v6 bool) *rig {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test loads BPF programs: run it as root")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("make network namespace: %v", err)
	}
	ns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open network namespace: %v", err)
	}
	r := &rig{t: t, engine: engine, eth: map[string]netlink.Link{}, ns: ns}
	for _, name := range []string{"eth1", "eth2", "eth3"} {
		r.addVeth(name)
	}
	r.addAddresses()
	tunnel := r.addTunnel()
	r.desired = r.defaultDesired(tunnel, v6)
	r.first = r.desired
	o := Options{Gateway: l2.Name(fmt.Sprintf("dbr%d-%d", os.Getpid(), rigs.Add(1)))}
	plane, err := Open(o)
	if err != nil {
		t.Fatal(errors.Join(err, Uninstall(o)))
	}
	r.plane = plane
	r.close = func() error { return errors.Join(r.plane.Close(), Uninstall(o), unix.Close(r.ns)) }
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) addVeth(name string) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, 1600
	r.must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name + "p"}))
	for _, n := range []string{name, name + "p"} {
		l, err := netlink.LinkByName(n)
		r.must(err)
		if n != "eth1" { // or the kernel's own multicast would be counted
			r.must(os.WriteFile("/proc/sys/net/ipv6/conf/"+n+"/disable_ipv6", []byte("1"), 0))
		}
		r.must(netlink.LinkSetUp(l))
		r.eth[n] = l
	}
}

func (r *rig) addAddresses() {
	for _, a := range []string{"192.0.2.10/24", "2001:db8::10/64"} {
		addr, err := netlink.ParseAddr(a)
		r.must(err)
		addr.Flags = unix.IFA_F_NODAD
		r.must(netlink.AddrAdd(r.eth["eth1"], addr))
	}
	for ip, mac := range map[netip.Addr]l2.MAC{peerA: macPeerA, peerB: macPeerB, peerA6: macPeerA, peerB6: macPeerB} {
		r.must(netlink.NeighSet(&netlink.Neigh{
			LinkIndex: r.eth["eth1"].Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.IP(ip.AsSlice()), HardwareAddr: mac[:],
		}))
	}
}

func (r *rig) addTunnel() int {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "tun0"
	r.must(netlink.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, FlowBased: true, Port: 4789, PortLow: 49152, PortHigh: 65535}))
	l, err := netlink.LinkByName("tun0")
	r.must(err)
	r.must(netlink.LinkSetUp(l))
	for _, family := range []string{"ipv4", "ipv6"} { // as host.EnsureTunnelDevice does
		r.must(os.WriteFile("/proc/sys/net/"+family+"/conf/tun0/forwarding", []byte("1"), 0))
	}
	return l.Attrs().Index
}

func (r *rig) mac(name string) l2.MAC { return l2.MAC(r.eth[name].Attrs().HardwareAddr) }

func (r *rig) defaultDesired(tunnel int, v6 bool) *state.Desired {
	d := &state.Desired{
		Gateway: "gw",
		Engine:  r.engine,
		Underlay: state.Underlay{
			Uplinks: []state.Uplink{{Name: "eth1", Ifindex: r.eth["eth1"].Attrs().Index, MAC: r.mac("eth1")}},
			VTEP:    vtepLocal, Port: 4789, MTU: 1600, TunnelIfindex: tunnel,
		},
		NICs: []state.NIC{{Name: "eth2", Ifindex: r.eth["eth2"].Attrs().Index, MAC: r.mac("eth2"), MTU: 1500}},
	}
	peers := []netip.Addr{peerA}
	if v6 {
		d.Underlay.VTEP = vtep6
		peers = []netip.Addr{peerA6}
	}
	d.Extensions = []state.Extension{{
		Name: "acme", NIC: "eth2", VLAN: l2.SingleTag(2301), VNI: 10100, Peers: peers, MACLimit: 1024, MACAge: 300 * time.Second,
	}}
	return d
}

func (r *rig) apply() {
	r.t.Helper()
	r.must(r.plane.Apply(r.desired))
}

// extension changes the first extension and applies.
func (r *rig) change(f func(x *state.Extension, d *state.Desired)) {
	r.t.Helper()
	d := *r.desired
	d.Extensions = append([]state.Extension(nil), d.Extensions...)
	d.NICs = append([]state.NIC(nil), d.NICs...)
	f(&d.Extensions[0], &d)
	r.desired = &d
	r.apply()
}

// outcome is what a program did with a frame.
type outcome struct {
	verdict string // drop, pass or redirect
	out     []byte
}

// gso makes a frame a super-frame.
type gso struct{ size, segs uint32 }

func (r *rig) run(program, nic string, in []byte, super gso) outcome {
	r.t.Helper()
	o := ebpf.RunOptions{Data: in, DataOut: make([]byte, 16384)}
	ifindex := uint32(r.eth[nic].Attrs().Index)
	if r.engine == state.EngineXDP {
		o.Context = xdpContext{DataEnd: uint32(len(in)), IngressIfindex: ifindex}
		o.ContextOut = new(xdpContext)
	} else {
		c := skbContext{Ifindex: ifindex, GSOSize: super.size, GSOSegs: super.segs}
		o.Context = c
		o.ContextOut = new(skbContext)
	}
	code, err := r.plane.objects.programs[program].Run(&o)
	r.must(err)
	names := map[uint32]string{2: "drop", 7: "redirect", 0xffffffff: "pass"}
	if r.engine == state.EngineXDP {
		names = map[uint32]string{1: "drop", 2: "pass", 4: "redirect"}
	}
	name, ok := names[code]
	if !ok {
		r.t.Fatalf("%s returned %d", program, int32(code))
	}
	return outcome{name, o.DataOut}
}

// fromCustomer and fromCloud send a frame into the program of the rig's engine.
func (r *rig) fromCustomer(in []byte) outcome {
	r.t.Helper()
	return r.run(r.engine.String()+"_customer", "eth2", in, gso{})
}

func (r *rig) fromCloud(in []byte) outcome {
	r.t.Helper()
	return r.run(r.engine.String()+"_underlay", "eth1", in, gso{})
}

// counters reads one extension's counters and checks that nothing is unaccounted for.
func (r *rig) counters(name l2.Name) state.ExtensionReading {
	r.t.Helper()
	reading, err := r.plane.Read()
	r.must(err)
	x := reading.Extensions[name]
	for _, c := range []state.Counters{x.ToCloud, x.ToCustomer} {
		var drops uint64
		for _, n := range c.Drops {
			drops += n
		}
		if c.Rx.Frames != c.Tx.Frames+drops {
			r.t.Errorf("%s: %d received is not %d sent + %d dropped", name, c.Rx.Frames, c.Tx.Frames, drops)
		}
	}
	return x
}

func (r *rig) nic(name string) state.InterfaceReading {
	r.t.Helper()
	reading, err := r.plane.Read()
	r.must(err)
	return reading.Interfaces[name]
}

// tagged is a frame of the default circuit.
func tagged(dst, src l2.MAC, layers ...frame.Layer) []byte {
	return frame.Ethernet{Dst: dst, Src: src}.With(append(frame.Tags(l2.SingleTag(2301), 0), layers...)...).Padded(64).Bytes()
}

// tunnelled is a packet from a VTEP to ours with this inner frame.
func (r *rig) tunnelled(from netip.Addr, inner []byte) []byte {
	e := frame.Ethernet{Dst: r.mac("eth1"), Src: macPeerA}
	udp := frame.UDP{SrcPort: 50000, DstPort: 4789}
	vx := frame.VXLAN{VNI: 10100}
	if from.Is6() {
		return e.With(frame.IPv6{Src: from, Dst: vtep6}, udp, vx, frame.Raw(inner)).Bytes()
	}
	return e.With(frame.IPv4{Src: from, Dst: vtepLocal}, udp, vx, frame.Raw(inner)).Bytes()
}
