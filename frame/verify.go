// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrChecksum is the cause of every fault that Verify and VerifyTunnel find in a frame that parses.
var ErrChecksum = errors.New("wrong checksum")

// Verify checks every checksum of a frame: the IPv4 header's, and that of UDP, TCP, ICMP or ICMPv6 with
// its pseudo header. A fragment's transport checksum cannot be checked. UDP over IPv4 may have none; over IPv6
// it may not (RFC 8200 §8.1). A frame without IP has nothing to check.
func Verify(b []byte) error {
	p, err := Parse(b)
	if err != nil {
		return err
	}
	return p.Verify()
}

// VerifyTunnel checks a VXLAN packet: the outer headers as Verify does, except that a zero UDP checksum is
// allowed over IPv6 too (RFC 6935), and all checksums of the frame inside.
func VerifyTunnel(b []byte) error {
	t, err := ParseVXLAN(b)
	if err != nil {
		return err
	}
	if sum, _ := t.Outer.UDP.Checksum.Get(); sum == 0 {
		err = t.Outer.verifyHeader()
	} else {
		err = t.Outer.Verify()
	}
	if err != nil {
		return fmt.Errorf("outer packet: %w", err)
	}
	if err := Verify(t.Inner); err != nil {
		return fmt.Errorf("inner frame: %w", err)
	}
	return nil
}

// Verify checks the checksums of a frame that was read, as the function Verify does.
func (p *Parsed) Verify() error {
	if err := p.verifyHeader(); err != nil {
		return err
	}
	switch {
	case p.UDP != nil:
		return p.verifyUDP()
	case p.TCP != nil:
		return p.verifySegment("TCP", ProtocolTCP)
	case p.ICMPv6 != nil:
		return p.verifySegment("ICMPv6", ProtocolICMPv6)
	case p.ICMP != nil && fold(sum16(0, p.segment)) != 0:
		return fmt.Errorf("verify ICMP: %w", ErrChecksum)
	}
	return nil
}

func (p *Parsed) verifyHeader() error {
	if p.IPv4 == nil {
		return nil
	}
	header := Stack(*p.IPv4).Bytes()
	if sum := fold(sum16(0, header)); sum != 0 {
		return fmt.Errorf("verify IPv4 header: %w", ErrChecksum)
	}
	return nil
}

func (p *Parsed) verifyUDP() error {
	length := int(binary.BigEndian.Uint16(p.segment[4:]))
	if length != len(p.segment) {
		return fmt.Errorf("verify UDP: length %d of %d bytes", length, len(p.segment))
	}
	if sum, _ := p.UDP.Checksum.Get(); sum == 0 && p.IPv4 != nil {
		return nil
	}
	return p.verifySegment("UDP", ProtocolUDP)
}

func (p *Parsed) verifySegment(name string, protocol uint8) error {
	src, dst := p.Addrs()
	sum := pseudo(src.AsSlice(), dst.AsSlice(), protocol, len(p.segment))
	if fold(sum16(sum, p.segment)) != 0 {
		return fmt.Errorf("verify %s %v to %v: %w", name, src, dst, ErrChecksum)
	}
	return nil
}
