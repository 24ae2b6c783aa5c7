// SPDX-License-Identifier: Apache-2.0

package tune

import (
	"fmt"
	"strings"
	"time"
)

// YAML prints a proposal as the part of a configuration that it is about: it can be pasted as it stands. Advice is in
// comments.
func (p *Proposal) YAML(extension string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What was seen of extension %s from %s to %s (%s), mode %s.\n",
		extension, p.From.UTC().Format(time.RFC3339), p.To.UTC().Format(time.RFC3339), time.Duration(p.Seconds)*time.Second, p.Mode)
	fmt.Fprintf(&b, "# Numbers are %d times the busiest second, or the most at a time, rounded up. Nothing has been changed.\n", Margin)
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "# %s\n", note)
	}
	fmt.Fprintf(&b, "extensions:\n  %s:\n    guard:\n", extension)
	if !p.proposes() {
		b.WriteString("      {} # nothing was seen that a number could be made of\n")
	}
	section := ""
	for _, line := range p.Lines {
		section = p.line(&b, &line, section)
	}
	return b.String()
}

func (p *Proposal) proposes() bool {
	for _, l := range p.Lines {
		if !l.Advice {
			return true
		}
	}
	return false
}

// line prints one line, and the section's head in front of its first.
func (p *Proposal) line(b *strings.Builder, l *Line, section string) string {
	if l.Advice {
		fmt.Fprintf(b, "      # %s: %s    # %s\n", strings.Join(l.Key, "."), l.Value, l.Evidence)
		return section
	}
	indent := "      "
	if len(l.Key) > 1 {
		if l.Key[0] != section {
			fmt.Fprintf(b, "      %s:\n", l.Key[0])
		}
		indent += "  "
	}
	fmt.Fprintf(b, "%s%s: %s    # %s\n", indent, l.Key[len(l.Key)-1], l.Value, l.Evidence)
	return l.Key[0]
}
