// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
)

// A plot is made of a run's raw values alone, so that whoever has the CSV file can make it again.

// measuredCell is the rounds of one cell, by its coordinates in the CSV file.
type measuredCell struct {
	suite, system, direction, what, extensions, stations string
}

// rounds are the values of cells in the order of the rounds.
type rounds struct {
	cells  []measuredCell // in the file's order
	values map[measuredCell][]float64
}

// plotFile reads a CSV file and writes the plot of it.
func plotFile(from, to string) error {
	file, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read rounds: %w", err)
	}
	defer file.Close()
	r, err := readRounds(file)
	if err != nil {
		return fmt.Errorf("read rounds of %s: %w", from, err)
	}
	return writeFile(to, func(w io.Writer) error { return drawPanels(w, r.panels()) })
}

// plot makes the picture that was asked for.
func (o *options) plot() error {
	if o.svg == "" {
		return nil
	}
	return plotFile(o.csv, o.svg)
}

// readRounds reads what report.csv wrote.
func readRounds(from io.Reader) (*rounds, error) {
	lines, err := csv.NewReader(from).ReadAll()
	if err != nil {
		return nil, err
	}
	r := &rounds{values: map[measuredCell][]float64{}}
	for i, line := range lines {
		if i == 0 {
			if !slices.Equal(line, csvHead) {
				return nil, fmt.Errorf("the columns are %v, not %v", line, csvHead)
			}
			continue
		}
		value, err := strconv.ParseFloat(line[7], 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		c := measuredCell{line[0], line[1], line[2], line[3], line[4], line[5]}
		if r.values[c] == nil {
			r.cells = append(r.cells, c)
		}
		r.values[c] = append(r.values[c], value)
	}
	return r, nil
}

// panels are what is worth a picture, as far as it was measured.
func (r *rounds) panels() []panel {
	var all []panel
	for _, d := range []direction{toCloud, toCustomer} {
		all = append(all, r.compared(panel{title: "Frames " + words(d) + ", one extension, by size: times the Linux bridge", unit: "×"}, systemLinux,
			func(c measuredCell) (group string, wanted bool) {
				return c.what, c.suite == suiteFrames && c.direction == d.String() && c.extensions == "1" && c.stations == "1"
			}))
	}
	all = append(all,
		r.compared(panel{title: "64-byte frames to the cloud, by extensions and station pairs: part of a bare redirect", unit: "×"}, systemRedirect,
			func(c measuredCell) (string, bool) {
				return c.extensions + " × " + c.stations, c.suite == suiteFrames && c.what == "64" && c.direction == toCloud.String()
			}),
		r.compared(panel{title: "Bulk TCP: times the Linux bridge", unit: "×"}, systemLinux,
			func(c measuredCell) (string, bool) { return c.direction + ", " + c.what, c.suite == suiteTCP }),
		r.compared(panel{title: "All extensions new: how many times as long Linux takes", unit: "×", inverse: true}, systemLinux,
			func(c measuredCell) (string, bool) {
				return c.extensions + " extensions", c.suite == suiteConfig && c.what == stepAllApplied
			}),
		r.plain(panel{title: "One of them changed: from the reload until in force, or answered", unit: "ms"}, 1000, func(c measuredCell) (string, bool) {
			return c.what, c.suite == suiteConfig && (c.what == stepOneInForce || c.what == stepOneAnswered)
		}),
		r.plain(panel{title: "New MACs: until the last is in the API's list", unit: "ms"}, 1000, func(c measuredCell) (string, bool) {
			return c.what, c.suite == suiteMACs
		}),
	)
	return slices.DeleteFunc(all, func(p panel) bool { return len(p.groups) == 0 })
}

func words(d direction) string {
	if d == toCloud {
		return "to the cloud"
	}
	return "to the customer"
}

// compared fills a panel with ratios to a system that was measured in the same rounds.
func (r *rounds) compared(p panel, base string, choose func(measuredCell) (string, bool)) panel {
	for _, c := range r.cells {
		group, wanted := choose(c)
		if !wanted || c.system == base {
			continue
		}
		other := c
		other.system = base
		against := r.values[other]
		if against == nil {
			continue
		}
		e := bootstrap(r.values[c], against, ratio)
		if p.inverse {
			e = bootstrap(against, r.values[c], ratio)
		}
		p.add(group, bar{c.system, e})
	}
	return p
}

// plain fills a panel with medians.
func (r *rounds) plain(p panel, scale float64, choose func(measuredCell) (string, bool)) panel {
	for _, c := range r.cells {
		group, wanted := choose(c)
		if !wanted {
			continue
		}
		e := bootstrap(r.values[c], r.values[c], func(a, _ float64) float64 { return scale * a })
		p.add(group, bar{c.system, e})
	}
	return p
}
