// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

var (
	ipHost = netip.MustParseAddr("10.1.0.1")
	ipVM   = netip.MustParseAddr("10.1.0.2")
)

func arpRequest(src l2.MAC) frame.Layer {
	return frame.ARP{Op: 1, SenderMAC: src, SenderIP: ipHost, TargetIP: ipVM}
}

func udp(payload int) []frame.Layer {
	return []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, TOS: 0xb9}, frame.UDP{SrcPort: 1000, DstPort: 2000}, frame.Raw(make([]byte, payload))}
}

func TestBroadcastToOneVTEPIsEncapsulated(t *testing.T) {
	engines(t, func(t *testing.T, r *rig) {
		in := tagged(l2.Broadcast, macHost, arpRequest(macHost))
		o := r.fromCustomer(in)
		x := r.counters("acme")
		if r.engine == state.EngineTC {
			// Copies are sent by the program itself: the original ends in it.
			if o.verdict != "drop" || x.ToCloud.Copies != 1 || x.ToCloud.Tx.Frames != 1 {
				t.Fatalf("verdict %s, counters %+v", o.verdict, x.ToCloud)
			}
			return
		}
		if o.verdict != "redirect" || x.ToCloud.Copies != 1 {
			t.Fatalf("verdict %s, counters %+v", o.verdict, x.ToCloud)
		}
		checkOuter(t, r, o.out, append(append([]byte(nil), in[:12]...), in[16:]...), 0)
	})
}

// checkOuter checks every outer header and the inner frame, byte by byte.
func checkOuter(t *testing.T, r *rig, out, inner []byte, tos uint8) {
	t.Helper()
	if err := frame.VerifyTunnel(out); err != nil {
		t.Errorf("outer or inner checksums: %v", err)
	}
	p, err := frame.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	if p.Ethernet.Dst != macPeerA || p.Ethernet.Src != r.mac("eth1") {
		t.Errorf("outer MACs %s ← %s", p.Ethernet.Dst, p.Ethernet.Src)
	}
	src, dst := p.Addrs()
	if src != r.desired.Underlay.VTEP || dst != r.desired.Extensions[0].Peers[0] {
		t.Errorf("outer addresses %s → %s", src, dst)
	}
	if p.IPv4 != nil && (!p.IPv4.DontFragment || p.IPv4.TTL != 64 || p.IPv4.TOS != tos) {
		t.Errorf("outer IPv4 %+v", p.IPv4)
	}
	if p.UDP == nil || p.UDP.DstPort != 4789 || p.UDP.SrcPort < 49152 {
		t.Fatalf("outer UDP %+v", p.UDP)
	}
	if want := []byte{8, 0, 0, 0, 0, 0x27, 0x74, 0}; !bytes.Equal(p.Payload[:8], want) {
		t.Errorf("VXLAN header % x, want % x", p.Payload[:8], want)
	}
	if !bytes.Equal(p.Payload[8:], inner) {
		t.Errorf("inner frame\n% x\nwant\n% x", p.Payload[8:], inner)
	}
}

func TestKnownUnicastToCloud(t *testing.T) {
	engines(t, func(t *testing.T, r *rig) {
		learnt := frame.Ethernet{Dst: l2.Broadcast, Src: macVM}.With(arpRequest(macVM)).Padded(60).Bytes()
		if o := r.fromCloud(r.tunnelled(peerA, learnt)); o.verdict != "redirect" {
			t.Fatalf("from cloud: %s", o.verdict)
		}
		in := tagged(macVM, macHost, udp(100)...)
		o := r.fromCustomer(in)
		if o.verdict != "redirect" {
			t.Fatalf("to cloud: %s", o.verdict)
		}
		checkOuter(t, r, o.out, append(append([]byte(nil), in[:12]...), in[16:]...), 0xb9)
		x := r.counters("acme")
		if x.ToCloud.Copies != 0 || x.ToCloud.Tx.Frames != 1 || x.ToCloud.Tx.Bytes != uint64(len(in)-4) {
			t.Errorf("to cloud %+v", x.ToCloud)
		}
		if x.Customer != 1 || x.Cloud != 1 {
			t.Errorf("%d MACs at the customer, %d in the cloud", x.Customer, x.Cloud)
		}
		macs, err := r.plane.MACs("acme")
		r.must(err)
		if len(macs) != 2 {
			t.Errorf("MACs: %+v", macs)
		}
	})
}

func TestFromCloudIsDecapsulatedAndTagged(t *testing.T) {
	engines(t, func(t *testing.T, r *rig) {
		inner := frame.Ethernet{Dst: macHost, Src: macVM}.With(udp(100)...).Bytes()
		o := r.fromCloud(r.tunnelled(peerA, inner))
		if o.verdict != "redirect" {
			t.Fatalf("verdict %s, %+v %+v", o.verdict, r.nic("eth1"), r.counters("acme"))
		}
		want := inner
		if r.engine == state.EngineXDP { // with tc the tag is in the socket buffer
			want = append(append(append([]byte(nil), inner[:12]...), 0x81, 0, 0x08, 0xfd), inner[12:]...)
		}
		if !bytes.Equal(o.out, want) {
			t.Errorf("frame\n% x\nwant\n% x", o.out, want)
		}
	})
}

func TestFrameThatFitsNoCircuitIsDropped(t *testing.T) {
	engines(t, func(t *testing.T, r *rig) {
		in := frame.Ethernet{Dst: l2.Broadcast, Src: macHost}.With(frame.VLAN{ID: 7}, arpRequest(macHost)).Padded(64).Bytes()
		if o := r.fromCustomer(in); o.verdict != "drop" {
			t.Errorf("verdict %s", o.verdict)
		}
		if n := r.nic("eth2"); n.Drops["no-circuit"] != 1 || n.Rx.Frames != 1 {
			t.Errorf("eth2 %+v", n)
		}
		r.desired.NICs[0].Passthrough = true
		r.apply()
		if o := r.fromCustomer(in); o.verdict != "pass" || !bytes.Equal(o.out, in) {
			t.Errorf("verdict %s", o.verdict)
		}
	})
}
