// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// table is what both the terminal and the document show.
type table struct {
	title string
	head  []string
	rows  [][]string
}

// line is a cell in short, for the log.
func (c *frameCell) line() string {
	var parts []string
	for _, r := range c.Results {
		parts = append(parts, fmt.Sprintf("%s %s", r.System, number(r.Rate/1e6, 3)))
	}
	return fmt.Sprintf("%s %s, %d×%d: %s Mpps", c.Direction, c.Size, c.Extensions, c.Stations, strings.Join(parts, ", "))
}

func (r *report) tables() []table {
	var all []table
	if len(r.Frames) > 0 {
		all = append(all, frameTable(r.Frames))
	}
	if len(r.TCP) > 0 {
		all = append(all, tcpTable(r.TCP))
	}
	if len(r.Config) > 0 {
		all = append(all, configTable(r.Config))
	}
	if len(r.MACs) > 0 {
		all = append(all, macTable(r.MACs))
	}
	return all
}

func macTable(cells []macCell) table {
	t := table{
		title: "New MACs: from a frame to its source's entry in the API's list",
		head:  []string{"system", "asked for MACs/s", "sent MACs/s", "MACs a round", "missed", "median ms", "last ms", "worst round's last ms", "kept up"},
	}
	for _, c := range cells {
		missed, last := 0, c.series(func(r macReading) float64 { return r.Largest })
		for _, r := range c.Rounds {
			missed += r.Missed
		}
		t.rows = append(t.rows, []string{
			c.System, fmt.Sprint(c.Rate), number(median(c.series(func(r macReading) float64 { return r.Rate })), 0),
			fmt.Sprint(c.Rounds[0].Sent), fmt.Sprint(missed), number(1000*median(c.series(func(r macReading) float64 { return r.Median })), 0),
			number(1000*median(last), 0), number(1000*slices.Max(last), 0), map[bool]string{true: "yes", false: "no"}[c.keptUp()],
		})
	}
	return t
}

func frameTable(cells []frameCell) table {
	t := table{
		title: "Frames: rate at the sink, in million frames a second",
		head:  []string{"direction", "size", "ext.", "MACs", "system", "Mpps", "of the floor", "of Linux", "net cost ns", "lost", "on CPU", "spread"},
	}
	for _, c := range cells {
		for _, r := range c.Results {
			t.rows = append(t.rows, []string{
				c.Direction, c.Size, fmt.Sprint(c.Extensions), fmt.Sprint(c.Stations), r.System, number(r.Rate/1e6, 3),
				r.OfFloor.text(2), r.OfLinux.text(2), r.NetCost.text(0), percent(r.Lost), percent(r.OnCPU), percent(r.Spread),
			})
		}
	}
	return t
}

func tcpTable(cells []tcpCell) table {
	t := table{
		title: "Bulk TCP: payload at the receiver, each system with its own best offloads",
		head:  []string{"direction", "flows", "system", "Gb/s", "of Linux", "CPU s/GB", "CPU of Linux", "spread"},
	}
	for _, c := range cells {
		for _, r := range c.Results {
			t.rows = append(t.rows, []string{
				c.Direction, fmt.Sprint(c.Flows), r.System, number(r.Rate*8/1e9, 2), r.OfLinux.text(2),
				number(r.CPUPerGB, 3), r.CPUOfLinux.text(2), percent(r.Spread),
			})
		}
	}
	return t
}

func configTable(cells []configCell) table {
	t := table{
		title: "Configuration: from a request to frames that follow it",
		head:  []string{"step", "system", "extensions", "median ms", "smallest", "largest", "Linux takes × as long"},
	}
	for _, c := range cells {
		row := []string{c.Step, c.System, fmt.Sprint(c.Extensions)}
		for _, seconds := range []float64{median(c.Seconds), slices.Min(c.Seconds), slices.Max(c.Seconds)} {
			row = append(row, number(1000*seconds, 2))
		}
		t.rows = append(t.rows, append(row, c.OfLinux.text(1)))
	}
	return t
}

// text prints an estimate as 0.70 [0.68–0.72]; nothing for none.
func (e *estimate) text(decimals int) string {
	if e == nil {
		return ""
	}
	return fmt.Sprintf("%s [%s–%s]", number(e.Value, decimals), number(e.Low, decimals), number(e.High, decimals))
}

func percent(share float64) string { return number(100*share, 1) + " %" }

// notes are what every table must be read with.
func (r *report) notes() []string {
	notes := []string{
		"command: " + r.Command,
		"machine: " + r.Machine.String(),
		"spectre_v2: " + r.Machine.SpectreV2,
		"cores: " + r.Cores,
		"method: " + r.Method,
		fmt.Sprintf("run: %s, %.0f s; CPU %.0f s busy, %.1f s stolen", r.Started.Format("2006-01-02 15:04 MST"), r.Seconds, r.CPU.Busy, r.CPU.Steal),
	}
	for _, s := range r.Systems {
		notes = append(notes, s.Name+": "+s.What)
	}
	return append(notes, "Sizes are those of the untagged frame with FCS. Only ratios within one run mean anything; nothing here was measured with a NIC.")
}

func (r *report) text(w io.Writer) {
	for _, t := range r.tables() {
		fmt.Fprintf(w, "\n%s\n\n", t.title)
		out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, strings.Join(t.head, "\t"))
		for _, row := range t.rows {
			fmt.Fprintln(out, strings.Join(row, "\t"))
		}
		out.Flush()
	}
	fmt.Fprintf(w, "\n%s\n", strings.Join(r.notes(), "\n"))
}

func (r *report) markdown(w io.Writer) {
	for _, t := range r.tables() {
		fmt.Fprintf(w, "### %s\n\n| %s |\n|%s\n", t.title, strings.Join(t.head, " | "), strings.Repeat("---|", len(t.head)))
		for _, row := range t.rows {
			fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		}
		fmt.Fprintln(w)
	}
	for _, note := range r.notes() {
		fmt.Fprintf(w, "- %s\n", note)
	}
}
