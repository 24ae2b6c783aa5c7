// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// How FuzzFrames brings its bytes in.
const (
	bareFromCustomer = iota
	onTheCircuit
	bareFromCloud
	inTheTunnel
	entrances
)

// Whatever the bytes: the verdict is one of three, every frame has exactly one end in the counters, both
// engines judge alike, and nothing leaves towards the side it came from or changed.
func FuzzFrames(f *testing.F) {
	r := newRig(f, state.EngineTC, false)
	r.change(func(x *state.Extension, d *state.Desired) {
		x.Inner = state.InnerVLANs{Allowed: []l2.VID{10}}
		x.MACLimit = 64
		x.Static = []state.StaticMAC{{MAC: macHost, Side: l2.Customer}, {MAC: macVM, Side: l2.Cloud, VTEP: peerA}}
	})
	for _, in := range seeds(r) {
		for entrance := range byte(entrances) {
			f.Add(entrance, in)
		}
	}
	f.Fuzz(func(t *testing.T, entrance byte, in []byte) {
		if len(in) < 14 || len(in) > 1600 {
			return
		}
		defer r.visit(t)()
		nic, wired := "eth2", in
		switch entrance % entrances {
		case onTheCircuit:
			wired = r.onCircuit(in)
		case bareFromCloud:
			nic = "eth1"
		case inTheTunnel:
			nic, wired = "eth1", packet{inner: in}.bytes(r)
		}
		fuzzOne(t, r, nic, wired)
	})
}

func seeds(r *rig) [][]byte {
	list := [][]byte{
		opaque, swapped(opaque), packet{}.bytes(r), raw(opaque, 0x8100, 2301), raw(opaque, 0x8100, 10), raw(opaque, 0x88a8, 1, 0x8100, 2),
		ethernet(macVM, macHost, udp(20)...), ethernet(macHost, macVM, udp(20)...), ethernet(macVM, macHost, arpRequest(macHost)),
		ethernet(l2.Broadcast, mac(1, 1), arpRequest(mac(1, 1))), typed(0x88cc, make([]byte, 46)), typed(46, make([]byte, 46)),
		ethernet(macVM, macHost, frame.SNAP{}, arpRequest(macHost)), chain(repeated(options, 3, echo6...)...),
		chain(frame.Fragment{More: true}, frame.ICMPv6{Type: frame.NeighborSolicit}), ethernet(macVM, macVM, udp(1)...),
		ethernet(macVM, macHost, frame.IPv4{Src: ipHost, Dst: ipVM}, frame.TCP{Options: frame.MSS(1460)}), opaque[:14],
	}
	for _, bit := range []int{14 * 8, 20 * 8, 42 * 8, 46 * 8} {
		in := packet{}.bytes(r)
		in[bit/8] ^= 1
		list = append(list, in)
	}
	return list
}

// visit takes the calling goroutine into the rig's namespace until the function that it returns is called.
func (r *rig) visit(t *testing.T) (leave func()) {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Setns(r.ns, unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	outer := r.t
	r.t = t
	return func() {
		r.t = outer
		if err := errors.Join(unix.Setns(home, unix.CLONE_NEWNET), unix.Close(home)); err == nil {
			runtime.UnlockOSThread()
		}
	}
}

func fuzzOne(t *testing.T, r *rig, nic string, in []byte) {
	t.Helper()
	what := map[state.Engine]string{}
	for _, e := range []state.Engine{state.EngineXDP, state.EngineTC} {
		if e == state.EngineTC && tooShortForSocketBuffer(in) {
			continue
		}
		r.engine = e
		f := r.fate(nic, in)
		what[e] = f.what
		if f.verdict == "redirect" {
			checkLeaving(t, r, nic, in, f.out)
		}
	}
	if tc, ok := what[state.EngineTC]; ok && tc != what[state.EngineXDP] {
		t.Errorf("engine tc: %s, engine xdp: %s", tc, what[state.EngineXDP])
	}
}

// tooShortForSocketBuffer: a test run refuses IP types with less than an IP header, and nothing behind 14 bytes.
func tooShortForSocketBuffer(in []byte) bool {
	kind := int(in[12])<<8 | int(in[13])
	return kind == frame.TypeIPv4 && len(in) < 34 || kind == frame.TypeIPv6 && len(in) < 54
}

func checkLeaving(t *testing.T, r *rig, nic string, in, out []byte) {
	t.Helper()
	inner := in
	if nic == "eth1" {
		p, err := frame.ParseVXLAN(in)
		if err != nil {
			t.Errorf("no tunnel packet was decapsulated: %v", err)
			return
		}
		inner = p.Inner
	}
	place := r.place(l2.MAC(inner[:6]))
	if nic == "eth1" {
		if place.Side == l2.Cloud {
			t.Errorf("a frame for %s at %v came from the cloud and was sent", l2.MAC(inner[:6]), place)
		}
		if bytes.Equal(out[:12], in[:12]) && !bytes.Equal(inner[:12], in[:12]) {
			t.Error("the packet left as it came")
		}
		return
	}
	if place.Side == l2.Customer {
		t.Errorf("a frame for %s at the customer came from there and was sent", l2.MAC(inner[:6]))
	}
	if r.engine == state.EngineTC && frame.IsTag(uint16(inner[16])<<8|uint16(inner[17])) {
		return // leaves by the tunnel device, which puts the headers on after the test run
	}
	p, err := frame.ParseVXLAN(out)
	if err != nil || p.Src != vtepLocal || p.Dst != peerA || p.VXLAN.VNI != 10100 || p.Outer.Ethernet.Src != r.mac("eth1") {
		t.Errorf("what left is no packet of ours: %+v, %v", p, err)
		return
	}
	if want := append(inner[:12:12], inner[16:]...); !bytes.Equal(p.Inner, want) {
		t.Errorf("inner frame\n% x\nwant\n% x", p.Inner, want)
	}
}
