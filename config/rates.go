// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"time"
)

// PacketRate is a token bucket that counts frames. The zero value allows none, and is never configured.
type PacketRate struct {
	Packets uint64 // a second
	Burst   uint64 // frames that may pass at once; one second's worth unless given
}

// BitRate is a token bucket that counts bits of inner Ethernet frames. The zero value means no limit.
type BitRate struct {
	Bits  uint64        // a second
	Burst time.Duration // how long the rate's worth may pass at once; one second unless given
}

// IsSet reports whether there is a limit.
func (b BitRate) IsSet() bool { return b.Bits > 0 }

// BurstBits is the bucket's size.
func (b BitRate) BurstBits() uint64 {
	// Milliseconds: 10^12 bits a second for an hour stay below 2^64.
	return b.Bits * uint64(b.Burst.Milliseconds()) / 1000
}

// StormRate limits one class of a storm, by frames and, when Bytes is set, by bits too.
type StormRate struct {
	PacketRate
	Bits BitRate // zero: no limit by bits
}

// MoveLimit is a number of moves within a window of time.
type MoveLimit struct {
	Count  uint32
	Window time.Duration
}

const (
	maxPackets   = 1_000_000_000     // a second; above any NIC
	maxBits      = 1_000_000_000_000 // a second; above any NIC
	maxLearnt    = 1_000_000         // MACs a second
	minBurst     = time.Millisecond
	maxBurst     = time.Hour
	maxMoves     = 1000
	minWindow    = 100 * time.Millisecond // of moves
	maxWindow    = 24 * time.Hour
	minBurstBits = 1518 * 8 // the longest standard Ethernet frame: less would pass none
)

// What is allowed, with its bounds.
var (
	bitBounds         = fmt.Sprintf("at most %dGbps with a burst from %s", maxBits/1_000_000_000, fromTo(minBurst, maxBurst))
	packetRateAllowed = fmt.Sprintf("a rate such as 200pps or 200pps burst 400, each number from 1 to %d,", maxPackets)
	bitRateAllowed    = "a rate such as 100Mbps or 100Mbps burst 100ms, in bps, kbps, Mbps or Gbps, " + bitBounds + ","
	stormRateAllowed  = fmt.Sprintf("a rate such as 200pps, 200pps burst 400 or 200pps 1Mbps, frames from 1 to %d, bits %s,", maxPackets, bitBounds)
	learnRateAllowed  = fmt.Sprintf("a rate from 1/s to %d/s", maxLearnt)
	movesAllowed      = fmt.Sprintf("a count from 1 to %d within %s, such as 5/180s,", maxMoves, fromTo(minWindow, maxWindow))
)

// parsePacketRate reads "200pps" or "200pps burst 400".
func parsePacketRate(s string) (PacketRate, error) {
	rate, err := parseStormRate(s)
	if err == nil && rate.Bits.IsSet() {
		return PacketRate{}, fmt.Errorf("%s limits bits too", show(s))
	}
	return rate.PacketRate, err
}

// parseBitRate reads "100Mbps" or "100Mbps burst 100ms".
func parseBitRate(s string) (BitRate, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return BitRate{}, errEmpty
	}
	rate, rest, err := takeBits(words)
	if err == nil && len(rest) > 0 {
		err = notARate(s)
	}
	if err != nil {
		return BitRate{}, err
	}
	return rate, nil
}

// parseStormRate reads a packet rate, and behind it perhaps a bit rate, each with its own burst.
func parseStormRate(s string) (StormRate, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return StormRate{}, errEmpty
	}
	packets, rest, err := takePackets(words)
	if err != nil {
		return StormRate{}, err
	}
	rate := StormRate{PacketRate: packets}
	if len(rest) > 0 {
		rate.Bits, rest, err = takeBits(rest)
	}
	if err == nil && len(rest) > 0 {
		err = notARate(s)
	}
	if err != nil {
		return StormRate{}, err
	}
	return rate, nil
}

// takePackets reads a packet rate from the first words and returns the rest.
func takePackets(words []string) (PacketRate, []string, error) {
	digits, ok := strings.CutSuffix(words[0], "pps")
	if !ok {
		return PacketRate{}, nil, notARate(words[0])
	}
	packets, err := parseBudget(digits, words[0], maxPackets)
	if err != nil {
		return PacketRate{}, nil, err
	}
	rate := PacketRate{Packets: packets, Burst: packets}
	if len(words) < 3 || words[1] != "burst" {
		return rate, words[1:], nil
	}
	rate.Burst, err = parseBudget(words[2], words[2], maxPackets)
	return rate, words[3:], err
}

// takeBits reads a bit rate from the first words and returns the rest.
func takeBits(words []string) (BitRate, []string, error) {
	bits, err := parseBits(words[0])
	if err != nil {
		return BitRate{}, nil, err
	}
	rate := BitRate{Bits: bits, Burst: time.Second}
	rest := words[1:]
	if len(rest) >= 2 && rest[0] == "burst" {
		if rate.Burst, err = durationIn(minBurst, maxBurst)(rest[1]); err != nil {
			return BitRate{}, nil, fmt.Errorf("burst %w", err)
		}
		rest = rest[2:]
	}
	if rate.BurstBits() < minBurstBits {
		return BitRate{}, nil, fmt.Errorf("%s holds %d bits at once, less than one frame of 1518 bytes",
			show(strings.Join(words[:len(words)-len(rest)], " ")), rate.BurstBits())
	}
	return rate, rest, nil
}

// parseBits reads a number with its SI unit. A fraction is allowed when it leaves whole bits: 2.5Gbps.
func parseBits(s string) (uint64, error) {
	digits, zeros := "", 0
	for _, u := range []struct {
		unit  string
		zeros int
	}{{"kbps", 3}, {"Mbps", 6}, {"Gbps", 9}, {"bps", 0}} {
		if d, ok := strings.CutSuffix(s, u.unit); ok {
			digits, zeros = d, u.zeros
			break
		}
	}
	whole, fraction, point := strings.Cut(digits, ".")
	if _, err := parseNumber(whole); err != nil || point && fraction == "" || len(fraction) > zeros {
		return 0, notARate(s)
	}
	digits = strings.TrimLeft(whole+fraction+strings.Repeat("0", zeros-len(fraction)), "0")
	if digits == "" {
		digits = "0"
	}
	return parseBudget(digits, s, maxBits)
}

// parseBudget reads a number from 1 to limit; shown is what the user wrote.
func parseBudget(digits, shown string, limit uint64) (uint64, error) {
	n, err := parseNumber(digits)
	switch {
	case err != nil:
		return 0, notARate(shown)
	case n == 0:
		return 0, fmt.Errorf("%s lets nothing through", show(shown))
	case n > limit:
		return 0, fmt.Errorf("%s is out of range", show(shown))
	}
	return n, nil
}

func notARate(s string) error { return fmt.Errorf("%s is not a rate", show(s)) }

// parseLearnRate reads "100/s".
func parseLearnRate(s string) (uint32, error) {
	digits, ok := strings.CutSuffix(s, "/s")
	if !ok {
		return 0, notARate(s)
	}
	n, err := parseBudget(digits, s, maxLearnt)
	return uint32(n), err
}

// parseMoves reads "5/180s".
func parseMoves(s string) (MoveLimit, error) {
	digits, window, ok := strings.Cut(s, "/")
	if !ok {
		return MoveLimit{}, fmt.Errorf("%s is not a count within a time", show(s))
	}
	count, err := numberIn[uint32](1, maxMoves)(digits)
	if err != nil {
		return MoveLimit{}, fmt.Errorf("%s: the count %w", show(s), err)
	}
	span, err := durationIn(minWindow, maxWindow)(window)
	if err != nil {
		return MoveLimit{}, fmt.Errorf("%s: the time %w", show(s), err)
	}
	return MoveLimit{Count: count, Window: span}, nil
}
