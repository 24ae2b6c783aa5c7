// SPDX-License-Identifier: Apache-2.0

// Command bench measures Drawbridge beside what it is compared with: a bare XDP redirect, which is the floor, and the kernel's own
// bridge with a vxlan device. Everything runs in network namespaces over veth on one machine, in one run and in turns, and
// only ratios within a run mean anything: no NIC takes part.
//
// It needs root and a kernel from 6.6 on. From the repository's root:
//
//	go run ./lab/bench
//
// compiles the gateway and measures it. See README.md for the method and its limits.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/drawbridge-l2/drawbridge/lab"
)

// pid is in the name of everything that this run makes.
var pid = os.Getpid()

// nameStart starts the names of all runs' namespaces; a pid and a dash follow.
const nameStart = "dbb"

// namePrefix starts the names of this run's.
func namePrefix() string { return fmt.Sprintf("%s%d-", nameStart, pid) }

// logger tells a human how far the run is.
type logger func(format string, values ...any)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted; everything was removed")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) (err error) {
	o, err := parseOptions(arguments, os.Stderr)
	if err != nil {
		return err
	}
	if o.onlyPlot {
		return o.plot()
	}
	if os.Geteuid() != 0 {
		return errors.New("network namespaces and BPF need root")
	}
	discard, err := o.prepareBinary(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard()) }()
	if err := lab.Sweep(nameStart); err != nil { // what a killed run left
		return err
	}
	began := time.Now()
	log := func(format string, values ...any) {
		fmt.Fprintf(os.Stderr, "%5.0fs %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, values...))
	}
	r := newReport(strings.Join(append([]string{"bench"}, arguments...), " "), o)
	err = measure(ctx, o, r, log)
	r.finish()
	// What was measured before a fault is worth reading, too.
	return errors.Join(err, r.write(o))
}

// measure runs the suites.
func measure(ctx context.Context, o *options, r *report, log logger) (err error) {
	if slices.Contains(o.suites, suiteFrames) {
		if r.Frames, err = measureFrames(ctx, o, log); err != nil {
			return err
		}
	}
	if slices.Contains(o.suites, suiteTCP) {
		if r.TCP, err = measureTCP(ctx, o, log); err != nil {
			return err
		}
	}
	if slices.Contains(o.suites, suiteConfig) {
		if r.Config, err = measureConfig(ctx, o, log); err != nil {
			return err
		}
	}
	if slices.Contains(o.suites, suiteMACs) && o.binary != binaryNone {
		if r.MACs, err = measureMACs(ctx, o, log); err != nil {
			return err
		}
	}
	return nil
}
