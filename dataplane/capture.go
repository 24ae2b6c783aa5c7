// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/drawbridge-l2/drawbridge/dataplane/abi"
	"github.com/drawbridge-l2/drawbridge/l2"
	"github.com/drawbridge-l2/drawbridge/state"
)

const (
	recordingRenewed = time.Second           // how often a listener says that it is still there
	recordingLasts   = 3 * time.Second       // the programs stop by themselves when it does not
	recordingSlack   = 20 * time.Millisecond // the programs' clock counts ticks
	captureHeader    = 24                    // bytes of struct capture in front of the frame
)

// listeners are those who are told of every frame, by the extension's slot.
type listeners struct {
	mu      sync.Mutex
	all     []*listener
	running bool // somebody reads the ring buffer
}

type listener struct {
	slot  uint32
	since time.Time // what is older was meant for others
	out   chan<- state.RecordedFrame
	lost  uint64
}

// Record hands over every frame of an extension with its verdict, until ctx ends. Each frame is cut to its
// first 512 bytes. When out is full frames are lost; Record returns how many.
func (p *Plane) Record(ctx context.Context, ext l2.Name, out chan<- state.RecordedFrame) (lost uint64, err error) {
	var slot uint32
	if err := p.withSlot(ext, func(n uint32) error { slot = n; return nil }); err != nil {
		return 0, err
	}
	l := &listener{slot: slot, out: out, since: time.Now().Add(-recordingSlack)}
	if err := p.listening.add(l, p.readCaptures); err != nil {
		return 0, err
	}
	defer func() {
		var last bool
		if lost, last = p.listening.remove(l); last {
			_ = p.setRecording(ext, time.Now()) // else it would end by itself in a moment
		}
	}()
	tick := time.NewTicker(recordingRenewed)
	defer tick.Stop()
	for {
		if err := p.setRecording(ext, time.Now().Add(recordingLasts)); err != nil {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, nil
		case <-tick.C:
		}
	}
}

// setRecording makes the programs hand over a copy of each frame until a time.
func (p *Plane) setRecording(ext l2.Name, until time.Time) error {
	return p.withSlot(ext, func(slot uint32) error {
		c, err := p.conversion()
		if err != nil {
			return err
		}
		return p.hold(slot, holdRecording, 0, c.program(until))
	})
}

// add starts the reader with the first listener.
func (l *listeners) add(one *listener, start func() (func(), error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running {
		read, err := start()
		if err != nil {
			return err
		}
		l.running = true
		go read()
	}
	l.all = append(l.all, one)
	return nil
}

// remove returns what the listener lost, and whether it was the last of its extension.
func (l *listeners) remove(one *listener) (lost uint64, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(o *listener) bool { return o == one })
	return one.lost, !slices.ContainsFunc(l.all, func(o *listener) bool { return o.slot == one.slot })
}

// stop reports whether nobody listens any more, and if so that the reader has ended.
func (l *listeners) stop() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) > 0 {
		return false
	}
	l.running = false
	return true
}

func (l *listeners) tell(slot uint32, f state.RecordedFrame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		if one.slot != slot || f.At.Before(one.since) {
			continue
		}
		select {
		case one.out <- f:
		default:
			one.lost++
		}
	}
}

// readCaptures opens the ring buffer, and returns what reads it until nobody listens.
func (p *Plane) readCaptures() (func(), error) {
	reader, err := ringbuf.NewReader(p.mapNamed("captures"))
	if err != nil {
		return nil, fmt.Errorf("open ring buffer of recordings: %w", err)
	}
	return func() {
		defer reader.Close()
		var record ringbuf.Record
		for {
			reader.SetDeadline(time.Now().Add(recordingRenewed))
			err := reader.ReadInto(&record)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				if p.listening.stop() {
					return
				}
			case err != nil:
				if p.listening.stop() {
					return
				}
			default:
				p.captured(record.RawSample)
			}
		}
	}, nil
}

// captured tells one frame to those who listen to its extension. Its header is that of struct record.
func (p *Plane) captured(sample []byte) {
	if len(sample) < captureHeader {
		return
	}
	var r abi.TcRecord
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&r)), captureHeader), sample[:captureHeader])
	c, err := p.conversion()
	if err != nil {
		return
	}
	f := c.verdictOf(&r)
	f.Bytes = slices.Clone(sample[captureHeader:][:min(int(r.Captured), len(sample)-captureHeader, int(r.Size))])
	p.listening.tell(r.Slot, f)
}
