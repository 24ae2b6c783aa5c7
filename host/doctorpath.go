// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// Way is where a path begins and ends.
type Way struct {
	Peer   netip.Addr
	Uplink string // the NIC that it leaves by; empty: the routes choose
}

// Path is what probes from our VTEP address found on the way to one peer. It is the way there: the answer
// may come back by another, and in fragments.
type Path struct {
	Way
	Size    int   // the longest packet that arrived, in bytes of IP; 0: none did, or nobody answered
	Exact   bool  // one byte more does not arrive, or is more than was asked for
	Refused bool  // a router said that a packet was too big; when none did, such packets vanish
	Echo    bool  // answered by echo replies, otherwise by "port unreachable"
	Late    bool  // time ran out before the end
	Err     error // why no probe could be sent at all, such as no route
}

// pathsAtOnce bounds how many peers are probed at a time: each takes a socket.
const pathsAtOnce = 64

// MeasurePaths probes each way from a local address with packets of at most limit bytes that
// must not be fragmented. It sends nothing but ICMP echo requests and, to who does not answer them, a few
// UDP packets to closed ports. It blocks until all are measured or the context ends, which is a few seconds
// for 64 peers that do not answer. The result is in the ways' order.
func (h *Host) MeasurePaths(ctx context.Context, from netip.Addr, ways []Way, limit int) []Path {
	paths := make([]Path, len(ways))
	turns := make(chan struct{}, pathsAtOnce)
	var all sync.WaitGroup
	for i, way := range ways {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			paths[i] = h.measurePath(ctx, from, way, limit)
		})
	}
	all.Wait()
	return paths
}

// measurePath asks by echo and, when nothing comes back, by UDP.
func (h *Host) measurePath(ctx context.Context, from netip.Addr, way Way, limit int) Path {
	path := Path{Way: way, Late: ctx.Err() != nil}
	if path.Late {
		return path
	}
	for _, kind := range []probeKind{echoProbe, portProbe} {
		p, err := h.openProber(kind, from, way)
		if err != nil {
			return Path{Way: way, Err: err}
		}
		path = p.measure(ctx, limit)
		path.Way, path.Echo = way, kind == echoProbe
		path.Late = ctx.Err() != nil && !path.Exact
		p.close()
		if path.Size > 0 || path.Err != nil || ctx.Err() != nil {
			break
		}
	}
	return path
}

// ladderSteps is how many sizes are tried at once: a thousand bytes are narrowed down to one in three rounds.
const ladderSteps = 12

// measure looks for the longest packet that arrives. Sizes are tried many at a time, since a packet that does
// not arrive costs the time of waiting for it.
func (p *prober) measure(ctx context.Context, limit int) Path {
	first := []int{p.smallest(), limit}
	if p.kind == portProbe {
		first = p.usualSizes(limit)
	}
	low, err := p.round(ctx, first)
	high := limit + 1
	for err == nil && p.kind == echoProbe && low > 0 && low+1 < high && ctx.Err() == nil {
		sizes := ladder(low, high)
		var answered int
		if answered, err = p.round(ctx, sizes); err == nil {
			low = max(low, answered)
			high = firstAbove(sizes, low, high)
		}
	}
	return Path{Size: low, Exact: low > 0 && low+1 >= high, Refused: p.refused, Err: err}
}

// usualSizes are those that tell the usual paths apart. Hosts answer few packets to closed ports at once, so
// that there is no searching.
func (p *prober) usualSizes(limit int) []int {
	sizes := []int{p.smallest(), 1400, 1450, 1500, limit}
	sizes = slices.DeleteFunc(sizes, func(size int) bool { return size < p.smallest() || size > limit })
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// ladder divides what lies between a size that arrived and one that did not. The longest possible is in it.
func ladder(low, high int) []int {
	gaps := high - low - 1
	steps := min(ladderSteps, gaps)
	sizes := make([]int, 0, steps)
	for i := 1; i <= steps; i++ {
		sizes = append(sizes, low+gaps*i/steps)
	}
	return sizes
}

// firstAbove is the smallest size that was tried and is longer than what arrived.
func firstAbove(sizes []int, arrived, otherwise int) int {
	for _, size := range sizes {
		if size > arrived {
			return size
		}
	}
	return otherwise
}
