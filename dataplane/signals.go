// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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

// The enum evidence of bpf/abi.h.
const (
	evidenceProbe    = 1
	evidenceCrossing = 2
	evidenceHairpin  = 3
)

// Watch turns the programs' signals into events until ctx ends, and returns nil then. Signals that find
// the ring buffer full are lost: event.Overflow says how many. Sending blocks when out is full.
func (p *Plane) Watch(ctx context.Context, out chan<- event.Event) error {
	reader, err := ringbuf.NewReader(p.mapNamed("signals"))
	if err != nil {
		return fmt.Errorf("open ring buffer: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = reader.Close() })
	defer stop()
	losses := losses{plane: p, told: p.lostSignals()}
	var record ringbuf.Record
	for {
		reader.SetDeadline(time.Now().Add(overflowInterval))
		err := reader.ReadInto(&record)
		if n := losses.due(time.Now()); n > 0 && !send(ctx, out, event.Overflow{Lost: n}) {
			return nil
		}
		switch {
		case errors.Is(err, ringbuf.ErrClosed):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return fmt.Errorf("read ring buffer: %w", err)
		default:
			if e, ok := p.decode(record.RawSample); ok && !send(ctx, out, e) {
				return nil
			}
		}
	}
}

// losses looks every so often whether signals were lost, also while others keep coming.
type losses struct {
	plane  *Plane
	told   uint64
	looked time.Time
}

// due returns how many were lost since they were last told of.
func (l *losses) due(now time.Time) uint64 {
	if now.Sub(l.looked) < overflowInterval {
		return 0
	}
	l.looked = now
	lost := l.plane.lostSignals()
	n := lost - l.told
	l.told = lost
	return n
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
	c, err := p.conversion()
	if err != nil {
		return nil, false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	at := c.time(s.Time)
	switch s.Kind {
	case abi.TcSignalKindSIGNAL_MOVED:
		return event.MACMoved{Slot: s.Slot, MAC: s.Mac, From: p.placeOf(s.From), To: p.placeOf(s.To), At: at}, true
	case abi.TcSignalKindSIGNAL_FROZEN:
		return event.MACFrozen{
			Slot: s.Slot, MAC: s.Mac, Home: p.placeOf(s.To), From: p.placeOf(s.From), Until: c.time(s.Until), At: at,
		}, true
	case abi.TcSignalKindSIGNAL_DROPPED:
		return event.GuardDropped{
			Slot: s.Slot, Direction: directionOf(s.Dir), Reason: reasonName(int(s.Reason)), Source: s.Mac,
			Destination: s.Destination, IP: sourceOf(s.Ip), VLAN: s.Vid, At: at,
		}, true
	case abi.TcSignalKindSIGNAL_LOOP:
		return c.loopSign(&s), true
	}
	return nil, false
}

func (c conversion) loopSign(s *abi.TcSignal) event.LoopSign {
	e := event.LoopSign{
		Slot: s.Slot, Tripped: s.Tripped != 0, Side: l2.Customer, MAC: s.Mac, IP: sourceOf(s.Ip), VLAN: s.Vid, At: c.time(s.Time),
	}
	switch s.Evidence {
	case evidenceProbe:
		e.Evidence = event.ByProbe
	case evidenceCrossing:
		e.Evidence = event.ByCrossing
	case evidenceHairpin:
		e.Evidence = event.ByHairpin
	}
	if s.Until != 0 {
		e.Until = c.time(s.Until)
	}
	if directionOf(s.Dir) == l2.ToCustomer {
		e.Side = l2.Cloud
	}
	return e
}

// sourceOf is a frame's source address; invalid when it was not seen.
func sourceOf(a abi.TcAddress) netip.Addr {
	if a == (abi.TcAddress{}) {
		return netip.Addr{}
	}
	return addrOf(a)
}

// placeOf needs p.mu.
func (p *Plane) placeOf(place uint16) event.Place { return placeOf(place, p.vteps.byIndex) }

func placeOf(place uint16, vteps map[uint32]netip.Addr) event.Place {
	switch place {
	case placeCustomer:
		return event.Place{Side: l2.Customer}
	case placeCloud:
		return event.Place{Side: l2.Cloud}
	}
	return event.Place{Side: l2.Cloud, VTEP: vteps[uint32(place)]}
}
