// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the command line, checked.
type options struct {
	binary     string
	suites     []string
	systems    []string
	tcpSystems []string
	tcpPinned  bool // senders on one CPU, receivers on another
	directions []direction
	mixes      []frameMix
	layouts    []layout
	flows      []int
	rounds     int
	length     time.Duration
	pairs      int

	configRounds int

	macRates  []int
	macRounds int
	macTime   time.Duration

	threaded bool
	ownSink  bool
	clock    clock
	csv      string
	svg      string
	onlyPlot bool
	json     string
	markdown string
}

// rawOptions are the flags as typed.
type rawOptions struct {
	options
	quick                                                                 bool
	suites, systems, tcpSystems, directions, sizes, layouts, flows, clock string

	macRates string
}

// Values of -bin that are no file.
const (
	binaryBuild = "build"
	binaryNone  = "none"
)

// The suites.
const (
	suiteFrames = "frames"
	suiteTCP    = "tcp"
	suiteConfig = "config"
	suiteMACs   = "macs"
)

// parseOptions reads the command line. All faults are reported at once.
func parseOptions(arguments []string, usage io.Writer) (*options, error) {
	raw := &rawOptions{}
	set := raw.flags(usage)
	if err := set.Parse(arguments); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("argument %q: want flags only", set.Arg(0))
	}
	if raw.quick {
		raw.shorten(set)
	}
	return raw.check()
}

func (r *rawOptions) flags(usage io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(usage)
	set.StringVar(&r.binary, "bin", binaryBuild, "drawbridge `binary`; build: compile ./cmd/drawbridge; none: only what it is compared with")
	set.StringVar(&r.suites, "suites", "frames,tcp,config,macs", "what to measure: frames, tcp, config, macs")
	set.StringVar(&r.systems, "systems", "", "for frames: "+strings.Join(frameSystems, ", ")+" (default: all that are there)")
	set.StringVar(&r.tcpSystems, "tcp-systems", "", "for tcp: linux, linux-gro, tc, tc-untagged (default: all)")
	set.StringVar(&r.directions, "directions", "to-cloud,to-customer", "ways through the gateway")
	set.StringVar(&r.sizes, "sizes", "64,128,512,1518,imix", "bytes of the untagged frame with FCS, or imix")
	set.StringVar(&r.layouts, "layouts", "1x1,1x512,1x4000,1x65536,1x131072,4000x4000,4000x64000", "`extensions×MACs`: MACs is the number of station pairs through all extensions; all but the first are measured with the first size")
	set.StringVar(&r.flows, "flows", "1,8", "TCP connections at a time")
	set.IntVar(&r.rounds, "rounds", 10, "interleaved rounds per cell")
	set.DurationVar(&r.length, "time", 300*time.Millisecond, "length of a round per system")
	set.IntVar(&r.pairs, "pairs", 4000, "extensions of the config suite")
	set.IntVar(&r.configRounds, "config-rounds", 5, "interleaved rounds of the config suite")
	set.StringVar(&r.macRates, "mac-rates", "25000,50000,100000,200000", "new MACs a second of the macs suite")
	set.IntVar(&r.macRounds, "mac-rounds", 3, "interleaved rounds of the macs suite")
	set.DurationVar(&r.macTime, "mac-time", 2*time.Second, "length of a round of the macs suite")
	set.BoolVar(&r.quick, "quick", false, "few short rounds of 64-byte frames, for CI: proves that it runs, not how fast")
	set.BoolVar(&r.threaded, "threaded", false, "move the gateway's NAPI to threads on CPU 1")
	set.BoolVar(&r.tcpPinned, "tcp-pinned", false, "tie TCP's senders to CPU 0 and its receivers to CPU 1: where the scheduler puts them differs from round to round more than systems do")
	set.BoolVar(&r.ownSink, "own-sink", false, "let systems that send socket buffers have a tc sink, which is cheaper for them")
	set.StringVar(&r.clock, "clock", string(clockCPU), "what seconds are: cpu, those that the CPU worked for the frames; wall")
	set.StringVar(&r.csv, "csv", "", "write every round to this `file`")
	set.StringVar(&r.svg, "svg", "", "write a picture of what the -csv file holds to this `file`")
	set.BoolVar(&r.onlyPlot, "only-plot", false, "measure nothing: draw the -svg file of the -csv file that is there")
	set.StringVar(&r.json, "json", "", "write the whole report to this `file`")
	set.StringVar(&r.markdown, "markdown", "", "write the tables for docs/performance.md to this `file`")
	return set
}

// shorten is -quick; what was typed beside it stays.
func (r *rawOptions) shorten(set *flag.FlagSet) {
	typed := map[string]bool{}
	set.Visit(func(f *flag.Flag) { typed[f.Name] = true })
	for name, value := range map[string]string{
		"sizes": "64", "layouts": "1x1,100x1000", "flows": "1", "rounds": "3", "time": "150ms", "pairs": "100", "config-rounds": "2",
		"mac-rates": "10000", "mac-rounds": "1", "mac-time": "1s",
	} {
		if !typed[name] {
			_ = set.Set(name, value) // constants that parse
		}
	}
}

func (r *rawOptions) check() (*options, error) {
	o := r.options
	var faults []error
	note := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	var err error
	o.suites, err = choose("suite", r.suites, suiteFrames, suiteTCP, suiteConfig, suiteMACs)
	note(err)
	o.systems, err = r.chooseSystems(r.systems, frameSystems...)
	note(err)
	o.tcpSystems, err = r.chooseSystems(r.tcpSystems, systemLinux, systemLinuxGRO, systemTC, systemTCUntagged)
	note(err)
	o.directions, err = each(r.directions, parseDirection)
	note(err)
	o.mixes, err = each(r.sizes, parseMix)
	note(err)
	o.layouts, err = each(r.layouts, parseLayout)
	note(err)
	o.flows, err = each(r.flows, func(s string) (int, error) { return parseCount("flows", s, 1024) })
	note(err)
	o.macRates, err = each(r.macRates, func(s string) (int, error) { return parseCount("MACs a second", s, 1000000) })
	note(err)
	if min(o.rounds, o.configRounds, o.macRounds) < 1 || o.macTime < 100*time.Millisecond || o.length < 10*time.Millisecond || o.pairs < 1 || o.pairs > mostExtensions {
		note(fmt.Errorf("-rounds %d -config-rounds %d -mac-rounds %d -mac-time %s -time %s -pairs %d: want at least 1, 1, 1, 100ms, 10ms, and 1 to %d",
			o.rounds, o.configRounds, o.macRounds, o.macTime, o.length, o.pairs, mostExtensions))
	}
	if (o.svg != "" || o.onlyPlot) && o.csv == "" || o.onlyPlot && o.svg == "" {
		note(errors.New("-svg and -only-plot: want -csv too, and -only-plot wants -svg"))
	}
	o.clock, err = parseClock(r.clock)
	note(err)
	return &o, errors.Join(faults...)
}

// chooseSystems leaves drawbridge out of the default when there is no binary, and refuses it when it was asked for.
func (r *rawOptions) chooseSystems(list string, known ...string) ([]string, error) {
	if list != "" {
		chosen, err := choose("system", list, known...)
		if err == nil && r.binary == binaryNone && slices.ContainsFunc(chosen, needsBinary) {
			err = errors.New("systems of drawbridge with -bin none: want its binary")
		}
		return chosen, err
	}
	return slices.DeleteFunc(slices.Clone(known), func(s string) bool {
		return r.binary == binaryNone && needsBinary(s) || s == systemOVS && !hasOVS()
	}), nil
}

func parseClock(s string) (clock, error) {
	if c := clock(s); c == clockCPU || c == clockWall {
		return c, nil
	}
	return "", fmt.Errorf("clock %q: want %s or %s", s, clockCPU, clockWall)
}

func needsBinary(system string) bool {
	return strings.HasPrefix(system, "xdp") || strings.HasPrefix(system, "tc")
}

// choose splits a list whose words must be known.
func choose(what, list string, known ...string) ([]string, error) {
	return each(list, func(s string) (string, error) {
		if !slices.Contains(known, s) {
			return "", fmt.Errorf("%s %q: want %s", what, s, strings.Join(known, ", "))
		}
		return s, nil
	})
}

// each parses a list separated by commas.
func each[T any](list string, parse func(string) (T, error)) ([]T, error) {
	var values []T
	var faults []error
	for word := range strings.SplitSeq(list, ",") {
		value, err := parse(strings.TrimSpace(word))
		if err != nil {
			faults = append(faults, err)
		}
		values = append(values, value)
	}
	return values, errors.Join(faults...)
}

func parseDirection(s string) (direction, error) {
	for _, d := range []direction{toCloud, toCustomer} {
		if s == d.String() {
			return d, nil
		}
	}
	return 0, fmt.Errorf("direction %q: want %s or %s", s, toCloud, toCustomer)
}

// Most that the numbering of circuits and stations carries: a VLAN per extension; three bytes of a MAC, though the product's limit per
// extension is lower.
const (
	mostExtensions = 4094
	mostMACs       = 1 << 19
)

func parseLayout(s string) (layout, error) {
	extensions, macs, found := strings.Cut(s, "x")
	if !found {
		return layout{}, fmt.Errorf("layout %q: want EXTENSIONSxMACS", s)
	}
	e, errE := parseCount("extensions", extensions, mostExtensions)
	m, errM := parseCount("MACs", macs, mostMACs)
	return layout{extensions: e, macs: m}, errors.Join(errE, errM)
}

func parseCount(what, s string, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s %q: want 1 to %d", what, s, most)
	}
	return n, nil
}
