// SPDX-License-Identifier: Apache-2.0

// Package pcapng writes captures that Wireshark and tshark open: the format of
// draft-ietf-opsawg-pcapng, one section, Ethernet only, nanoseconds, and a comment on every packet that
// deserves one.
package pcapng

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Block types and options of draft-ietf-opsawg-pcapng, sections 4.1 to 4.3, 4.6 and 3.5.
const (
	blockSection    = 0x0a0d0d0a
	blockInterface  = 1
	blockStatistics = 5 // of an interface
	blockPacket     = 6 // enhanced packet

	optionEnd         = 0
	optionComment     = 1
	optionApplication = 4 // of a section
	optionName        = 2 // of an interface
	optionDescription = 3
	optionResolution  = 9
	optionFlags       = 2 // of a packet
	optionReceived    = 4 // of statistics
	optionLost        = 5

	flagInbound = 1

	byteOrder    = 0x1a2b3c4d
	linkEthernet = 1
	nanoseconds  = 9 // 10^-9 s a unit of time

	// optionLimit is the most bytes that an option's length field holds, less its padding.
	optionLimit = 1<<16 - 4
)

// Packet is one captured frame.
type Packet struct {
	At      time.Time
	Size    int    // bytes on the wire; at least as many as Bytes holds
	Bytes   []byte // the first of them
	Comment string // for people; empty: none
	ToCloud bool   // it came from the customer: inbound, as the circuit sees it
}

// Writer writes one section with one interface, onto which every packet was captured. It keeps the first
// error, and writes nothing after it. Not safe for concurrent use.
type Writer struct {
	out io.Writer
	err error
}

// NewWriter begins a capture: application says who captured, name and description what. SnapLen is the
// most bytes of a frame that are kept; 0: no limit.
func NewWriter(out io.Writer, application, name, description string, snapLen uint32) (*Writer, error) {
	w := &Writer{out: out}
	b := block{}
	b.u32(byteOrder)
	b.u16(1) // version 1.0
	b.u16(0)
	b.u32(0xffffffff) // the section's length is unknown: −1 in 64 bits
	b.u32(0xffffffff)
	b.text(optionApplication, application)
	w.write(blockSection, b)

	b = block{}
	b.u16(linkEthernet)
	b.u16(0)
	b.u32(snapLen)
	b.text(optionName, name)
	b.text(optionDescription, description)
	b.option(optionResolution, []byte{nanoseconds})
	w.write(blockInterface, b)
	return w, w.err
}

// Write appends one packet.
func (w *Writer) Write(p Packet) error {
	if w.err != nil {
		return w.err
	}
	at := uint64(p.At.UnixNano())
	b := block{}
	b.u32(0) // the only interface
	b.u32(uint32(at >> 32))
	b.u32(uint32(at))
	b.u32(uint32(len(p.Bytes)))
	b.u32(uint32(max(p.Size, len(p.Bytes))))
	b.padded(p.Bytes)
	b.text(optionComment, p.Comment)
	if p.ToCloud {
		b.option(optionFlags, binary.LittleEndian.AppendUint32(nil, flagInbound))
	}
	w.write(blockPacket, b)
	return w.err
}

// Statistics says how many packets there were so far, and how many of them are not in the capture. The last word
// counts.
func (w *Writer) Statistics(at time.Time, received, lost uint64) error {
	stamp := uint64(at.UnixNano())
	b := block{}
	b.u32(0)
	b.u32(uint32(stamp >> 32))
	b.u32(uint32(stamp))
	b.option(optionReceived, binary.LittleEndian.AppendUint64(nil, received))
	b.option(optionLost, binary.LittleEndian.AppendUint64(nil, lost))
	w.write(blockStatistics, b)
	return w.err
}

func (w *Writer) write(kind uint32, b block) {
	if w.err != nil {
		return
	}
	if _, err := w.out.Write(b.enclosed(kind)); err != nil {
		w.err = fmt.Errorf("write capture: %w", err)
	}
}

// block is a block's body while it is put together. Fields stand before options. Numbers are
// little-endian: the section's byte order is the writer's choice.
type block struct {
	bytes.Buffer
	options bool
}

func (b *block) u16(n uint16) { b.Write(binary.LittleEndian.AppendUint16(nil, n)) }
func (b *block) u32(n uint32) { b.Write(binary.LittleEndian.AppendUint32(nil, n)) }

// padded writes data up to the next multiple of four bytes.
func (b *block) padded(data []byte) {
	b.Write(data)
	b.Write(make([]byte, -len(data)&3))
}

func (b *block) option(code uint16, value []byte) {
	b.options = true
	b.u16(code)
	b.u16(uint16(len(value)))
	b.padded(value)
}

// text writes an option of text, which must be UTF-8. An empty one is left out, a long one cut short.
func (b *block) text(code uint16, text string) {
	if text == "" {
		return
	}
	value := bytes.ToValidUTF8([]byte(text), []byte("�"))
	if len(value) > optionLimit {
		value = value[:optionLimit]
		for !utf8.Valid(value) {
			value = value[:len(value)-1]
		}
	}
	b.option(code, value)
}

// enclosed is the whole block: type, length, body, and the length again.
func (b *block) enclosed(kind uint32) []byte {
	if b.options {
		b.u32(optionEnd)
	}
	length := uint32(b.Len() + 12)
	out := make([]byte, 0, length)
	out = binary.LittleEndian.AppendUint32(out, kind)
	out = binary.LittleEndian.AppendUint32(out, length)
	out = append(out, b.Bytes()...)
	return binary.LittleEndian.AppendUint32(out, length)
}

// Verdict is the comment of a packet that a gateway judged: the direction, and why it was dropped; an
// empty reason means that it was forwarded.
func Verdict(direction, reason string) string {
	if reason == "" {
		return direction + ", forwarded"
	}
	return direction + ", dropped: " + reason
}
