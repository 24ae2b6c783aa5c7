// SPDX-License-Identifier: Apache-2.0

package frame

// Layer is one header, or the payload at the end. The types of this package are the closed set.
type Layer interface {
	// encode returns the header's bytes followed by s.payload.
	encode(s stack) []byte
}

// stack is what a header sees of its packet while it is built, from the last header to the first.
type stack struct {
	below   []Layer // nearer to the wire, outermost first
	above   Layer   // the next header, nil at the end
	payload []byte  // what follows this header, built
}

// Packet is a stack of layers, the outermost first. The zero value is empty.
type Packet struct {
	layers []Layer
	size   int
}

// Stack makes a packet of any layers. Most packets start with Ethernet.With instead.
func Stack(layers ...Layer) Packet { return Packet{layers: layers} }

// With returns the packet with more layers behind its own.
func (p Packet) With(layers ...Layer) Packet {
	p.layers = append(p.layers[:len(p.layers):len(p.layers)], layers...)
	return p
}

// Padded returns the packet with zero bytes behind it up to size bytes, as a NIC pads to 60.
func (p Packet) Padded(size int) Packet {
	p.size = size
	return p
}

// Bytes builds the packet.
func (p Packet) Bytes() []byte {
	var payload []byte
	var above Layer
	for i := len(p.layers) - 1; i >= 0; i-- {
		payload = p.layers[i].encode(stack{below: p.layers[:i], above: above, payload: payload})
		above = p.layers[i]
	}
	if missing := p.size - len(payload); missing > 0 {
		payload = append(payload, make([]byte, missing)...)
	}
	return payload
}

// Raw is payload, or a header that this package does not know.
type Raw []byte

func (r Raw) encode(s stack) []byte { return append(append([]byte(nil), r...), s.payload...) }

// Field is a header field that the builder fills in, unless it was Set. The zero value is filled in.
type Field struct {
	value uint32
	set   bool
}

// Set fixes a field's value, right or wrong. Bits that the field does not have are cut off.
func Set(value uint32) Field { return Field{value: value, set: true} }

// Get is the value that was set, and whether one was.
func (f Field) Get() (uint32, bool) { return f.value, f.set }

func (f Field) or(value uint32) uint32 {
	if f.set {
		return f.value
	}
	return value
}

func (f Field) or16(value uint16) uint16 { return uint16(f.or(uint32(value))) }

func (f Field) or8(value uint8) uint8 { return uint8(f.or(uint32(value))) }
