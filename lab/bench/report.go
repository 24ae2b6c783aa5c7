// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"
)

// report is all that a run found.
type report struct {
	Command string        `json:"command"`
	Started time.Time     `json:"started"`
	Seconds float64       `json:"seconds"`
	Machine machine       `json:"machine"`
	Cores   string        `json:"cores"` // who shares one
	Method  string        `json:"method"`
	CPU     cpuTimes      `json:"cpu_seconds"`
	Systems []description `json:"systems"`
	Frames  []frameCell   `json:"frames,omitempty"`
	TCP     []tcpCell     `json:"tcp,omitempty"`
	Config  []configCell  `json:"config,omitempty"`
	MACs    []macCell     `json:"macs,omitempty"`

	cpuBefore cpuTimes
}

type description struct {
	Name string `json:"name"`
	What string `json:"what"`
}

func newReport(command string, o *options) *report {
	r := &report{Command: command, Started: time.Now().UTC(), Machine: thisMachine(), Cores: cores(o), Method: method(o)}
	for _, name := range measured(o) {
		r.Systems = append(r.Systems, description{name, describe(name, o)})
	}
	r.cpuBefore, _ = readCPUTimes() // only a note in the report
	return r
}

// measured are the systems of the suites that run, each once.
func measured(o *options) []string {
	var names []string
	if slices.Contains(o.suites, suiteFrames) {
		names = append(names, o.systems...)
	}
	if slices.Contains(o.suites, suiteTCP) {
		names = append(names, o.tcpSystems...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func describe(name string, o *options) string {
	switch name {
	case systemLinuxGRO:
		return "linux, with GRO at the gateway's NICs for TCP too"
	case systemTCUntagged:
		return "tc, with an untagged circuit as Linux's"
	}
	s, err := newSystem(name, o)
	if err != nil {
		return err.Error()
	}
	return s.describe()
}

func cores(o *options) string {
	tcp := "the scheduler's choice"
	if o.tcpPinned {
		tcp = fmt.Sprintf("senders, and with them the gateway, on CPU %d, receivers on CPU %d", generatorCPU, gatewayCPU)
	}
	if o.threaded {
		return fmt.Sprintf("frames: generator on CPU %d; gateway (threaded NAPI) and sink on CPU %d. TCP: %s", generatorCPU, gatewayCPU, tcp)
	}
	return fmt.Sprintf("frames: generator, gateway and sink all on CPU %d, so that ratios are drawn towards 1; the net cost is not. TCP: %s", generatorCPU, tcp)
}

func method(o *options) string {
	clocks := "frames a second of the wall's time; TCP's CPU is the whole machine's"
	switch {
	case o.clock == clockCPU && o.threaded:
		clocks = "frames a second of the gateway's NAPI threads' CPU time, in which the sink's work is but the generator's is not"
	case o.clock == clockCPU:
		clocks = "frames a second of CPU time of generator, gateway and sink together"
	}
	if o.clock == clockCPU {
		clocks += "; TCP's CPU is sender's, receiver's and the softirq threads'"
	}
	return fmt.Sprintf("%d interleaved rounds of %s; %s; medians; 95 %% bootstrap confidence intervals of the ratio of medians, "+
		"rounds resampled together; TCP's ratios are the median of the rounds' own", o.rounds, o.length, clocks)
}

func (r *report) finish() {
	r.Seconds = time.Since(r.Started).Seconds()
	if now, err := readCPUTimes(); err == nil {
		r.CPU = now.since(r.cpuBefore)
	}
}

// write prints the tables and writes the files that were asked for.
func (r *report) write(o *options) error {
	r.text(os.Stdout)
	return errors.Join(
		writeFile(o.csv, r.csv),
		o.plot(),
		writeFile(o.markdown, func(w io.Writer) error { r.markdown(w); return nil }),
		writeFile(o.json, func(w io.Writer) error {
			encoder := json.NewEncoder(w)
			encoder.SetIndent("", "  ")
			return encoder.Encode(r)
		}),
	)
}

// writeFile writes nothing when no name was given.
func writeFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return errors.Join(write(file), file.Close())
}

// csvHead names the columns.
var csvHead = []string{"suite", "system", "direction", "case", "extensions", "station_pairs", "round", "value", "unit", "lost", "cpu_s_per_gb"}

// csv has a line per round.
func (r *report) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	lines := [][]string{csvHead}
	for _, c := range r.Frames {
		for _, result := range c.Results {
			for i, round := range result.Readings {
				lines = append(lines, []string{suiteFrames, result.System, c.Direction, c.Size, strconv.Itoa(c.Extensions),
					strconv.Itoa(c.Stations), strconv.Itoa(i), number(round.Rate, 0), "frames/s", number(round.Lost, 5), ""})
			}
		}
	}
	for _, c := range r.TCP {
		for _, result := range c.Results {
			for i, round := range result.Readings {
				lines = append(lines, []string{suiteTCP, result.System, c.Direction, fmt.Sprintf("%d flows", c.Flows), "1",
					"1", strconv.Itoa(i), number(round.Rate*8, 0), "bit/s", "", number(round.CPUPerGB, 4)})
			}
		}
	}
	for _, c := range r.Config {
		for i, seconds := range c.Seconds {
			lines = append(lines, []string{suiteConfig, c.System, "", c.Step, strconv.Itoa(c.Extensions), "", strconv.Itoa(i),
				number(seconds, 4), "s", "", ""})
		}
	}
	for _, c := range r.MACs {
		for i, round := range c.Rounds {
			lines = append(lines, []string{suiteMACs, c.System, toCloud.String(), fmt.Sprintf("%d MACs/s", c.Rate), "1", strconv.Itoa(round.Sent),
				strconv.Itoa(i), number(round.Largest, 4), "s", number(ratio(float64(round.Missed), float64(round.Sent)), 5), ""})
		}
	}
	return out.WriteAll(lines)
}

func number(v float64, decimals int) string { return strconv.FormatFloat(v, 'f', decimals, 64) }
