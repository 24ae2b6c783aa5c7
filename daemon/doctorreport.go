// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bufio"
	"fmt"
	"io"
	"slices"
)

// severity says how much a finding matters.
type severity string

// From nothing to say to forwarding that does not work. Only severe ends with an exit code.
const (
	fine    severity = "ok"
	notice  severity = "info"    // worth knowing, or cannot be seen from here
	warning severity = "warning" // works, and may hurt
	severe  severity = "error"   // something of the configuration cannot work, or loses frames
)

var severities = []severity{fine, notice, warning, severe}

// finding is one row of the examination. Consequence and remedy are empty when nothing is wrong.
type finding struct {
	Check       string   `json:"check"`   // one of a closed set, such as path-mtu
	Subject     string   `json:"subject"` // a NIC, a peer, an extension; empty: the machine
	Severity    severity `json:"severity"`
	Finding     string   `json:"finding"`
	Consequence string   `json:"consequence,omitempty"`
	Remedy      string   `json:"remedy,omitempty"`
}

// report is what `doctor -o json` prints.
type report struct {
	Gateway  string         `json:"gateway,omitempty"` // empty: no configuration
	Engine   string         `json:"engine,omitempty"`  // the one that runs, or that would
	Running  bool           `json:"running"`           // a daemon answers
	Fixed    []fixedSetting `json:"fixed"`
	Findings []finding      `json:"findings"`
}

// fixedSetting is one thing that --fix did, or could not do.
type fixedSetting struct {
	Device  string `json:"device"`
	Setting string `json:"setting"`
	Was     string `json:"was"`
	Now     string `json:"now"`
	Error   string `json:"error,omitempty"`
}

func (r report) worst() severity {
	worst := fine
	for _, f := range r.Findings {
		if slices.Index(severities, f.Severity) > slices.Index(severities, worst) {
			worst = f.Severity
		}
	}
	return worst
}

func (r report) count(s severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// print prints the report for people: a line for each finding, and below what is not fine what follows from it
// and what to do.
func (r report) print(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, f := range r.Fixed {
		fmt.Fprintln(out, "fixed    "+f.sentence())
	}
	for _, f := range r.Findings {
		f.print(out)
	}
	fmt.Fprintf(out, "\n%s\n", r.summary())
	return out.Flush()
}

func (f fixedSetting) sentence() string {
	if f.Error != "" {
		return fmt.Sprintf("nothing on %s: %s", f.Device, f.Error)
	}
	return fmt.Sprintf("%s of %s: was %s, is %s", f.Setting, f.Device, f.Was, f.Now)
}

const findingIndent = "         "

func (f finding) print(w io.Writer) {
	subject := f.Subject
	if subject != "" {
		subject += ": "
	}
	fmt.Fprintf(w, "%-8s %-14s %s%s\n", f.Severity, f.Check, subject, f.Finding)
	if f.Consequence != "" {
		fmt.Fprintln(w, findingIndent+"consequence: "+f.Consequence)
	}
	if f.Remedy != "" {
		fmt.Fprintln(w, findingIndent+"remedy: "+f.Remedy)
	}
}

func (r report) summary() string {
	of := "this machine"
	if r.Gateway != "" {
		of = "this host for gateway " + r.Gateway
	}
	errors, warnings := r.count(severe), r.count(warning)
	if errors+warnings == 0 {
		return fmt.Sprintf("nothing is wrong with %s", of)
	}
	return fmt.Sprintf("%s and %s with %s", countOf(errors, "error"), countOf(warnings, "warning"), of)
}

func countOf(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
