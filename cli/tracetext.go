// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"

	"github.com/drawbridge-l2/drawbridge/api"
)

// printTrace prints a frame, what each stage says of it, and the outcome in one sentence.
func printTrace(w io.Writer, t *api.Trace, p palette) {
	fmt.Fprintf(w, "%s, to %s: %s, %d bytes\n\n", clean(t.Extension), clean(t.To), clean(t.Frame.Summary), t.Frame.Size)
	stages := &table{columns: []column{{name: "#", right: true}, {name: "STAGE"}, {name: "VERDICT"}, {name: "DETAIL"}}}
	for _, s := range t.Stages {
		verdict := cell{clean(s.Verdict), verdictColour(s.Verdict)}
		if s.Reason != "" && s.Reason != s.Name {
			verdict.text += ": " + clean(s.Reason)
		}
		if s.Verdict == "not-reached" {
			continue
		}
		stages.add(plain(number(s.Stage)), plain(clean(s.Name)), verdict, plain(clean(s.Detail)))
	}
	stages.write(w, p)
	if t.Learns != "" {
		fmt.Fprintf(w, "\nlearns: %s\n", clean(t.Learns))
	}
	fmt.Fprintf(w, "\n%s\n", p.paint(conclusionOf(t), outcomeColour(t)))
}

// conclusionOf says where the line of YAML stands.
func conclusionOf(t *api.Trace) string {
	text := clean(t.Conclusion)
	if t.YAML != "" {
		text += " (under extensions." + clean(t.Extension) + ")"
	}
	return text
}

// printTraceLine prints a frame of a capture.
func printTraceLine(w io.Writer, n int, t *api.Trace, verbose bool, p palette) {
	if verbose {
		fmt.Fprintf(w, "frame %d: ", n)
		printTrace(w, t, p)
		fmt.Fprintln(w)
		return
	}
	what := t.Outcome
	if t.Reason != "" {
		what += ": " + t.Reason
	}
	for _, would := range t.WouldDrop {
		what += ", would drop: " + would
	}
	fmt.Fprintf(w, "%5d  %s  %s\n", n, p.paint(fmt.Sprintf("%-32s", clean(what)), outcomeColour(t)), clean(t.Frame.Summary))
}

func verdictColour(verdict string) colour {
	switch verdict {
	case "drop":
		return red
	case "would-drop":
		return yellow
	case "pass":
		return green
	}
	return none
}

func outcomeColour(t *api.Trace) colour {
	switch {
	case t.Outcome == "dropped":
		return red
	case t.Outcome == "forwarded" && len(t.WouldDrop) == 0:
		return green
	}
	return yellow
}
