// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/state"
)

func TestOuterHeaders(t *testing.T) {
	lightSuite(t, []part{{"ECN", ecn}, {"TOS", tosOutwards}, {"source port", sourcePort}, {"IPv6 checksum", checksum6}})
}

// decapsulated is RFC 6040 §4.2, figure 4: [inner][outer], codepoints as on the wire; -1 drops.
var decapsulated = [4][4]int{
	0: {0, 0, 0, -1}, // Not-ECT
	1: {1, 1, 1, 3},  // ECT(1)
	2: {2, 1, 2, 3},  // ECT(0)
	3: {3, 3, 3, 3},  // CE
}

func ecn(t *testing.T, r *rig) {
	r.statics()
	r.change(func(x *state.Extension, _ *state.Desired) { x.Inner.AllowAll = true })
	for _, outer6 := range []bool{false, true} {
		if outer6 {
			r.overIPv6()
			r.statics()
		}
		for _, inner6 := range []bool{false, true} {
			for _, tagged := range []bool{false, true} {
				for mark := range 16 {
					in, out := mark>>2, mark&3
					ecnCase(t, r, outer6, inner6, tagged, in, out)
				}
			}
		}
	}
}

func ecnCase(t *testing.T, r *rig, outer6, inner6, tagged bool, in, out int) {
	t.Helper()
	const dscp = 0x2e << 2
	tos := func(mark int) uint8 { return uint8(dscp | mark) }
	build := func(mark int) []byte {
		layers := []frame.Layer{frame.IPv4{Src: ipVM, Dst: ipHost, TOS: tos(mark), ID: 0x1234}, frame.UDP{SrcPort: 1, DstPort: 2}, frame.Raw("0123456789")}
		if inner6 {
			layers[0] = frame.IPv6{Src: peerB6, Dst: vtep6, TrafficClass: tos(mark), FlowLabel: 0xabcde}
		}
		if tagged {
			layers = append([]frame.Layer{frame.VLAN{ID: 7}}, layers...)
		}
		return ethernet(macHost, macVM, layers...)
	}
	name := fmt.Sprintf("outer IPv6 %t, inner IPv6 %t, inner tag %t: inner %02b, outer %02b", outer6, inner6, tagged, in, out)
	p := packet{ip: frame.IPv4{TOS: uint8(0x0a<<2 | out)}, ip6: frame.IPv6{TrafficClass: uint8(0x0a<<2 | out)}, inner: build(in)}
	f := r.fate("eth1", p.bytes(r))
	want := decapsulated[in][out]
	if want < 0 {
		if f.verdict != "drop" {
			t.Errorf("%s: %s: RFC 6040 §4.2 drops it", name, f.what)
		}
		return
	}
	if f.what != "sent" {
		t.Errorf("%s: %s", name, f.what)
		return
	}
	wire := build(want)
	if r.engine == state.EngineXDP {
		wire = r.onCircuit(wire)
	}
	if string(f.out) != string(wire) {
		t.Errorf("%s: RFC 6040 §4.2 gives %02b, and the rest as it was\n% x, want\n% x", name, want, f.out, wire)
	}
	if err := frame.Verify(f.out); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// The outer TOS is the inner one, 0 for what is no IP; DF is set, TTL is 64.
func tosOutwards(t *testing.T, r *rig) {
	r.statics()
	check := func(name string, in []byte, tos uint8) {
		t.Helper()
		f := r.expect(name, "eth2", r.onCircuit(in), "sent")
		checkOuter(t, r, f.out, in, tos)
		if p, err := frame.Parse(f.out); err == nil && (p.IPv4.MoreFragments || p.IPv4.FragmentOffset != 0 || p.IPv4.Reserved) {
			t.Errorf("%s: outer %+v", name, p.IPv4)
		}
	}
	for tos := range 256 {
		check(fmt.Sprintf("IPv4 with TOS %#02x", tos), ethernet(macVM, macHost, frame.IPv4{Src: ipHost, Dst: ipVM, TOS: uint8(tos)}, frame.UDP{}), uint8(tos))
		check(fmt.Sprintf("IPv6 with traffic class %#02x", tos), ethernet(macVM, macHost, frame.IPv6{Src: vtep6, Dst: peerA6, TrafficClass: uint8(tos)}, frame.UDP{}), uint8(tos))
	}
	check("ARP", ethernet(macVM, macHost, arpRequest(macHost)), 0)
	check("opaque", opaque, 0)
	for size := 14; size < 80; size++ {
		in := ethernet(macVM, macHost, frame.Raw(make([]byte, size-14)))
		check(fmt.Sprintf("%d bytes", size), in, 0)
	}
}

func sourcePort(t *testing.T, r *rig) {
	r.statics()
	port := func(src uint16, dst netip.Addr, payload int, v6 bool) uint16 {
		layers := []frame.Layer{frame.IPv4{Src: ipHost, Dst: dst}, frame.UDP{SrcPort: src, DstPort: 53}, frame.Raw(make([]byte, payload))}
		if v6 {
			layers[0] = frame.IPv6{Src: vtep6, Dst: peerA6}
		}
		f := r.expect("flow", "eth2", r.onCircuit(ethernet(macVM, macHost, layers...)), "sent")
		p, err := frame.Parse(f.out)
		if err != nil || p.UDP == nil {
			t.Fatalf("outer packet: %v", err)
		}
		if p.UDP.SrcPort < 49152 {
			t.Errorf("source port %d: RFC 7348 §5 recommends 49152 to 65535", p.UDP.SrcPort)
		}
		return p.UDP.SrcPort
	}
	for _, v6 := range []bool{false, true} {
		ports := map[uint16]bool{}
		for i := range 200 {
			n := port(uint16(1000+i), ipVM, 10, v6)
			ports[n] = true
			for _, payload := range []int{0, 1, 500, 1400} {
				if again := port(uint16(1000+i), ipVM, payload, v6); again != n {
					t.Errorf("packets of one flow leave by ports %d and %d", n, again)
				}
			}
		}
		if len(ports) < 150 {
			t.Errorf("200 flows leave by %d source ports", len(ports))
		}
	}
}

// RFC 8200 §8.1: the outer UDP checksum over IPv6 is there and right; and it is zero where RFC 6935 is
// configured. Engine tc leaves it to the tunnel device.
func checksum6(t *testing.T, r *rig) {
	if r.engine == state.EngineTC {
		return
	}
	r.overIPv6()
	r.statics()
	r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.MTU = 1700 })
	build := func(size, seed int) []byte {
		body := make([]byte, size-14)
		for i := range body {
			body[i] = byte(i*seed + seed)
		}
		return ethernet(macVM, macHost, frame.Raw(body))
	}
	for size := 14; size <= 1550; size++ {
		in := build(size, size%251+1)
		f := r.run("xdp_customer", "eth2", r.onCircuit(in), gso{})
		if f.verdict != "redirect" {
			t.Fatalf("%d bytes: %s", size, f.verdict)
		}
		checkOuter(t, r, f.out, in, 0)
		if sum := uint16(f.out[60])<<8 | uint16(f.out[61]); sum == 0 {
			t.Errorf("%d bytes: outer UDP checksum 0 over IPv6", size)
		}
		if t.Failed() {
			return
		}
	}
	for _, fill := range []byte{0, 0xff} {
		in := ethernet(macVM, macHost, frame.Raw(bytesOf(fill, 1301)))
		f := r.run("xdp_customer", "eth2", r.onCircuit(in), gso{})
		checkOuter(t, r, f.out, in, 0)
	}
	r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.ZeroChecksum6 = true })
	f := r.expect("zero checksum", "eth2", r.onCircuit(opaque), "sent")
	if f.out[60] != 0 || f.out[61] != 0 {
		t.Errorf("outer UDP checksum %x, want 0 as configured", f.out[60:62])
	}
}

func bytesOf(fill byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = fill
	}
	return b
}
