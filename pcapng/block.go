// SPDX-License-Identifier: Apache-2.0

package pcapng

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxBlock is the most bytes of a block that are read.
const maxBlock = 16 << 20

// ReadBlock reads one whole block of a capture that Writer wrote. io.EOF: there are no more.
func ReadBlock(r io.Reader) ([]byte, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(head[4:])
	if length < 12 || length%4 != 0 || length > maxBlock {
		return nil, fmt.Errorf("a block of %d bytes", length)
	}
	b := append(head, make([]byte, length-8)...)
	if _, err := io.ReadFull(r, b[8:]); err != nil {
		return nil, noEOF(err)
	}
	if again := binary.LittleEndian.Uint32(b[length-4:]); again != length {
		return nil, fmt.Errorf("a block's lengths are %d and %d", length, again)
	}
	return b, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// IsPacket reports whether a block of Writer is a packet.
func IsPacket(block []byte) bool {
	return len(block) >= 12 && binary.LittleEndian.Uint32(block) == blockPacket
}

// StatisticsOf reads a block of Writer.Statistics; ok is false when it is another block.
func StatisticsOf(block []byte) (received, lost uint64, ok bool) {
	if len(block) < 24 || binary.LittleEndian.Uint32(block) != blockStatistics {
		return 0, 0, false
	}
	for o := block[20 : len(block)-4]; len(o) >= 4; {
		code, size := binary.LittleEndian.Uint16(o), int(binary.LittleEndian.Uint16(o[2:]))
		next := 4 + (size+3)&^3
		if next > len(o) {
			return 0, 0, false
		}
		switch {
		case code == optionReceived && size == 8:
			received = binary.LittleEndian.Uint64(o[4:])
		case code == optionLost && size == 8:
			lost = binary.LittleEndian.Uint64(o[4:])
		}
		o = o[next:]
	}
	return received, lost, true
}
