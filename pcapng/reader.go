// SPDX-License-Identifier: Apache-2.0

package pcapng

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The magic numbers of the older format, as a little-endian reader sees them: microseconds and nanoseconds.
const (
	classicMicro = 0xa1b2c3d4
	classicNano  = 0xa1b23c4d
)

// maxCaptured is the most bytes of a packet that are read.
const maxCaptured = 1 << 18

// Reader reads Ethernet packets out of a capture in pcapng, or in the older pcap format that tcpdump writes.
type Reader struct {
	in    *bufio.Reader
	order binary.ByteOrder
	next  func() (Packet, error)

	unit       time.Duration // of the older format's time stamps
	interfaces []captured    // of the section
}

// captured is an interface of a capture.
type captured struct {
	link  uint16
	units uint64 // of time stamps, a second
}

// NewReader looks at the beginning of a capture.
func NewReader(r io.Reader) (*Reader, error) {
	c := &Reader{in: bufio.NewReader(r)}
	magic, err := c.in.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("read capture: %w", noEOF(err))
	}
	if binary.LittleEndian.Uint32(magic) == blockSection {
		c.next = c.nextBlock
		return c, nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(magic) {
		case classicMicro:
			c.unit = time.Microsecond
		case classicNano:
			c.unit = time.Nanosecond
		default:
			continue
		}
		c.order, c.next = order, c.nextClassic
		return c, c.classicHeader()
	}
	return nil, errors.New("read capture: it is neither pcapng nor pcap")
}

// Next returns the next packet; io.EOF: there are no more.
func (c *Reader) Next() (Packet, error) {
	p, err := c.next()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read capture: %w", err)
	}
	return p, err
}

func (c *Reader) classicHeader() error {
	h := make([]byte, 24)
	if _, err := io.ReadFull(c.in, h); err != nil {
		return fmt.Errorf("read capture: %w", noEOF(err))
	}
	if link := c.order.Uint32(h[20:]) & 0xffff; link != linkEthernet {
		return fmt.Errorf("read capture: link type %d is not Ethernet", link)
	}
	return nil
}

func (c *Reader) nextClassic() (Packet, error) {
	h := make([]byte, 16)
	if _, err := io.ReadFull(c.in, h); err != nil {
		return Packet{}, err
	}
	size := c.order.Uint32(h[8:])
	if size > maxCaptured {
		return Packet{}, fmt.Errorf("a packet of %d bytes", size)
	}
	p := Packet{
		At:   time.Unix(int64(c.order.Uint32(h)), 0).Add(time.Duration(c.order.Uint32(h[4:])) * c.unit).UTC(),
		Size: int(c.order.Uint32(h[12:])), Bytes: make([]byte, size),
	}
	_, err := io.ReadFull(c.in, p.Bytes)
	return p, noEOF(err)
}

// nextBlock passes over blocks that are no packets.
func (c *Reader) nextBlock() (Packet, error) {
	for {
		kind, body, err := c.readBlock()
		if err != nil {
			return Packet{}, err
		}
		switch kind {
		case blockSection:
			c.interfaces = nil
		case blockInterface:
			err = c.addInterface(body)
		case blockPacket:
			return c.packet(body)
		}
		if err != nil {
			return Packet{}, err
		}
	}
}

// readBlock reads a block's type and body. A section says by what byte order it goes on.
func (c *Reader) readBlock() (kind uint32, body []byte, err error) {
	h := make([]byte, 12)
	if _, err := io.ReadFull(c.in, h[:8]); err != nil {
		return 0, nil, err
	}
	if binary.LittleEndian.Uint32(h) == blockSection {
		if _, err := io.ReadFull(c.in, h[8:]); err != nil {
			return 0, nil, noEOF(err)
		}
		c.order = binary.BigEndian
		if binary.LittleEndian.Uint32(h[8:]) == byteOrder {
			c.order = binary.LittleEndian
		} else if c.order.Uint32(h[8:]) != byteOrder {
			return 0, nil, errors.New("a section of no byte order")
		}
	} else {
		h = h[:8]
	}
	if c.order == nil {
		return 0, nil, errors.New("a block before the section")
	}
	length := c.order.Uint32(h[4:])
	if length < 12 || length%4 != 0 || length > maxBlock || int(length) < len(h)+4 {
		return 0, nil, fmt.Errorf("a block of %d bytes", length)
	}
	rest := make([]byte, int(length)-len(h))
	if _, err := io.ReadFull(c.in, rest); err != nil {
		return 0, nil, noEOF(err)
	}
	body = rest[:len(rest)-4]
	if again := c.order.Uint32(rest[len(body):]); again != length {
		return 0, nil, fmt.Errorf("a block's lengths are %d and %d", length, again)
	}
	return c.order.Uint32(h), body, nil
}

func (c *Reader) addInterface(body []byte) error {
	if len(body) < 8 {
		return errors.New("an interface that is cut short")
	}
	i := captured{link: c.order.Uint16(body), units: 1_000_000}
	if value := c.option(body[8:], optionResolution); len(value) == 1 {
		i.units = unitsOf(value[0])
	}
	if i.units == 0 {
		return errors.New("an interface whose time stamps are finer than can be told")
	}
	c.interfaces = append(c.interfaces, i)
	return nil
}

// unitsOf is a resolution in units a second: a power of ten, or of two when the highest bit is set.
func unitsOf(resolution byte) uint64 {
	base, power := uint64(10), int(resolution)
	if resolution&0x80 != 0 {
		base, power = 2, int(resolution&0x7f)
	}
	if base == 10 && power > 18 || power > 62 {
		return 0
	}
	units := uint64(1)
	for range power {
		units *= base
	}
	return units
}

func (c *Reader) option(options []byte, wanted uint16) []byte {
	for len(options) >= 4 {
		code, size := c.order.Uint16(options), int(c.order.Uint16(options[2:]))
		if code == optionEnd || 4+size > len(options) {
			return nil
		}
		if code == wanted {
			return options[4 : 4+size]
		}
		options = options[min(len(options), 4+(size+3)&^3):]
	}
	return nil
}

func (c *Reader) packet(body []byte) (Packet, error) {
	if len(body) < 20 {
		return Packet{}, errors.New("a packet that is cut short")
	}
	number, size := c.order.Uint32(body), c.order.Uint32(body[12:])
	padded := (uint64(size) + 3) &^ 3
	if uint64(number) >= uint64(len(c.interfaces)) || padded > uint64(len(body)-20) {
		return Packet{}, fmt.Errorf("a packet of interface %d with %d bytes", number, size)
	}
	i := c.interfaces[number]
	if i.link != linkEthernet {
		return Packet{}, fmt.Errorf("link type %d is not Ethernet", i.link)
	}
	stamp := uint64(c.order.Uint32(body[4:]))<<32 | uint64(c.order.Uint32(body[8:]))
	rest := float64(stamp%i.units) / float64(i.units) * float64(time.Second)
	if i.units <= uint64(time.Second) && uint64(time.Second)%i.units == 0 {
		rest = float64(stamp % i.units * (uint64(time.Second) / i.units))
	}
	options := body[20+padded:]
	p := Packet{
		At: time.Unix(int64(stamp/i.units), int64(rest)).UTC(), Size: int(c.order.Uint32(body[16:])), Bytes: body[20 : 20+size],
		Comment: string(c.option(options, optionComment)),
	}
	if flags := c.option(options, optionFlags); len(flags) == 4 {
		p.ToCloud = c.order.Uint32(flags)&3 == flagInbound
	}
	return p, nil
}
