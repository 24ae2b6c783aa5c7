// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// What a test run cannot show: tags in the socket buffer, copies, the tunnel device. Here frames go through
// the veth pairs.
func TestWire(t *testing.T) {
	suite(t, []part{
		{"circuits", wireCircuits}, {"priority", wirePriority}, {"flood", wireFlood}, {"flood to all", wireFloodToAll}, {"flood to many", wireFloodToMany},
		{"short floods", wireShortFloods}, {"IPv6 underlay", wireIPv6}, {"flow labels", wireFlowLabels}, {"inner tags", wireInnerTags},
		{"host's frames", wireGuard}, {"tunnel device", wireTunnel}, {"too big", wireTooBig}, {"too big and unfinished", wireUnfinished},
		{"frames in pieces", wirePieces},
	})
}

// wire is the far end of a NIC.
type wire struct {
	r  *rig
	fd int
}

// farEnd opens the peer of a NIC, and makes the pair fit for XDP redirects and finished checksums.
func (r *rig) farEnd(nic string) wire {
	r.t.Helper()
	for name, commands := range map[string]map[uint32]uint32{nic + "p": {unix.ETHTOOL_SGRO: 1}, nic: {unix.ETHTOOL_STXCSUM: 0}} {
		for command, value := range commands {
			r.ethtool(name, command, value)
		}
	}
	return r.packetSocket(nic + "p")
}

func (r *rig) packetSocket(name string) wire {
	r.t.Helper()
	all := int(binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	r.must(err)
	r.t.Cleanup(func() { _ = unix.Close(fd) })
	r.must(unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: r.eth[name].Attrs().Index}))
	r.must(unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	r.must(unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
	r.must(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}))
	return wire{r, fd}
}

func (r *rig) ethtool(name string, command, value uint32) {
	r.t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	r.must(err)
	defer unix.Close(fd)
	data := [2]uint32{command, value}
	var request struct {
		name [16]byte
		data *[2]uint32
		_    [16]byte
	}
	copy(request.name[:], name)
	request.data = &data
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); e != 0 {
		r.t.Fatalf("ethtool %d on %s: %v", command, name, e)
	}
}

func (w wire) send(in []byte) {
	w.r.t.Helper()
	w.r.must(unix.Send(w.fd, in, 0))
}

// receive waits for a frame, with its tags as on a wire; nil when none comes. What the host's own IPv6
// announces on the uplink is not looked at.
func (w wire) receive() []byte {
	w.r.t.Helper()
	for {
		out := w.receiveAny()
		own := w.r.mac("eth1")
		if len(out) < 14 || out[0] != 0x33 || !bytes.Equal(out[6:12], own[:]) {
			return out
		}
	}
}

// receiveTunnel waits for a tunnel packet, and takes it apart; nil when none comes. What the host asks its neighbours over ARP is not looked at.
func (w wire) receiveTunnel() ([]byte, frame.Tunnel) {
	w.r.t.Helper()
	for {
		out := w.receive()
		p, err := frame.ParseVXLAN(out)
		switch {
		case err == nil || out == nil:
			return out, p
		case binary.BigEndian.Uint16(out[12:]) != frame.TypeARP:
			w.r.t.Fatalf("no tunnel packet left: % x, %v", out, err)
		}
	}
}

func (w wire) receiveAny() []byte {
	w.r.t.Helper()
	data, control := make([]byte, 4096), make([]byte, 128)
	n, cn, _, _, err := unix.Recvmsg(w.fd, data, control, 0)
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	w.r.must(err)
	messages, err := unix.ParseSocketControlMessage(control[:cn])
	w.r.must(err)
	out := data[:n]
	for _, m := range messages {
		if m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		status, tci, tpid := binary.NativeEndian.Uint32(m.Data), binary.NativeEndian.Uint16(m.Data[16:]), binary.NativeEndian.Uint16(m.Data[18:])
		if status&unix.TP_STATUS_VLAN_VALID != 0 {
			out = raw(out, tpid, tci)
		}
	}
	return out
}

// ends sums up every frame that has an end.
func (b books) ends() (n uint64) {
	for _, x := range b.extensions {
		for _, c := range []state.Counters{x.ToCloud, x.ToCustomer} {
			n += c.Tx.Frames
			for _, d := range c.Drops {
				n += d
			}
		}
	}
	for _, i := range b.nics {
		n += i.Passed
		for _, d := range i.Drops {
			n += d
		}
	}
	return n
}

// over sends a frame in by a wire and waits until it is counted.
func (w wire) over(nic string, in []byte) fate {
	r := w.r
	r.t.Helper()
	before := r.books()
	w.send(in)
	return r.compare(before, r.ended(before, 1), nic)
}

// ended waits until so many frames more have an end, and reads the books.
func (r *rig) ended(before books, frames uint64) books {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if r.books().ends() >= before.ends()+frames || time.Now().After(deadline) {
			return r.books() // again: a frame may have been counted while some of them were read
		}
	}
}

func wireCircuits(t *testing.T, r *rig) {
	manyCircuits(r)
	wires := map[string]wire{"eth1": r.farEnd("eth1"), "eth2": r.farEnd("eth2"), "eth3": r.farEnd("eth3")}
	for _, c := range circuitCases {
		f := wires[c.nic].over(c.nic, raw(opaque, c.tags...))
		if f.where != c.where || f.what != c.what {
			t.Errorf("%s: %s at %s, want %s at %s", c.name, f.what, f.where, c.what, c.where)
		}
		if f.what == "sent" {
			checkTunnel(t, r, c.name, wires["eth1"].receive(), l2.Name(c.where), opaque)
		}
	}
	for _, x := range r.desired.Extensions {
		wires["eth1"].send(packet{vni: uint32(x.VNI), inner: swapped(opaque)}.bytes(r))
		if got, want := wires[x.NIC].receive(), withTags(x.VLAN, 0, swapped(opaque)); !bytes.Equal(got, want) {
			t.Errorf("%s gets\n% x, want\n% x", x.Name, got, want)
		}
	}
}

func wirePriority(t *testing.T, r *rig) {
	cloud, customer := r.farEnd("eth1"), r.farEnd("eth2")
	check := func(name string, inner []byte, pcp uint8) {
		t.Helper()
		cloud.send(packet{inner: inner}.bytes(r))
		if got, want := customer.receive(), withTags(r.desired.Extensions[0].VLAN, pcp, inner); !bytes.Equal(got, want) {
			t.Errorf("%s gets % x, want % x", name, got, want)
		}
	}
	for _, vlan := range []l2.VLAN{l2.SingleTag(2301), l2.DoubleTag(100, 200)} {
		for pcp := range uint8(8) {
			r.change(func(x *state.Extension, _ *state.Desired) { x.VLAN, x.PCP = vlan, pcp })
			check(fmt.Sprintf("PCP %d on %s", pcp, vlan), swapped(opaque), pcp)
		}
		r.change(func(x *state.Extension, _ *state.Desired) { x.PCP = state.PCPFromDSCP })
		for dscp := range uint8(64) {
			ip := ethernet(macHost, macVM, frame.IPv4{Src: ipVM, Dst: ipHost, TOS: dscp << 2}, frame.UDP{}, frame.Raw(make([]byte, 18)))
			check(fmt.Sprintf("IPv4, DSCP %d on %s", dscp, vlan), ip, dscp>>3)
			ip = ethernet(macHost, macVM, frame.IPv6{Src: peerB6, Dst: vtep6, TrafficClass: dscp << 2}, frame.UDP{}, frame.Raw(make([]byte, 18)))
			check(fmt.Sprintf("IPv6, DSCP %d on %s", dscp, vlan), ip, dscp>>3)
		}
		check("opaque", swapped(opaque), 0)
		check("ARP", frame.Ethernet{Dst: macHost, Src: macVM}.With(arpRequest(macVM)).Padded(60).Bytes(), 0)
	}
}

// Every VTEP gets one copy, none goes back to the customer.
func wireFlood(t *testing.T, r *rig) {
	for _, v6 := range []bool{false, true} {
		vteps := map[netip.Addr]l2.MAC{peerA: macPeerA, peerB: macPeerB}
		if v6 {
			vteps = map[netip.Addr]l2.MAC{peerA6: macPeerA, peerB6: macPeerB}
			r.overIPv6()
		}
		r.change(func(x *state.Extension, _ *state.Desired) {
			x.Peers = slices.SortedFunc(maps.Keys(vteps), netip.Addr.Compare)
		})
		cloud, customer := r.farEnd("eth1"), r.farEnd("eth2")
		for name, c := range map[string]struct {
			in  []byte
			tos uint8
		}{
			"broadcast":       {frame.Ethernet{Dst: l2.Broadcast, Src: macHost}.With(arpRequest(macHost)).Padded(60).Bytes(), 0},
			"multicast":       {ethernet(l2.MAC{0x01, 0, 0x5e, 1, 1, 1}, macHost, udp(30)...), 0xb9},
			"IPv6 multicast":  {ethernet(l2.MAC{0x33, 0x33, 0, 0, 0, 1}, macHost, frame.IPv6{Src: vtep6, Dst: peerA6, TrafficClass: 0x8a}, frame.UDP{}, frame.Raw("abcd")), 0x8a},
			"unknown unicast": {opaque, 0},
			"1514 bytes":      {ethernet(macVM, macHost, frame.Raw(make([]byte, 1500))), 0},
		} {
			name = fmt.Sprintf("%s, IPv6 underlay %t", name, v6)
			before := r.counters("acme").ToCloud
			if f := customer.over("eth2", r.onCircuit(c.in)); f.what != "sent" {
				t.Errorf("%s: %s", name, f.what)
			}
			after := r.counters("acme").ToCloud
			if after.Copies-before.Copies != 2 || after.Tx.Frames-before.Tx.Frames != 1 || after.Tx.Bytes-before.Tx.Bytes != uint64(len(c.in)) {
				t.Errorf("%s: counted %+v, before %+v, want one frame sent and two copies", name, after, before)
			}
			cloud.wantCopies(name, c.in, c.tos, vteps)
		}
		// Group frames from the cloud go to the customer only.
		in := ethernet(l2.Broadcast, macVM, frame.Raw(make([]byte, 46)))
		if f := cloud.over("eth1", packet{inner: in}.bytes(r)); f.what != "sent" {
			t.Errorf("broadcast from the cloud: %s", f.what)
		}
		if got := customer.receive(); !bytes.Equal(got, r.onCircuit(in)) {
			t.Errorf("the customer gets % x", got)
		}
		last := ethernet(l2.Broadcast, macHost, frame.Raw("the last one, padded up to 46 bytes of payload"))
		customer.over("eth2", r.onCircuit(last))
		cloud.wantCopies("the last one", last, 0, vteps)
	}
}

// wantCopies wants one copy of a frame for each VTEP, and nothing else before it, at the VTEP's next hop and with the frame's own DSCP and ECN
// outside: a network that ranks packets would else treat a call's multicast as it treats a download.
func (w wire) wantCopies(name string, in []byte, tos uint8, vteps map[netip.Addr]l2.MAC) {
	w.r.t.Helper()
	missing := maps.Clone(vteps)
	for range vteps {
		out, p := w.receiveTunnel()
		if out == nil {
			break
		}
		mac, ok := missing[p.Dst]
		if !ok {
			w.r.t.Errorf("%s: a second copy to %s, or one to somebody else", name, p.Dst)
		}
		delete(missing, p.Dst)
		if err := frame.VerifyTunnel(out); err != nil || p.Outer.Ethernet.Dst != mac || !bytes.Equal(p.Inner, in) || p.VXLAN.VNI != 10100 {
			w.r.t.Errorf("%s: copy to %s at %s, VNI %d, %v\n% x", name, p.Dst, p.Outer.Ethernet.Dst, p.VXLAN.VNI, err, p.Inner)
		}
		if ip := p.Outer.IPv4; ip != nil && ip.TOS != tos {
			w.r.t.Errorf("%s: copy to %s with TOS %#02x, want %#02x", name, p.Dst, ip.TOS, tos)
		}
		if ip := p.Outer.IPv6; ip != nil && ip.TrafficClass != tos {
			w.r.t.Errorf("%s: copy to %s with traffic class %#02x, want %#02x", name, p.Dst, ip.TrafficClass, tos)
		}
	}
	if len(missing) > 0 {
		w.r.t.Errorf("%s: no copy for %v", name, missing)
	}
}

// The copy for a VTEP whose neighbour is known leaves, however many VTEPs before it have none: those the kernel shall ask for.
func wireFloodToMany(t *testing.T, r *rig) {
	const missing = 64
	r.change(func(x *state.Extension, _ *state.Desired) {
		x.Peers = nil
		for n := range byte(missing) {
			x.Peers = append(x.Peers, netip.AddrFrom4([4]byte{192, 0, 2, 100 + n}))
		}
		x.Peers = append(x.Peers, peerA)
	})
	cloud, customer := r.farEnd("eth1"), r.farEnd("eth2")
	in := opaqueTo(l2.Broadcast)
	if f := customer.over("eth2", r.onCircuit(in)); f.what != "sent" {
		t.Fatalf("a broadcast is %s", f.what)
	}
	if _, p := cloud.receiveTunnel(); p.Dst != peerA || !bytes.Equal(p.Inner, in) {
		t.Error("no copy left for the VTEP that can be reached")
	}
	for _, vtep := range r.desired.Extensions[0].Peers[:missing] {
		r.leadTo(vtep, l2.MAC{}) // or the kernel would go on to ask for them
	}
}

// As many VTEPs as an extension can have get one copy each, also where some of their neighbours are gone lately: a station would else
// hear the same frame twice, or not at all, according to where its VTEP is in the list. Neighbours are there or not so that no two VTEPs
// that share a bit of the program's notes are alike.
func wireFloodToAll(t *testing.T, r *rig) {
	vteps, gone := map[netip.Addr]l2.MAC{}, map[netip.Addr]l2.MAC{}
	r.guarded(func(x *state.Extension, _ *state.Guards) {
		x.Peers = nil
		for n := range maxPeers {
			vtep, mac := netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + n)}), station(n)
			x.Peers, vteps[vtep] = append(x.Peers, vtep), mac
			if (n+n/64)%2 == 1 {
				gone[vtep] = mac
			}
		}
	})
	lead := func(to map[netip.Addr]l2.MAC, there bool) {
		for vtep, mac := range to {
			if !there {
				mac = l2.MAC{}
			}
			r.leadTo(vtep, mac)
		}
	}
	cloud, customer := r.farEnd("eth1"), r.farEnd("eth2")
	r.must(unix.SetsockoptInt(cloud.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20))
	flood := func(name string) []byte {
		in := ethernet(l2.Broadcast, macHost, frame.Raw(name+", padded up to 46 bytes of payload and somewhat more"))
		before := r.counters("acme").ToCloud.Copies
		if f := customer.over("eth2", r.onCircuit(in)); f.what != "sent" {
			t.Errorf("%s: %s", name, f.what)
		}
		if n := r.counters("acme").ToCloud.Copies - before; n != maxPeers {
			t.Errorf("%s: %d copies", name, n)
		}
		return in
	}
	lead(vteps, true)
	cloud.wantCopies("all neighbours are known", flood("all neighbours are known"), 0, vteps)
	lead(gone, false)
	// However slow the test is, the kernel does not give up before it is told of them.
	r.must(os.WriteFile("/proc/sys/net/ipv4/neigh/eth1/retrans_time_ms", []byte("60000"), 0))
	r.wait(second)
	in := flood("half of them are gone")
	lead(gone, true) // the kernel has asked for them, and kept their copies
	cloud.wantCopies("half of them are gone", in, 0, vteps)
	lead(vteps, false)
}

// A frame that ends right behind its type has its end too, though the kernel is asked to send it.
func wireShortFloods(t *testing.T, r *rig) {
	least := 14
	if r.engine == state.EngineTC {
		least = 16 // the kernel frees shorter ones when it takes their tag off, before tc
	}
	customer := r.farEnd("eth2")
	r.farEnd("eth1")
	for size := least; size < 24; size++ {
		if f := customer.over("eth2", r.onCircuit(opaqueTo(l2.Broadcast)[:size])); f.what != "sent" {
			t.Errorf("a broadcast of %d bytes is %s", size, f.what)
		}
	}
	r.checkBooks()
}

func opaqueTo(dst l2.MAC) []byte { return ethernet(dst, macHost, frame.Raw(make([]byte, 46))) }

// Over IPv6 the outer UDP checksum is there and right, whoever writes it; or zero where configured.
func wireIPv6(t *testing.T, r *rig) {
	r.overIPv6()
	r.statics()
	cloud, customer := r.farEnd("eth1"), r.farEnd("eth2")
	for _, zero := range []bool{false, true} {
		r.change(func(_ *state.Extension, d *state.Desired) { d.Underlay.ZeroChecksum6 = zero })
		for _, dst := range []l2.MAC{macVM, l2.Broadcast} {
			for _, payload := range []int{46, 47, 500, 999, 1500} {
				in := ethernet(dst, macHost, frame.Raw(bytesOf(0xa5, payload)))
				name := fmt.Sprintf("%d bytes to %s, zero checksum %t", len(in), dst, zero)
				if f := customer.over("eth2", r.onCircuit(in)); f.what != "sent" {
					t.Errorf("%s: %s", name, f.what)
				}
				out := cloud.receive()
				checkOuter(t, r, out, in, 0)
				if sum := out[60:62]; (sum[0]|sum[1] == 0) != zero {
					t.Errorf("%s: outer UDP checksum % x", name, sum)
				}
			}
		}
	}
}

// The flow label spreads flows where routers do not look at ports (RFC 6438).
func wireFlowLabels(t *testing.T, r *rig) {
	r.overIPv6()
	r.statics()
	cloud, customer := r.farEnd("eth1"), r.farEnd("eth2")
	labels := map[uint32]bool{}
	for n := range 200 {
		in := ethernet(macVM, macHost, frame.IPv4{Src: ipHost, Dst: ipVM}, frame.UDP{SrcPort: uint16(1000 + n), DstPort: 53}, frame.Raw(make([]byte, 30)))
		customer.send(r.onCircuit(in))
		out := cloud.receive()
		if len(out) < 18 {
			t.Fatal("nothing left")
		}
		labels[binary.BigEndian.Uint32(out[14:])&0xfffff] = true
	}
	if len(labels) < 198 {
		t.Errorf("200 flows have %d labels", len(labels))
	}
}

// A tag behind the circuit's own crosses as it is, where it is allowed.
func wireInnerTags(t *testing.T, r *rig) {
	r.statics()
	cloud, customer := r.farEnd("eth1"), r.farEnd("eth2")
	for _, vlan := range []l2.VLAN{l2.SingleTag(2301), l2.DoubleTag(100, 200)} {
		r.change(func(x *state.Extension, _ *state.Desired) { x.VLAN, x.Inner.AllowAll = vlan, true })
		for name, in := range map[string][]byte{
			"one tag":         raw(opaque, 0x8100, 7),
			"PCP and DEI":     raw(opaque, 0x8100, 0xf007),
			"service tag":     raw(opaque, 0x88a8, 7),
			"two tags":        raw(opaque, 0x88a8, 7, 0x8100, 8),
			"IPv4":            raw(ethernet(macVM, macHost, udp(20)...), 0x8100, 7),
			"broadcast":       raw(ethernet(l2.Broadcast, macHost, frame.Raw(make([]byte, 46))), 0x8100, 7),
			"IPv6, broadcast": raw(ethernet(l2.Broadcast, macHost, frame.IPv6{Src: vtep6, Dst: peerA6}, frame.UDP{}), 0x8100, 7),
			"longest":         raw(ethernet(macVM, macHost, frame.Raw(make([]byte, 1490))), 0x8100, 7),
		} {
			name += " on " + vlan.String()
			if f := customer.over("eth2", r.onCircuit(in)); f.what != "sent" {
				t.Errorf("%s: %s", name, f.what)
			}
			p, err := frame.ParseVXLAN(cloud.receive())
			if err != nil || !bytes.Equal(p.Inner, in) {
				t.Errorf("%s: the cloud gets % x, want % x (%v)", name, p.Inner, in, err)
			}
			back := swapped(in)
			if in[0]&1 != 0 {
				back = append(append(l2.Broadcast[:6:6], macVM[:]...), in[12:]...)
			}
			cloud.send(packet{inner: back}.bytes(r))
			if got, want := customer.receive(), r.onCircuit(back); !bytes.Equal(got, want) {
				t.Errorf("%s: the customer gets % x, want % x", name, got, want)
			}
		}
	}
}

// What the host itself sends does not leave by a customer's NIC, unless it is passed through.
func wireGuard(t *testing.T, r *rig) {
	cloud, customer, host := r.farEnd("eth1"), r.farEnd("eth2"), r.packetSocket("eth2")
	own := ethernet(l2.Broadcast, r.mac("eth2"), frame.Raw(make([]byte, 46)))
	if err := unix.Send(host.fd, own, 0); err != nil && !errors.Is(err, unix.ENOBUFS) { // so it is told of the drop
		t.Fatal(err)
	}
	cloud.send(packet{}.bytes(r))
	if got := customer.receive(); !bytes.Equal(got, r.onCircuit(swapped(opaque))) {
		t.Errorf("the customer gets first % x", got)
	}
	r.change(func(_ *state.Extension, d *state.Desired) { d.NICs[0].Passthrough = true })
	host.send(own)
	if got := customer.receive(); !bytes.Equal(got, own) {
		t.Errorf("with passthrough the customer gets % x", got)
	}
}
