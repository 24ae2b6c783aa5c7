// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/event"
	"github.com/drawbridge-l2/drawbridge/l2"
)

// How often Watch looks whether signals were lost.
const overflowInterval = time.Second

// Watch turns the programs' signals into events until ctx ends, and returns nil then. Signals that find
// the ring buffer full are lost: event.Overflow says how many. Sending blocks when out is full.
func (p *Plane) Watch(ctx context.Context, out chan<- event.Event) error {
	reader, err := ringbuf.NewReader(p.mapNamed("signals"))
	if err != nil {
		return fmt.Errorf("open ring buffer: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = reader.Close() })
	defer stop()
	lost := p.lostSignals()
	var record ringbuf.Record
	for {
		reader.SetDeadline(time.Now().Add(overflowInterval))
		err := reader.ReadInto(&record)
		switch {
		case errors.Is(err, ringbuf.ErrClosed):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			now := p.lostSignals()
			if now > lost && !send(ctx, out, event.Overflow{Lost: now - lost}) {
				return nil
			}
			lost = now
		case err != nil:
			return fmt.Errorf("read ring buffer: %w", err)
		default:
			if e, ok := p.decode(record.RawSample); ok && !send(ctx, out, e) {
				return nil
			}
		}
	}
}

func send(ctx context.Context, out chan<- event.Event, e event.Event) bool {
	select {
	case out <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *Plane) lostSignals() uint64 {
	var perCPU []uint64
	var sum uint64
	if p.mapNamed("overflows").Lookup(uint32(0), &perCPU) == nil {
		for _, n := range perCPU {
			sum += n
		}
	}
	return sum
}

func (p *Plane) decode(sample []byte) (event.Event, bool) {
	var s abi.TcSignal
	if len(sample) < int(unsafe.Sizeof(s)) {
		return nil, false
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&s)), unsafe.Sizeof(s)), sample)
	if s.Kind != abi.TcSignalKindSIGNAL_MOVED {
		return nil, false
	}
	now, err := p.clock()
	if err != nil {
		return nil, false
	}
	at := time.Now().Add(time.Duration(s.Time) - now)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return event.MACMoved{Slot: s.Slot, MAC: s.Mac, From: p.placeOf(s.From), To: p.placeOf(s.To), At: at}, true
}

// placeOf needs p.mu.
func (p *Plane) placeOf(place uint16) event.Place {
	switch place {
	case placeCustomer:
		return event.Place{Side: l2.Customer}
	case placeCloud:
		return event.Place{Side: l2.Cloud}
	}
	return event.Place{Side: l2.Cloud, VTEP: p.vteps.byIndex[uint32(place)]}
}
