// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// A cached flow changes nothing: whatever a frame between two known stations looks like, it has the same fate and leaves with the
// same bytes as one whose flow is not cached.
func TestFlowsChangeNothing(t *testing.T) {
	lightSuite(t, []part{
		{"over IPv4", func(_ *testing.T, r *rig) { r.sameWithFlows() }},
		{"over IPv6", func(_ *testing.T, r *rig) { r.overIPv6(); r.sameWithFlows() }},
		{"outer headers", func(_ *testing.T, r *rig) { r.sameOuterHeaders() }},
		{"outer headers of IPv6", func(_ *testing.T, r *rig) { r.overIPv6(); r.sameOuterHeaders() }},
	})
}

// outerMutations is how many tunnel packets with changed outer headers are looked at.
const outerMutations = 600

// sameOuterHeaders: whatever the outer headers of a cached flow's packet look like, it has the fate that it has without its flow.
func (r *rig) sameOuterHeaders() {
	r.t.Helper()
	host, vm := r.warm(nil)
	inner := ethernet(host, vm, frame.IPv4{Src: peerB, Dst: peerA, TOS: 2}, frame.UDP{SrcPort: 5000, DstPort: 9}, frame.Raw(make([]byte, 40)))
	seed := packet{inner: inner}.bytes(r)
	random := rand.New(rand.NewPCG(7, 9))
	fates := map[string]int{}
	for n := range outerMutations {
		in := withOuterChanged(random, seed)
		if n == 0 {
			in = seed
		}
		r.wait(0)
		without := r.fate("eth1", in)
		r.expect("what makes the flow", "eth1", seed, "sent")
		r.sameFate("eth1", in, without, r.fate("eth1", in))
		fates[without.what]++
	}
	if fates["sent"] < outerMutations/20 || fates["tunnel-header"] < outerMutations/20 || fates["unknown-vtep"] == 0 {
		r.t.Errorf("too few kinds of fates: %v", fates)
	}
}

// withOuterChanged changes some bytes before the inner frame; often it puts IPv4's checksum right again, or else that would be all
// that is ever found.
func withOuterChanged(random *rand.Rand, seed []byte) []byte {
	out := slices.Clone(seed)
	headers := len(seed) - len(withoutOuter(seed))
	for range 1 + random.IntN(2) {
		if at := random.IntN(headers); random.IntN(2) == 0 {
			out[at] ^= 1 << random.IntN(8)
		} else {
			out[at] = byte(random.Uint32())
		}
	}
	if headers == 50 && random.IntN(4) > 0 {
		out[24], out[25] = 0, 0
		binary.BigEndian.PutUint16(out[24:], ^onesSum(0, out[14:34]))
	}
	return out
}

// withoutOuter is what a tunnel packet carries.
func withoutOuter(packet []byte) []byte {
	if packet[12] == 0x08 {
		return packet[50:]
	}
	return packet[70:]
}

func (r *rig) sameFate(nic string, in []byte, without, with fate) {
	r.t.Helper()
	if with.what != without.what || with.verdict != without.verdict || !bytes.Equal(with.out, without.out) {
		r.t.Errorf("by %s, %x: %s %s without its flow, %s %s with it\n%x\n%x", nic, in, without.what, without.verdict, with.what,
			with.verdict, without.out, with.out)
	}
}

// mutationsEach is how many frames are made of each seed.
const mutationsEach = 40

func (r *rig) sameWithFlows() {
	r.t.Helper()
	host, vm := r.warm(func(_ *state.Extension, g *state.Guards) {
		g.MSS = state.MSS{Bytes: 1200}
		g.Refused.FromCustomer, g.Refused.FromCloud = state.Services{DHCP: true, Router: true}, state.Services{DHCP: true, Querier: true}
	})
	random := rand.New(rand.NewPCG(7, 7))
	cached := 0
	for _, seed := range knownUnicast(vm, host) {
		for n := range mutationsEach {
			inner := mutated(random, seed, n)
			cached += r.sameBothWays(inner, uint8(random.Uint32()))
		}
	}
	if cached < 10*mutationsEach {
		r.t.Errorf("only %d frames were of kinds that are kept", cached)
	}
}

// sameBothWays sends a frame towards the cloud, and swapped towards the customer. It returns how often its flow was kept.
func (r *rig) sameBothWays(inner []byte, tos uint8) (kept int) {
	r.t.Helper()
	down := packet{inner: swapped(inner), ip: frame.IPv4{TOS: tos}, ip6: frame.IPv6{TrafficClass: tos}}.bytes(r)
	for nic, in := range map[string][]byte{"eth2": r.onCircuit(inner), "eth1": down} {
		r.wait(0) // ends all flows
		without := r.fate(nic, in)
		if r.liveFlows() > 0 {
			kept++
		}
		plain := ethernet(l2.MAC(inner[:6]), l2.MAC(inner[6:12]), frame.Raw(make([]byte, 46)))
		warmer := r.onCircuit(plain)
		if nic == "eth1" {
			warmer = packet{inner: swapped(plain)}.bytes(r)
		}
		r.expect("what makes the flow", nic, warmer, "sent")
		with := r.fate(nic, in)
		r.sameFate(nic, in, without, with)
	}
	return kept
}

// mutated is a seed as it is, and then with bytes changed behind the addresses, and sometimes shorter.
func mutated(random *rand.Rand, seed []byte, n int) []byte {
	out := slices.Clone(seed)
	if n == 0 {
		return out
	}
	for range 1 + random.IntN(3) {
		at := 12 + random.IntN(min(len(out)-12, 60))
		switch random.IntN(3) {
		case 0:
			out[at] ^= 1 << random.IntN(8)
		case 1:
			out[at] = byte(random.Uint32())
		default:
			out[at] = []byte{0, 1, 6, 17, 0x45, 0x60, 0x81, 0xff}[random.IntN(8)]
		}
	}
	if random.IntN(4) == 0 {
		out = out[:14+random.IntN(len(out)-14)]
	}
	return out
}

// knownUnicast are frames of many kinds from one station to another.
func knownUnicast(dst, src l2.MAC) (seeds [][]byte) {
	ip := frame.IPv4{Src: peerA, Dst: peerB, TOS: 0x2a}
	fragment := ip
	fragment.MoreFragments = true
	ip6 := frame.IPv6{Src: peerA6, Dst: peerB6, TrafficClass: 0x29}
	payload := frame.Raw(make([]byte, 40))
	syn := frame.TCP{SrcPort: 40000, DstPort: 443, Flags: frame.SYN, Options: frame.MSS(1460)}
	for _, layers := range [][]frame.Layer{
		{ip, frame.UDP{SrcPort: 5000, DstPort: 9}, payload},
		{ip, frame.UDP{SrcPort: 67, DstPort: 68}, payload},
		{ip, frame.TCP{SrcPort: 40000, DstPort: 443, Flags: frame.ACK}, payload},
		{ip, syn},
		{ip, frame.ICMP{Type: 8}, payload},
		{fragment, frame.UDP{SrcPort: 5000, DstPort: 9}, payload},
		{frame.IPv4{Src: peerA, Dst: peerB, Protocol: frame.Set(47)}, payload},
		{frame.IPv4{Src: peerA, Dst: peerB, Protocol: frame.Set(112)}, payload},
		{ip6, frame.UDP{SrcPort: 5000, DstPort: 9}, payload},
		{ip6, frame.UDP{SrcPort: 547, DstPort: 546}, payload},
		{ip6, frame.TCP{SrcPort: 40000, DstPort: 443, Flags: frame.ACK}, payload},
		{ip6, syn},
		{ip6, frame.ICMPv6{Type: 134}, payload},
		{frame.ARP{Op: frame.ARPReply, SenderMAC: src, SenderIP: peerA, TargetMAC: dst, TargetIP: peerB}, frame.Raw(make([]byte, 18))},
		{payload},
	} {
		seeds = append(seeds, ethernet(dst, src, layers...))
	}
	return append(seeds, slices.Concat(ethernet(dst, src)[:12], typed(0x0026, make([]byte, 46))[12:]))
}
