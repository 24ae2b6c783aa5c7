// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// generatorCPU is where frames are made. Without threaded NAPI the gateway's and the sink's work follows them there.
const (
	generatorCPU = 0
	gatewayCPU   = 1
)

// bench is one system in its topology, with sinks at both ends.
type bench struct {
	system   system
	topology *topology
	sinks    [2]*sink // by direction
	meter    meter
}

// reading is one round's result.
type reading struct {
	Rate  float64 `json:"rate"`   // frames a second at the sink
	Lost  float64 `json:"lost"`   // share of those sent
	Other uint64  `json:"other"`  // frames at the sink that are not as they should be
	OnCPU float64 `json:"on_cpu"` // share of the wall's time that the CPU worked for the frames
}

// newBench builds the wires, starts the sinks and the system.
func newBench(ctx context.Context, s system, number int, l layout, o *options) (*bench, error) {
	t, err := newTopology(fmt.Sprintf("%s%d", namePrefix(), number), number)
	if err != nil {
		return nil, err
	}
	b := &bench{system: s, topology: t}
	if err := b.start(ctx, l, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", s.name(), err), b.close())
	}
	return b, nil
}

func (b *bench) start(ctx context.Context, l layout, o *options) error {
	kind := sinkXDP
	if o.ownSink && b.system.skbs() {
		kind = sinkTC
	}
	for _, end := range []struct {
		direction direction
		namespace *namespace
		nic       string
	}{{toCloud, b.topology.cloud, vtepNIC}, {toCustomer, b.topology.customer, hostNIC}} {
		s, err := newSink(end.namespace, end.nic, kind, b.system.output(end.direction))
		if err != nil {
			return err
		}
		b.sinks[end.direction] = s
	}
	if err := b.system.start(ctx, b.topology, l); err != nil {
		return err
	}
	if w, ok := b.system.(worker); ok {
		return b.apart(w)
	}
	if o.threaded {
		return b.thread()
	}
	softirq, err := softirqThread(generatorCPU)
	b.meter = meter{own: true, threads: []int{softirq}}
	return err
}

// thread moves the gateway's work to a CPU of its own, and the sink's, which follows it. The generator's time then counts no more.
func (b *bench) thread() error {
	softirq, err := softirqThread(gatewayCPU)
	if err != nil {
		return err
	}
	b.meter.threads = []int{softirq}
	for _, nic := range []string{b.topology.customerNIC, b.topology.underlayNIC} {
		threads, err := b.topology.gateway.threadNAPI(nic, gatewayCPU)
		if err != nil {
			return err
		}
		b.meter.threads = append(b.meter.threads, threads...)
	}
	return nil
}

// apart gives a worker the gateway's CPU, and counts what it takes there.
func (b *bench) apart(w worker) error {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", w.process()))
	if err != nil {
		return fmt.Errorf("find threads of %s: %w", b.system.name(), err)
	}
	for _, task := range tasks {
		thread, err := strconv.Atoi(task.Name())
		if err == nil {
			err = pin(thread, gatewayCPU)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
			return fmt.Errorf("pin thread %s of %s: %w", task.Name(), b.system.name(), err)
		}
	}
	softirq, err := softirqThread(gatewayCPU)
	b.meter = meter{threads: []int{softirq}, processes: []int{w.process()}}
	return err
}

// source is where frames of a direction start.
func (b *bench) source(d direction) (*namespace, string) {
	if d == toCustomer {
		return b.topology.cloud, vtepNIC
	}
	return b.topology.customer, hostNIC
}

// open loads a generator for a stream at its source. The source needs NAPI, or the kernel refuses to run live frames on it.
func (b *bench) open(s stream) (*generator, error) {
	n, nic := b.source(s.direction)
	if err := n.setGRO(nic, true); err != nil {
		return nil, err
	}
	if b.sinks[s.direction].kind == sinkTC {
		far, farNIC := b.source(1 - s.direction)
		if err := far.setGRO(farNIC, false); err != nil {
			return nil, err
		}
	}
	ifindex, err := n.index(nic)
	if err != nil {
		return nil, err
	}
	s.encoding = b.system.input(s.direction)
	return newGenerator(s, ifindex, b.meter)
}

// prime shows every station to the gateway, from both sides.
func (b *bench) prime(l layout, mix frameMix) error {
	for _, d := range []direction{toCloud, toCustomer} {
		g, err := b.open(stream{direction: d, mix: mix, layout: l, inOrder: true})
		if err != nil {
			return err
		}
		n, _ := b.source(d)
		err = n.run(func() error {
			if err := pin(0, generatorCPU); err != nil {
				return err
			}
			_, err := g.send(l.stations())
			return err
		})
		if err := errors.Join(err, g.close()); err != nil {
			return fmt.Errorf("prime %s %s: %w", b.system.name(), d, err)
		}
	}
	return nil
}

// measure runs one round.
func (b *bench) measure(ctx context.Context, g *generator, d direction, o *options) (reading, error) {
	s := b.sinks[d]
	sentBefore, err := g.sent()
	if err != nil {
		return reading{}, err
	}
	before, otherBefore, err := s.counts()
	if err != nil {
		return reading{}, err
	}
	took, err := b.transmit(ctx, g, d, o.length)
	if err != nil {
		return reading{}, err
	}
	after, otherAfter, err := s.settle()
	if err != nil {
		return reading{}, err
	}
	sentAfter, err := g.sent()
	if err != nil {
		return reading{}, err
	}
	received, sent := float64(after-before), float64(sentAfter-sentBefore)
	return reading{
		Rate:  received / took.on(o.clock).Seconds(),
		Lost:  1 - ratio(received, sent),
		Other: otherAfter - otherBefore,
		OnCPU: ratio(took.cpu.Seconds(), took.wall.Seconds()),
	}, nil
}

func (b *bench) transmit(ctx context.Context, g *generator, d direction, length time.Duration) (took elapsed, err error) {
	n, _ := b.source(d)
	err = n.run(func() error {
		if err := pin(0, generatorCPU); err != nil {
			return fmt.Errorf("pin generator: %w", err)
		}
		took, err = g.sendFor(ctx, length)
		return err
	})
	return took, err
}

func (b *bench) close() error {
	err := b.system.stop()
	for _, s := range b.sinks {
		if s != nil {
			err = errors.Join(err, s.close())
		}
	}
	return errors.Join(err, b.topology.remove())
}
