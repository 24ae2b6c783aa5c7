// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table prints rows in aligned columns, two blanks apart, without trailing blanks.
type table struct {
	columns []column
	rows    [][]cell
}

// column is one column's head. Columns with the same group stand under its name.
type column struct {
	group, name string
	right       bool // numbers align to the right
}

// cell is text with a colour.
type cell struct {
	text   string
	colour colour
}

func plain(text string) cell { return cell{text: text} }

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

const gap = "  "

// write prints the heads and the rows. A table without rows prints nothing.
func (t *table) write(w io.Writer, p palette) {
	if len(t.rows) == 0 {
		return
	}
	widths := t.widths()
	if groups := t.groups(widths); groups != "" {
		io.WriteString(w, p.paint(groups, bold)+"\n")
	}
	heads := make([]cell, len(t.columns))
	for i, c := range t.columns {
		heads[i] = plain(c.name)
	}
	io.WriteString(w, p.paint(t.line(heads, widths, palette{}), bold)+"\n")
	for _, row := range t.rows {
		io.WriteString(w, t.line(row, widths, p)+"\n")
	}
}

func (t *table) widths() []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c.name)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	t.widen(widths)
	return widths
}

// widen makes the last column of a group wide enough for the group's name.
func (t *table) widen(widths []int) {
	for first := 0; first < len(t.columns); {
		last, width := t.groupEnd(first, widths)
		if missing := utf8.RuneCountInString(t.columns[first].group) - width; missing > 0 {
			widths[last] += missing
		}
		first = last + 1
	}
}

// groupEnd is the last column of the group that starts at first, and the group's width.
func (t *table) groupEnd(first int, widths []int) (last, width int) {
	last, width = first, widths[first]
	for t.columns[first].group != "" && last+1 < len(t.columns) && t.columns[last+1].group == t.columns[first].group {
		last++
		width += len(gap) + widths[last]
	}
	return last, width
}

// groups is the line over the heads; empty when no column has a group.
func (t *table) groups(widths []int) string {
	var b strings.Builder
	for first := 0; first < len(t.columns); {
		last, width := t.groupEnd(first, widths)
		name := t.columns[first].group
		b.WriteString(name + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(name))) + gap)
		first = last + 1
	}
	return strings.TrimRight(b.String(), " ")
}

// line aligns one row. The last cell is not filled up; colours do not count as width.
func (t *table) line(row []cell, widths []int, p palette) string {
	var b strings.Builder
	for i, c := range row {
		fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
		if t.columns[i].right {
			b.WriteString(fill)
		}
		b.WriteString(p.paint(c.text, c.colour))
		if !t.columns[i].right {
			b.WriteString(fill)
		}
		b.WriteString(gap)
	}
	return strings.TrimRight(b.String(), " ")
}
