// SPDX-License-Identifier: Apache-2.0

package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var at = time.Date(2026, 11, 27, 10, 11, 12, 123456789, time.UTC)

func frame(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func capture(t *testing.T, packets ...Packet) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, "drawbridge test", "acme", "extension acme, eth2 2301", 256)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// rawBlock is one block as a strict reader of the draft finds it.
type rawBlock struct {
	kind    uint32
	fields  []byte // before the options
	options map[uint16]string
}

// readStrictly splits a capture and checks all that the draft says of lengths, padding and order.
func readStrictly(data []byte) ([]rawBlock, error) {
	var out []rawBlock
	for len(data) > 0 {
		if len(data) < 12 {
			return nil, errors.New("a block is cut short")
		}
		kind, length := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
		if length < 12 || length%4 != 0 || int(length) > len(data) {
			return nil, fmt.Errorf("a block of type %d has the length %d of %d", kind, length, len(data))
		}
		if again := binary.LittleEndian.Uint32(data[length-4:]); again != length {
			return nil, fmt.Errorf("lengths %d and %d differ", length, again)
		}
		b, err := readBody(kind, data[8:length-4])
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		data = data[length:]
	}
	return out, nil
}

func readBody(kind uint32, body []byte) (rawBlock, error) {
	fixed := map[uint32]int{blockSection: 16, blockInterface: 8, blockPacket: 20, blockStatistics: 12}[kind]
	if fixed == 0 || len(body) < fixed {
		return rawBlock{}, fmt.Errorf("type %d with %d bytes", kind, len(body))
	}
	if kind == blockPacket {
		captured := int(binary.LittleEndian.Uint32(body[12:]))
		padded := (captured + 3) &^ 3
		for _, b := range body[fixed+captured : fixed+padded] {
			if b != 0 {
				return rawBlock{}, errors.New("padding is not zero")
			}
		}
		fixed += padded
	}
	options, err := readOptions(body[fixed:])
	return rawBlock{kind, body[:fixed], options}, err
}

func readOptions(data []byte) (map[uint16]string, error) {
	out := map[uint16]string{}
	for len(data) > 0 {
		code, length := binary.LittleEndian.Uint16(data), int(binary.LittleEndian.Uint16(data[2:]))
		if code == optionEnd {
			if length != 0 || len(data) != 4 {
				return nil, errors.New("something follows the end of options")
			}
			return out, nil
		}
		if _, twice := out[code]; twice {
			return nil, fmt.Errorf("option %d is there twice", code)
		}
		out[code] = string(data[4 : 4+length])
		data = data[4+(length+3)&^3:]
	}
	if len(out) > 0 {
		return nil, errors.New("options without an end")
	}
	return out, nil
}

func TestACaptureHoldsToTheFormat(t *testing.T) {
	packets := []Packet{
		{At: at, Size: 60, Bytes: frame(60), Comment: "to-cloud: forwarded"},
		{At: at.Add(time.Microsecond), Size: 1514, Bytes: frame(129), Comment: "to-customer: storm-broadcast"},
		{At: at.Add(time.Hour), Size: 14, Bytes: frame(14)},
	}
	blocks, err := readStrictly(capture(t, packets...))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []uint32
	for _, b := range blocks {
		kinds = append(kinds, b.kind)
	}
	if diff := cmp.Diff([]uint32{blockSection, blockInterface, blockPacket, blockPacket, blockPacket}, kinds); diff != "" {
		t.Fatal(diff)
	}
	head := []byte{0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}
	if !bytes.Equal(blocks[0].fields, head) || blocks[0].options[optionApplication] != "drawbridge test" {
		t.Errorf("section %x %v", blocks[0].fields, blocks[0].options)
	}
	want := map[uint16]string{optionName: "acme", optionDescription: "extension acme, eth2 2301", optionResolution: "\x09"}
	if diff := cmp.Diff(want, blocks[1].options); diff != "" || !bytes.Equal(blocks[1].fields, []byte{1, 0, 0, 0, 0, 1, 0, 0}) {
		t.Errorf("interface %x\n%s", blocks[1].fields, diff)
	}
	for i, p := range packets {
		b := blocks[2+i]
		if got := b.options[optionComment]; got != p.Comment {
			t.Errorf("packet %d has the comment %q, want %q", i, got, p.Comment)
		}
		f := b.fields
		stamp := uint64(binary.LittleEndian.Uint32(f[4:]))<<32 | uint64(binary.LittleEndian.Uint32(f[8:]))
		if stamp != uint64(p.At.UnixNano()) || int(binary.LittleEndian.Uint32(f[16:])) != p.Size || !bytes.HasPrefix(f[20:], p.Bytes) {
			t.Errorf("packet %d is %x", i, f)
		}
	}
}

func TestCommentsAreMadeToFit(t *testing.T) {
	for _, comment := range []string{strings.Repeat("é", 40000), "bad \xff byte"} {
		blocks, err := readStrictly(capture(t, Packet{At: at, Size: 1, Bytes: frame(1), Comment: comment}))
		if err != nil {
			t.Fatal(err)
		}
		got := blocks[2].options[optionComment]
		if got == "" || len(got) > optionLimit || !utf8.ValidString(got) {
			t.Errorf("comment of %d bytes became %d bytes", len(comment), len(got))
		}
	}
}

func TestSizeIsNeverBelowWhatWasCaptured(t *testing.T) {
	blocks, err := readStrictly(capture(t, Packet{At: at, Size: 3, Bytes: frame(60)}))
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint32(blocks[2].fields[16:]); got != 60 {
		t.Errorf("size %d, want 60", got)
	}
}

// full takes so many bytes and no more.
type full struct{ room int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestTheFirstErrorStays(t *testing.T) {
	if _, err := NewWriter(&full{10}, "a", "b", "c", 0); !errors.Is(err, errFull) {
		t.Errorf("error %v, want the writer's", err)
	}
	disk := &full{200}
	w, err := NewWriter(disk, "a", "b", "c", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(Packet{At: at, Bytes: frame(200)}); !errors.Is(err, errFull) {
		t.Errorf("error %v, want the writer's", err)
	}
	disk.room = 1 << 20
	if err := w.Write(Packet{At: at, Bytes: frame(1)}); !errors.Is(err, errFull) {
		t.Errorf("a packet was written behind a torn one: %v", err)
	}
}

func FuzzComment(f *testing.F) {
	f.Add("to-cloud: forwarded", []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, comment string, data []byte) {
		var out bytes.Buffer
		w, err := NewWriter(&out, "", "", comment, 0)
		if err == nil {
			err = w.Write(Packet{At: at, Size: len(data), Bytes: data, Comment: comment})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readStrictly(out.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}
