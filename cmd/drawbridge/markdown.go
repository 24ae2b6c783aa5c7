// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"regexp"
	"strings"
)

// configurationPage makes drawbridge.yaml(5) of the reference, docs/reference/configuration.md: headings,
// paragraphs, lists, tables and blocks of code, which is all that it uses.
func configurationPage(w io.Writer, markdown string) error {
	p := page{w: w}
	m := markdownReader{page: &p}
	p.line(`.TH "DRAWBRIDGE.YAML" 5 "" "Drawbridge"`)
	p.section("NAME")
	p.line(`drawbridge.yaml \- the configuration of a Drawbridge gateway`)
	p.section("DESCRIPTION")
	for lines := bufio.NewScanner(strings.NewReader(markdown)); lines.Scan(); {
		m.line(lines.Text())
	}
	m.flush()
	p.section("SEE ALSO")
	p.line(".BR drawbridge (8)")
	return p.err
}

// markdownReader takes a text line by line.
type markdownReader struct {
	*page
	code      bool
	header    bool // the next row of a table is its first, which names the columns
	paragraph []string
}

func (m *markdownReader) line(s string) {
	switch {
	case strings.HasPrefix(s, "```"):
		m.fence()
	case m.code:
		m.page.line(escape(s))
	case strings.HasPrefix(s, "# "): // the title, which the page has already
	case strings.HasPrefix(s, "#"):
		m.flush()
		m.section(strings.ToUpper(plain(strings.TrimLeft(s, "# "))))
	case strings.HasPrefix(s, "|"):
		m.flush()
		m.row(s)
	case strings.HasPrefix(s, "* "):
		m.flush()
		m.page.line(`.IP \(bu 2`)
		m.paragraph = []string{s[2:]}
	case strings.TrimSpace(s) == "":
		m.flush()
		m.header = true
	default:
		m.paragraph = append(m.paragraph, strings.TrimSpace(s))
	}
}

func (m *markdownReader) fence() {
	m.flush()
	m.code = !m.code
	if m.code {
		m.page.line(".PP")
		m.page.line(".nf")
		return
	}
	m.page.line(".fi")
}

// row makes a table's first column a term, and joins the others.
func (m *markdownReader) row(s string) {
	cells := strings.Split(strings.Trim(strings.ReplaceAll(s, `\|`, "\x00"), "| "), "|")
	isRule := strings.Trim(s, "|- ") == ""
	if m.header || isRule {
		m.header = false
		return
	}
	for i, c := range cells {
		cells[i] = plain(strings.TrimSpace(strings.ReplaceAll(c, "\x00", "|")))
	}
	rest := make([]string, 0, len(cells))
	for _, c := range cells[1:] {
		if c != "" {
			rest = append(rest, c)
		}
	}
	m.term(cells[0], strings.Join(rest, ": "))
}

// flush ends a paragraph.
func (m *markdownReader) flush() {
	if m.paragraph == nil {
		return
	}
	m.page.line(escape(plain(strings.Join(m.paragraph, " "))))
	m.page.line(".PP")
	m.paragraph = nil
}

var (
	markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	markdownMark = regexp.MustCompile("`([^`]*)`|\\*([^*]+)\\*")
)

// plain takes links and marks away.
func plain(s string) string {
	return markdownMark.ReplaceAllString(markdownLink.ReplaceAllString(s, "$1"), "$1$2")
}
