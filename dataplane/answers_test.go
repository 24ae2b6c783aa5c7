// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/drawbridge-l2/drawbridge/frame"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

// Whose frame is too long is told so, and nobody is who must not be.
func TestAnswers(t *testing.T) {
	suite(t, []part{{"who is told", whoIsTold}, {"behind a tag", toldBehindTag}})
}

// overlong pads a frame behind its packet, until it is too long for either way.
func overlong(in []byte) []byte { return append(in, make([]byte, 1600-len(in))...) }

var (
	ula1 = netip.MustParseAddr("fd00::1")
	ula2 = netip.MustParseAddr("fd00::2")
)

func whoIsTold(_ *testing.T, r *rig) {
	r.guarded(func(_ *state.Extension, g *state.Guards) { g.Fingerprint = false })
	four := func(src, dst string, more ...frame.Layer) []frame.Layer {
		return append([]frame.Layer{frame.IPv4{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), DontFragment: true}}, more...)
	}
	six := func(src, dst string, more ...frame.Layer) []frame.Layer {
		return append([]frame.Layer{frame.IPv6{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst)}}, more...)
	}
	udp, body := frame.UDP{SrcPort: 1000, DstPort: 2000}, frame.Raw(make([]byte, 24))
	for _, c := range []struct {
		name  string
		told  bool
		layer []frame.Layer
	}{
		{"IPv4", true, four("10.0.0.1", "10.0.0.2", udp)},
		{"IPv4 that may be fragmented", false, []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM}, udp}},
		{"IPv4, a later fragment", false, []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, DontFragment: true, FragmentOffset: 5}, body}},
		{"IPv4 from this network", false, four("0.0.0.1", "10.0.0.2", udp)}, {"IPv4 from loopback", false, four("127.0.0.1", "10.0.0.2", udp)},
		{"IPv4 from class E", false, four("240.0.0.1", "10.0.0.2", udp)}, {"IPv4 to nobody", false, four("10.0.0.1", "0.0.0.0", udp)},
		{"IPv4 to loopback", false, four("10.0.0.1", "127.0.0.1", udp)}, {"IPv4 to a group", false, four("10.0.0.1", "239.0.0.1", udp)},
		{"IPv4 with options", true, []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, DontFragment: true, Options: bytes.Repeat([]byte{1}, 40)}, udp}},
		{"echo", true, four("10.0.0.1", "10.0.0.2", frame.ICMP{Type: 8})}, {"ICMP error", false, four("10.0.0.1", "10.0.0.2", frame.ICMP{Type: 3})},
		{"ICMP without a type", false, []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, DontFragment: true, Protocol: frame.Set(1), TotalLength: frame.Set(20)}, body}},
		{"IPv6", true, six("fd00::1", "fd00::2", udp)},
		{"IPv6, a later fragment", true, six("fd00::1", "fd00::2", frame.Fragment{ID: 1, Offset: 5}, body)},
		{"IPv6 without next header", true, []frame.Layer{frame.IPv6{Src: ula1, Dst: ula2, NextHeader: frame.Set(59)}, body}},
		{"IPv6 from nobody", false, six("::", "fd00::2", udp)}, {"IPv6 from loopback", false, six("::1", "fd00::2", udp)},
		{"IPv6 to nobody", false, six("fd00::1", "::", udp)}, {"IPv6 to an embedded address", false, six("fd00::1", "::ffff:10.0.0.1", udp)},
		{"IPv6 to a group", false, six("fd00::1", "ff0e::1", udp)}, {"echo over IPv6", true, six("fd00::1", "fd00::2", frame.ICMPv6{Type: 128})},
		{"ICMPv6 error", false, six("fd00::1", "fd00::2", frame.ICMPv6{Type: 2}, body)},
		{"ICMPv6 redirect", false, six("fd00::1", "fd00::2", frame.ICMPv6{Type: 137}, frame.Raw(make([]byte, 36)))},
	} {
		r.wantTold(c.name, c.told, func(dst, src l2.MAC) []byte { return overlong(ethernet(dst, src, c.layer...)) })
	}
}

// toldBehindTag: an inner tag comes back with the answer, and less fits behind it.
func toldBehindTag(_ *testing.T, r *rig) {
	r.guarded(func(x *state.Extension, g *state.Guards) { x.Inner.AllowAll, g.Fingerprint = true, false })
	for _, kind := range [][]byte{{0x81, 0}, {0x88, 0xa8}, {0x91, 0}} {
		for _, ip := range []frame.Layer{frame.IPv4{Src: ipHost, Dst: ipVM, DontFragment: true}, frame.IPv6{Src: ula1, Dst: ula2}} {
			r.wantTold(fmt.Sprintf("%T behind %x", ip, kind), true, func(dst, src l2.MAC) []byte {
				in := ethernet(dst, src, ip, frame.UDP{SrcPort: 1000, DstPort: 2000})
				return overlong(slices.Concat(in[:12], kind, []byte{0x60, 10}, in[12:]))
			})
		}
	}
}

// wantTold sends a frame that is too long both ways.
func (r *rig) wantTold(name string, told bool, build func(dst, src l2.MAC) []byte) {
	r.t.Helper()
	r.wait(200 * time.Millisecond) // ten a second are told
	in := build(macVM, macHost)
	r.wantAnswer(name+" from the customer", r.expect(name, "eth2", r.onCircuit(in), "too-big"), told, in, 1600-36)
	in = build(macHost, macVM)
	r.wantAnswer(name+" from the cloud", r.expect(name, "eth1", r.tunnelled(peerA, in), "too-big"), told, in, 1500+14)
}

// wantAnswer: with engine xdp it is tc that answers, what was handed over to it.
func (r *rig) wantAnswer(name string, f fate, told bool, in []byte, limit int) {
	r.t.Helper()
	verdict := "drop"
	if told {
		verdict = map[state.Engine]string{state.EngineTC: "redirect", state.EngineXDP: "pass"}[r.engine]
	}
	if f.verdict != verdict {
		r.t.Errorf("%s: verdict %s, want %s", name, f.verdict, verdict)
		return
	}
	if told && r.engine == state.EngineTC {
		r.checkAnswer(name, in, f.out, limit)
	}
}

// checkAnswer: it goes back, says how much fits, and quotes what did not, in front of which are the tags that it had.
func (r *rig) checkAnswer(name string, in, out []byte, limit int) {
	r.t.Helper()
	head := bytes.Index(out, append(in[6:12:12], in[:6]...))
	if head < 0 {
		r.t.Errorf("%s: % x leads not back", name, out)
		return
	}
	answer, err := frame.Parse(out[head:])
	if err != nil || answer.Verify() != nil {
		r.t.Errorf("%s: the answer % x is broken: %v", name, out, err)
		return
	}
	ip, tags := 14, 0
	for frame.IsTag(binary.BigEndian.Uint16(in[ip-2:])) {
		ip, tags = ip+4, tags+4
	}
	mtu := 0
	switch {
	case answer.ICMP != nil:
		mtu = int(binary.BigEndian.Uint16(answer.ICMP.Rest[2:]))
	case answer.ICMPv6 != nil:
		mtu = int(binary.BigEndian.Uint32(answer.ICMPv6.Rest[:]))
	}
	if want := limit - 14 - tags; mtu != want {
		r.t.Errorf("%s: told an MTU of %d, want %d", name, mtu, want)
	}
	if !bytes.HasPrefix(in[ip:], answer.Payload) || len(answer.Payload) < 68 {
		r.t.Errorf("%s: quotes % x of % x", name, answer.Payload, in[ip:])
	}
	if tagged := head + 12 + tags; tags > 0 && !bytes.Equal(out[tagged-tags:tagged], in[12:ip-2]) {
		r.t.Errorf("%s: the answer % x has not the tags % x", name, out, in[12:ip-2])
	}
}
