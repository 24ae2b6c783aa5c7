// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"math"
	"math/bits"
	"time"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/state"
)

// COST_BITS and SCHEDULE_BITS of bpf/rate.h: costs are in 1/65536 ns, schedules in 1/64 ns.
const (
	costBits     = 16
	scheduleBits = 6
)

// cpuBurst is how far an extension may run ahead of its share of a core.
const cpuBurst = 100 * time.Millisecond

// controlBits are enum control of bpf/abi.h, by the configuration's keys.
var controlBits = map[string]uint16{
	"cdp": 1 << 0, "dtp": 1 << 1, "pagp": 1 << 2, "udld": 1 << 3, "vtp": 1 << 4, "pvst": 1 << 5, "cfm": 1 << 6,
	"eap": 1 << 7, "gvrp": 1 << 8, "lacp": 1 << 9, "lldp": 1 << 10, "mrp": 1 << 11, "stp": 1 << 12,
}

// compileGuards turns limits into what the programs reckon with.
func compileGuards(g *state.Guards) abi.TcLimits {
	out := abi.TcLimits{
		Flood:      frameRate(g.Flood),
		Bandwidth:  [2]abi.TcRate{byteRate(g.ToCloud), byteRate(g.ToCustomer)},
		Learn:      frameRate(g.Learn),
		MoveWindow: [2]uint64{uint64(g.Moves.Window), uint64(g.FastMoves.Window)},
		MoveLimit:  [2]uint32{moveCount(g.Moves), moveCount(g.FastMoves)},
		FloodCount: uint32(len(g.FloodAllow)),
	}
	for i, r := range g.Storm {
		out.Storm[i] = frameRate(r.Rate)
		out.StormBytes[i] = byteRate(r.Bits)
	}
	if g.CPU > 0 { // a ns of work costs 100/percent ns of the schedule
		out.Cpu = abi.TcRate{Cost: 100 << costBits / uint64(g.CPU), Burst: uint64(cpuBurst) << scheduleBits}
	}
	for i, p := range g.FloodAllow {
		out.Flooded[i].Value, out.Flooded[i].Mask = prefixWords(p)
	}
	return out
}

// frameRate is the cost of a unit. No rate costs nothing.
func frameRate(r state.Rate) abi.TcRate {
	if r.PerSecond == 0 {
		return abi.TcRate{}
	}
	second := uint64(time.Second)
	rate := abi.TcRate{
		Cost:  ceilDiv(second<<costBits, r.PerSecond),
		Burst: mulDiv(r.Burst, second<<scheduleBits, r.PerSecond),
	}
	if second<<scheduleBits%r.PerSecond != 0 {
		rate.Burst += r.Burst // costs are rounded up, and a whole burst shall pass
	}
	return rate
}

// byteRate is the cost of a byte. The burst is as much longer as rounding costs up takes from it: an eighth of a
// schedule's unit for each of its bytes.
func byteRate(r state.BitRate) abi.TcRate {
	if r.PerSecond == 0 {
		return abi.TcRate{}
	}
	return abi.TcRate{
		Cost:  ceilDiv(8*uint64(time.Second)<<costBits, r.PerSecond),
		Burst: uint64(r.Burst)<<scheduleBits + mulDiv(r.PerSecond, uint64(r.Burst), 64*uint64(time.Second)) + 1,
	}
}

func ceilDiv(a, b uint64) uint64 { return (a + b - 1) / b }

// mulDiv is a × b / c without overflow; the most that fits when it does not fit.
func mulDiv(a, b, c uint64) uint64 {
	high, low := bits.Mul64(a, b)
	if high >= c {
		return math.MaxInt64
	}
	quotient, _ := bits.Div64(high, low, c)
	return min(quotient, math.MaxInt64)
}

// moveCount is never 0: that would freeze a MAC that did not move.
func moveCount(m state.MoveLimit) uint32 {
	if m.Count == 0 {
		return ^uint32(0)
	}
	return m.Count
}

// prefixWords are value and mask as mac_word of bpf/ethernet.h gives a MAC: its first octet is the lowest.
func prefixWords(p state.MACPrefix) (value, mask uint64) {
	for i, octet := range p.MAC {
		keep := min(max(int(p.Bits)-8*i, 0), 8)
		value |= uint64(octet) << (8 * i)
		mask |= uint64(byte(0xff<<(8-keep))) << (8 * i)
	}
	return value & mask, mask
}

// compileFlags says which guards a frame meets at all.
func compileFlags(r *abi.TcExtension, g *state.Guards) {
	set := func(on bool, flag uint32) {
		if on {
			r.Flags |= flag
		}
	}
	set(len(g.Protected) > 0, extProtects)
	set(g.ToCloud.PerSecond > 0, extMetered)
	set(g.ToCustomer.PerSecond > 0, extMetered<<1)
	set(g.CPU > 0, extCPU)
	set(g.Fingerprint, extFingerprint)
	set(g.Trip, extTrip)
	r.Refused = serviceBits(g.Refused.FromCustomer) | serviceBits(g.Refused.FromCloud)<<4
	for _, name := range g.Tunnelled {
		r.Tunnelled |= controlBits[name]
	}
}

// serviceBits are those of enum service of bpf/abi.h.
func serviceBits(s state.Services) uint8 {
	var bits uint8
	for i, refused := range []bool{s.DHCP, s.Router, s.FHRP, s.Querier} {
		if refused {
			bits |= 1 << i
		}
	}
	return bits
}

// Bytes of IP and TCP headers without options (RFC 9293 §3.7.1).
const (
	tcpOverIPv4 = 20 + 20
	tcpOverIPv6 = 40 + 20
)

// compileMSS returns the limits over IPv4 and IPv6; 0: segments are left alone.
func compileMSS(r *abi.TcExtension, m state.MSS) [2]uint16 {
	switch {
	case m.Off:
		return [2]uint16{}
	case m.Bytes > 0:
		return [2]uint16{m.Bytes, m.Bytes}
	}
	longest := min(r.MaxToCloud, r.MaxToCustomer)
	fits := func(headers uint32) uint16 {
		return uint16(min(longest-min(longest, etherHeader+headers), 0xffff))
	}
	return [2]uint16{fits(tcpOverIPv4), fits(tcpOverIPv6)}
}

func compileProtected(t *tables, r *abi.TcExtension, x *state.Extension) {
	for _, addr := range x.Guards.Protected {
		t.shielded[abi.TcProtectedKey{Slot: r.Slot, Addr: keyOf(addr)}] = 1
	}
}
