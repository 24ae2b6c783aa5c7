// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/drawbridge-l2/drawbridge/l2"
)

// Flood lets wanted floods pass the storm guards.
type Flood struct {
	Allow []MACPrefix
	Rate  PacketRate // of all of them together, in each direction
}

// MACPrefix is a set of destination addresses: those whose first Bits bits are MAC's. It compares.
type MACPrefix struct {
	MAC  l2.MAC // bits behind the prefix are zero
	Bits uint8  // 1 to 48
}

// Contains reports whether m is one of the addresses.
func (p MACPrefix) Contains(m l2.MAC) bool { return firstBits(m, p.Bits) == p.MAC }

// String prints an address for 48 bits, else address/bits.
func (p MACPrefix) String() string {
	if p.Bits == macBits {
		return p.MAC.String()
	}
	return fmt.Sprintf("%s/%d", p.MAC, p.Bits)
}

// maxFloodPrefixes is the most destinations of flood.allow: each frame that floods is held against all.
const maxFloodPrefixes = 32

// macBits is how many bits a MAC address has.
const macBits = 48

var prefixAllowed = fmt.Sprintf("a destination MAC address, a beginning such as 03:bf:*, or address/bits such as 01:00:5e:10:00:00/24, with 1 to %d bits,", macBits)

func (g *guardReader) flood(path string, n *node) {
	g.mapping(path, n, []field{
		{key: "allow", read: g.floodAllow},
		value(g.reader, "rate", packetRateAllowed, parsePacketRate, &g.guard.Flood.Rate),
	})
}

func (g *guardReader) floodAllow(path string, n *node) {
	seen := map[MACPrefix]place{}
	for _, item := range g.items(path, n, "MAC addresses") {
		var p MACPrefix
		if !read(g.reader, path, item, prefixAllowed, parsePrefix, &p) {
			continue
		}
		if first, twice := seen[p]; twice {
			g.add(item.at, "%s: %s is there twice, first %s: once is allowed", path, show(item.text), g.where(first))
			continue
		}
		seen[p] = item.at
		if len(seen) == maxFloodPrefixes+1 {
			g.add(item.at, "%s: more than %d destinations were found: at most that many are allowed", path, maxFloodPrefixes)
		}
		g.guard.Flood.Allow = append(g.guard.Flood.Allow, p)
	}
}

// parsePrefix reads "03:bf:*", "01:00:5e:10:00:00/24" or a whole address. As in CIDR notation, bits
// behind the prefix do not count.
func parsePrefix(s string) (MACPrefix, error) {
	if beginning, ok := strings.CutSuffix(s, ":*"); ok {
		return parseBeginning(s, beginning)
	}
	address, length, ok := strings.Cut(s, "/")
	mac, err := parseMAC(address)
	if err != nil {
		return MACPrefix{}, fmt.Errorf("%s is not a MAC address or a beginning of one", show(s))
	}
	bits := uint8(macBits)
	if ok {
		if bits, err = numberIn[uint8](1, macBits)(length); err != nil {
			return MACPrefix{}, fmt.Errorf("%s: the length %w", show(s), err)
		}
	}
	if mac == l2.Broadcast && bits == macBits {
		return MACPrefix{}, fmt.Errorf("%s is broadcast, which storm.broadcast limits", s)
	}
	return MACPrefix{MAC: firstBits(mac, bits), Bits: bits}, nil
}

// parseBeginning reads one to five whole octets.
func parseBeginning(s, beginning string) (MACPrefix, error) {
	octets := strings.Count(beginning, ":") + 1
	if octets > 5 {
		return MACPrefix{}, fmt.Errorf("%s is not a MAC address or a beginning of one", show(s))
	}
	mac, err := l2.ParseMAC(beginning + strings.Repeat(":00", 6-octets))
	if err != nil {
		return MACPrefix{}, fmt.Errorf("%s is not a MAC address or a beginning of one", show(s))
	}
	return MACPrefix{MAC: mac, Bits: uint8(8 * octets)}, nil
}

// firstBits returns m with all bits behind the first n set to zero.
func firstBits(m l2.MAC, n uint8) l2.MAC {
	for i := range m {
		keep := min(max(int(n)-8*i, 0), 8)
		m[i] &= byte(0xff << (8 - keep))
	}
	return m
}
