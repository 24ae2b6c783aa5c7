// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Numbers of the first extension's circuit and segment; the others follow.
const (
	firstVLAN = 1
	firstVNI  = 10000
)

// A call of BPF_PROG_RUN waits for grace periods, so that it should send many frames; it cannot be stopped early, so that it
// should not send for long. Calls are whole batches: the generator's clock ticks once a batch.
const (
	liveBatch   = 64
	firstChunk  = 64 * liveBatch
	chunkTime   = 100 * time.Millisecond
	largestCall = 1 << 20
)

// generator sends frames out of one NIC as if that NIC had received them and an XDP program had bounced them.
type generator struct {
	objects generatorObjects
	data    []byte
	context xdpContext
	chunk   int // frames of the next call
	meter   meter
}

// xdpContext is struct xdp_md.
type xdpContext struct {
	Data, DataEnd, DataMeta      uint32
	IngressIfindex, RxQueueIndex uint32
	EgressIfindex                uint32
}

// stream is what a generator sends.
type stream struct {
	direction direction
	encoding  encoding
	mix       frameMix
	layout    layout
	inOrder   bool // one frame per station, to fill tables
}

// newGenerator loads the program for a stream that leaves by the NIC with this number.
func newGenerator(s stream, ifindex int, m meter) (*generator, error) {
	spec, err := loadGenerator()
	if err != nil {
		return nil, fmt.Errorf("read generator: %w", err)
	}
	if err := setVariables(spec, s.variables()); err != nil {
		return nil, err
	}
	size := s.mix.largest(s.encoding)
	g := &generator{
		chunk:   firstChunk,
		meter:   m,
		data:    make([]byte, size),
		context: xdpContext{DataEnd: uint32(size), IngressIfindex: uint32(ifindex)},
	}
	if err := spec.LoadAndAssign(&g.objects, nil); err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	return g, nil
}

func (s stream) variables() map[string]any {
	var templates [4]generatorTemplate
	for i, size := range s.mix.sizes {
		templates[i] = s.template(size)
	}
	var pattern [16]uint8
	copy(pattern[:], s.mix.pattern)
	var inOrder uint32
	if s.inOrder {
		inOrder = 1
	}
	return map[string]any{
		"templates": templates, "pattern": pattern, "pattern_length": uint32(len(s.mix.pattern)),
		"extensions": uint32(s.layout.extensions), "macs": uint32(s.layout.perExtension()),
		"encoding": uint32(s.encoding), "in_order": inOrder,
		"first_vlan": uint32(firstVLAN), "first_vni": uint32(firstVNI),
	}
}

// template has the headers of one frame size as words, the way they lie in memory.
func (s stream) template(size int) generatorTemplate {
	t := generatorTemplate{Length: uint64(size - fcsSize + s.encoding.overhead())}
	var bytes [len(t.Words) * 8]byte
	copy(bytes[:], s.frame(size))
	for i := range t.Words {
		t.Words[i] = binary.NativeEndian.Uint64(bytes[8*i:])
	}
	return t
}

// send emits count frames and returns how long that took. The calling thread must be in the NIC's namespace, on the
// generator's CPU.
func (g *generator) send(count int) (elapsed, error) {
	if err := g.objects.FirstTime.Set(uint64(0)); err != nil {
		return elapsed{}, fmt.Errorf("reset generator's clock: %w", err)
	}
	before, err := g.meter.now()
	if err != nil {
		return elapsed{}, err
	}
	_, err = g.objects.Generate.Run(&ebpf.RunOptions{
		Data:      g.data,
		Context:   g.context,
		Repeat:    uint32(count),
		Flags:     unix.BPF_F_TEST_XDP_LIVE_FRAMES,
		BatchSize: liveBatch,
	})
	if err != nil {
		return elapsed{}, fmt.Errorf("send live frames: %w", err)
	}
	after, err := g.meter.now()
	if err != nil {
		return elapsed{}, err
	}
	wall, err := g.took()
	return elapsed{wall: wall, cpu: after - before}, err
}

// took is the wall's time from the last call's first frame to its last batch, without the call's preparations.
func (g *generator) took() (time.Duration, error) {
	var first, last uint64
	if err := errors.Join(g.objects.FirstTime.Get(&first), g.objects.LastTime.Get(&last)); err != nil {
		return 0, fmt.Errorf("read generator's clock: %w", err)
	}
	return time.Duration(last - first), nil
}

// sendFor emits frames for a time, of the wall's clock. The calling thread must be where send wants it.
func (g *generator) sendFor(ctx context.Context, length time.Duration) (elapsed, error) {
	var total elapsed
	for total.wall < length {
		took, err := g.send(g.chunk)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return elapsed{}, err
		}
		total = total.add(took)
		g.chunk = nextChunk(g.chunk, took.wall)
	}
	return total, nil
}

// nextChunk is the number of frames that would have taken chunkTime.
func nextChunk(chunk int, took time.Duration) int {
	next := int(float64(chunk) * float64(chunkTime) / float64(max(took, time.Microsecond)))
	next = min(next, largestCall, chunk*8)
	return max(next-next%liveBatch, firstChunk)
}

// sent is how many frames were written since the generator was loaded. A call that a signal interrupted is repeated, so that
// this is the truth and not the numbers asked for.
func (g *generator) sent() (uint64, error) {
	var n uint64
	if err := g.objects.Sequence.Get(&n); err != nil {
		return 0, fmt.Errorf("read generator's sequence: %w", err)
	}
	return n, nil
}

func (g *generator) close() error { return g.objects.Close() }
