// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/drawbridge-l2/drawbridge/frame"
)

func TestIPv6Chains(t *testing.T) {
	lightSuite(t, []part{{"length", chainLength}, {"ends", chainEnds}, {"cut off", chainCutOff}, {"fragments", fragments}, {"fragmented ND", fragmentedND}})
}

var (
	echo6   = []frame.Layer{frame.ICMPv6{Type: frame.EchoRequest6}, frame.Raw(make([]byte, 8))}
	options = frame.DestinationOptions(1, 4, 0, 0, 0, 0)
)

// chain is an IPv6 frame with these headers.
func chain(layers ...frame.Layer) []byte {
	return ethernet(macVM, macHost, append([]frame.Layer{frame.IPv6{Src: peerB6, Dst: vtep6}}, layers...)...)
}

func (r *rig) chain(name, want string, layers ...frame.Layer) {
	r.t.Helper()
	in := chain(layers...)
	r.bothWays(name, in, swapped(in), want)
}

func repeated(l frame.Layer, n int, end ...frame.Layer) []frame.Layer {
	return append(slices.Repeat([]frame.Layer{l}, n), end...)
}

func chainLength(_ *testing.T, r *rig) {
	r.statics()
	kinds := map[string]frame.Layer{
		"hop-by-hop": frame.HopByHop(1, 4, 0, 0, 0, 0), "destination options": options, "routing": frame.Routing(4), "authentication": frame.Auth{},
		"130-byte options": frame.DestinationOptions(make([]byte, 128)...),
	}
	for name, header := range kinds {
		for n := range 12 {
			want := "sent"
			if n > 8 {
				want = "malformed"
			}
			r.chain(fmt.Sprintf("%d × %s and echo", n, name), want, repeated(header, n, echo6...)...)
			r.chain(fmt.Sprintf("%d × %s and UDP", n, name), want, repeated(header, n, frame.UDP{}, frame.Raw("abcd"))...)
			r.chain(fmt.Sprintf("%d × %s and ESP", n, name), want, repeated(header, n, frame.ESP{}, frame.Raw(make([]byte, 20)))...)
		}
	}
	for _, next := range []uint32{135, 139, 140} { // Mobility, HIP, Shim6: extension headers by IANA's list
		h := frame.Extension{Header: uint8(next), Body: make([]byte, 6)}
		r.chain(fmt.Sprintf("9 × header %d", next), "malformed", repeated(h, 9, echo6...)...)
		r.chain(fmt.Sprintf("8 × header %d", next), "sent", repeated(h, 8, echo6...)...)
	}
}

func chainEnds(_ *testing.T, r *rig) {
	r.statics()
	for next := range 256 {
		switch next {
		case 0, 43, 44, 51, 60, 135, 139, 140: // extension headers
			continue
		}
		for _, n := range []int{0, 1, 8} {
			last := options
			layers := repeated(options, n, frame.Raw(make([]byte, 40)))
			h := frame.IPv6{Src: peerB6, Dst: vtep6}
			if n == 0 {
				h.NextHeader = frame.Set(uint32(next))
			} else {
				last.NextHeader = frame.Set(uint32(next))
				layers[n-1] = last
			}
			in := ethernet(macVM, macHost, append([]frame.Layer{h}, layers...)...)
			r.bothWays(fmt.Sprintf("upper header %d behind %d headers", next, n), in, swapped(in), "sent")
		}
	}
	r.chain("IPv6 in IPv6", "sent", frame.IPv6{})
	r.chain("nothing follows", "sent")
}

// The whole chain, upper header included, is there or the frame is malformed.
func chainCutOff(_ *testing.T, r *rig) {
	r.statics()
	ends := map[string][]frame.Layer{"echo": echo6, "TCP": {frame.TCP{}}, "UDP": {frame.UDP{}}}
	least := map[string]int{"echo": 4, "TCP": 20, "UDP": 8}
	for name, end := range ends {
		for n := 1; n < 4; n++ {
			whole := frame.Stack(repeated(options, n, end...)...).Bytes()
			for size := range whole {
				want := "malformed"
				if size >= n*8+least[name] {
					want = "sent"
				}
				h := frame.IPv6{Src: peerB6, Dst: vtep6, NextHeader: frame.Set(frame.ProtocolDestination)}
				in := ethernet(macVM, macHost, h, frame.Raw(whole[:size]))
				r.bothWays(fmt.Sprintf("%d of %d bytes of %d headers and %s", size, len(whole), n, name), in, swapped(in), want)
			}
		}
	}
	long := frame.Extension{Header: frame.ProtocolDestination, Body: make([]byte, 6), Length: frame.Set(255)}
	r.chain("a header longer than the packet", "malformed", append([]frame.Layer{long}, echo6...)...)
}

// RFC 7113 §2.1 and RFC 7112: a first fragment has the whole chain. Later fragments pass.
func fragments(_ *testing.T, r *rig) {
	r.statics()
	first := frame.Fragment{More: true, ID: 1}
	upper := []frame.Layer{frame.UDP{}, frame.Raw(make([]byte, 8))}
	r.chain("first with the whole chain", "sent", append([]frame.Layer{first}, upper...)...)
	r.chain("first with options and the whole chain", "sent", append([]frame.Layer{first, options}, upper...)...)
	r.chain("first with echo", "sent", append([]frame.Layer{first}, echo6...)...)
	r.chain("first with ESP", "sent", first, frame.ESP{}, frame.Raw(make([]byte, 8)))
	r.chain("first with half a UDP header", "malformed", frame.Fragment{More: true, NextHeader: frame.Set(17)}, frame.Raw(make([]byte, 7)))
	r.chain("first with half a TCP header", "malformed", frame.Fragment{More: true, NextHeader: frame.Set(6)}, frame.Raw(make([]byte, 16)))
	r.chain("first that ends in the chain", "malformed", frame.Fragment{More: true, NextHeader: frame.Set(60)}, frame.Extension{Header: 60, Body: make([]byte, 6), NextHeader: frame.Set(17)})
	r.chain("first without anything", "malformed", frame.Fragment{More: true, NextHeader: frame.Set(58)})
	r.chain("atomic", "sent", append([]frame.Layer{frame.Fragment{ID: 1}}, upper...)...)
	r.chain("atomic without the whole chain", "malformed", frame.Fragment{NextHeader: frame.Set(17)}, frame.Raw(make([]byte, 4)))
	for _, offset := range []uint16{1, 31, 32, 255, 8191} {
		for _, more := range []bool{false, true} {
			later := frame.Fragment{Offset: offset, More: more, NextHeader: frame.Set(17)}
			r.chain(fmt.Sprintf("later, offset %d, more %t", offset, more), "sent", later, frame.Raw(make([]byte, 3)))
		}
	}
}

// RFC 6980 §5: ND and RA are never fragmented; an atomic fragment is one too.
func fragmentedND(_ *testing.T, r *rig) {
	r.statics()
	body := frame.Raw(make([]byte, 24))
	for kind := range 256 {
		want := "sent"
		if kind >= 133 && kind <= 137 || kind == 148 {
			want = "malformed"
		}
		if kind == 149 {
			continue // RFC 6980 §5 leaves certification path advertisements to the receiver
		}
		message := frame.ICMPv6{Type: uint8(kind)}
		if kind < 128 || kind > 159 { // none of them is ND
			r.chain(fmt.Sprintf("ICMPv6 %d, first fragment", kind), want, frame.Fragment{More: true}, message, body)
			continue
		}
		r.chain(fmt.Sprintf("ICMPv6 %d whole", kind), "sent", message, body)
		r.chain(fmt.Sprintf("ICMPv6 %d behind options", kind), "sent", options, message, body)
		r.chain(fmt.Sprintf("ICMPv6 %d, first fragment", kind), want, frame.Fragment{More: true}, message, body)
		r.chain(fmt.Sprintf("ICMPv6 %d, atomic fragment", kind), want, frame.Fragment{}, message, body)
		r.chain(fmt.Sprintf("ICMPv6 %d, fragment and options", kind), want, options, frame.Fragment{}, options, message, body)
	}
	target := netip.MustParseAddr("fe80::2")
	in := frame.Solicit(macHost, netip.MustParseAddr("fe80::1"), target).Bytes()
	r.expect("neighbour solicitation", "eth2", r.onCircuit(in), "sent")
	in = frame.RouterAdvert(macHost, target, 1800).Bytes()
	r.expect("router advertisement", "eth2", r.onCircuit(in), "sent")
	in = frame.Advertise(macHost, target, macVM, vtep6).Bytes()
	r.expect("neighbour advertisement", "eth2", r.onCircuit(in), "sent")
}
