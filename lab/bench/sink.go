// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// sinkKind is how the sink takes frames off its NIC.
type sinkKind string

const (
	// sinkXDP is native XDP: free for redirected frames; a frame that left a kernel stack is converted first.
	sinkXDP sinkKind = "xdp"
	// sinkTC is a program at tc ingress without NAPI: the cheapest for frames that left a kernel stack, useless for others.
	sinkTC sinkKind = "tc"
)

// sink counts what arrives at one end of a topology, and drops it.
type sink struct {
	kind    sinkKind
	objects sinkObjects
	link    link.Link
}

// newSink attaches a sink to a NIC. It expects the generator's mark where the encoding has it.
func newSink(n *namespace, nic string, kind sinkKind, e encoding) (*sink, error) {
	spec, err := loadSink()
	if err != nil {
		return nil, fmt.Errorf("read sink: %w", err)
	}
	offset := uint32(markOffset + e.overhead())
	other := offset
	if e == tagged {
		other = markOffset // the tag may travel beside the frame
	}
	if err := setVariables(spec, map[string]any{"mark_offset": offset, "other_offset": other}); err != nil {
		return nil, err
	}
	s := &sink{kind: kind}
	if err := spec.LoadAndAssign(&s.objects, nil); err != nil {
		return nil, fmt.Errorf("load sink: %w", err)
	}
	if err := s.attach(n, nic); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *sink) attach(n *namespace, nic string) error {
	ifindex, err := n.index(nic)
	if err != nil {
		return err
	}
	if err := n.setGRO(nic, s.kind == sinkXDP); err != nil {
		return err
	}
	err = n.run(func() error {
		if s.kind == sinkXDP {
			s.link, err = link.AttachXDP(link.XDPOptions{Program: s.objects.SinkXdp, Interface: ifindex, Flags: link.XDPDriverMode})
		} else {
			s.link, err = link.AttachTCX(link.TCXOptions{Program: s.objects.SinkTc, Interface: ifindex, Attach: ebpf.AttachTCXIngress})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("attach %s sink to %s: %w", s.kind, nic, err)
	}
	return nil
}

// counts are all frames so far: the generator's as they should be, and others.
func (s *sink) counts() (expected, other uint64, err error) {
	if expected, err = sumPerCPU(s.objects.Counts, 0); err != nil {
		return 0, 0, err
	}
	other, err = sumPerCPU(s.objects.Counts, 1)
	return expected, other, err
}

func sumPerCPU(m *ebpf.Map, key uint32) (uint64, error) {
	var values []uint64
	if err := m.Lookup(key, &values); err != nil {
		return 0, fmt.Errorf("read sink's counter: %w", err)
	}
	var sum uint64
	for _, v := range values {
		sum += v
	}
	return sum, nil
}

// settle waits until nothing arrives any more, and returns the counts.
func (s *sink) settle() (expected, other uint64, err error) {
	const quiet, limit = 5 * time.Millisecond, 200 * time.Millisecond
	deadline := time.Now().Add(limit)
	expected, other, err = s.counts()
	for err == nil && time.Now().Before(deadline) {
		time.Sleep(quiet)
		before := expected
		if expected, other, err = s.counts(); expected == before {
			break
		}
	}
	return expected, other, err
}

func (s *sink) close() error {
	var err error
	if s.link != nil {
		err = s.link.Close()
	}
	return errors.Join(err, s.objects.Close())
}
